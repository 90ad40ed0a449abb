"""The HTML report in a real browser."""

from __future__ import annotations

import itertools
import os
import socket
import struct
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from accesskeys_async._escaping import printable
from tests.e2e.conftest import Open, write_report
from tests.unit.audit.fleet import HOSTILE_NAMES, ROLES, Fleet

FINDINGS = "Findings, worst first"
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "report.png"


def table_of(page: Page, name: str = FINDINGS) -> Locator:
    return page.get_by_role("table", name=name, exact=True)


def column(table: Locator, name: str) -> list[str]:
    return [text.strip() for text in table.locator(f'tbody [data-name="{name}"]').all_inner_texts()]


def status_of(page: Page, what: str = "findings") -> Locator:
    return page.get_by_role("status").filter(has_text=what).first


def test_it_renders_without_a_request_or_a_word_on_the_console(report: Path, open_page: Open) -> None:
    watched = open_page(report)
    watched.page.wait_for_load_state("networkidle")
    assert watched.requests == [report.as_uri()]
    assert watched.complaints == []
    expect(watched.page.get_by_role("heading", name="Access key audit")).to_be_visible()
    assert watched.page.get_by_role("figure").count() == 8
    for picture in watched.page.get_by_role("img").all():
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] > 300
        assert box["height"] > 100


def test_its_policy_keeps_it_from_the_network(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        blocked = page.evaluate(
            """async (url) => {
                const violated = [];
                const all = new Promise((done) => addEventListener("securitypolicyviolation", (event) => {
                    if (violated.push(event.effectiveDirective) === 3) done();
                }));
                const image = Object.assign(new Image(), {src: url});
                const script = Object.assign(document.createElement("script"), {textContent: "ran = true"});
                document.body.append(image, script);
                await fetch(url).catch(() => null);
                await all;
                return [typeof ran, ...violated.sort()];
            }""",
            f"http://127.0.0.1:{server.getsockname()[1]}/",
        )
        with pytest.raises(BlockingIOError):
            server.accept()
    assert blocked == ["undefined", "connect-src", "img-src", "script-src-elem"]


def test_keys_are_charted_by_role_with_the_managed_ones_marked(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    figure = page.get_by_role("figure").filter(has_text="Keys by role, the managed ones marked")
    expect(figure.get_by_role("img", name="Keys by role, the managed ones marked")).to_be_visible()
    figure.get_by_text("Numbers").click()
    rows = figure.get_by_role("row").all_inner_texts()
    managed = [row for row in rows if "\tmanaged\t" in row]
    assert [row.split("\t")[0] for row in managed] == [str(ROLES[8].id)]
    assert any(row.startswith("no roles\t") for row in rows)


def test_a_finding_shows_the_roles_of_its_key_and_names_if_they_are_known(
    tmp_path: Path, report: Path, open_page: Open
) -> None:
    plain = " ".join(column(table_of(open_page(report).page), "key"))
    assert "no roles" in plain
    assert f"managed {ROLES[8].id}" in plain
    named = write_report(tmp_path / "named.html", Fleet(organizations=3, role_names=HOSTILE_NAMES[:3]))
    watched = open_page(named)
    assert "<script>alert(1)</script>" in " ".join(column(table_of(watched.page), "key"))
    assert watched.complaints == []


def test_findings_are_sorted_by_any_column_both_ways(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    table = table_of(page)
    heading = table.get_by_role("columnheader", name="created")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    rising = column(table, "created")
    assert rising == sorted(rising)
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    falling = [date for date in column(table, "created") if date != "–"]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] > rising[-1]


def test_severities_are_sorted_by_weight_and_not_by_their_names(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    table = table_of(page)
    heading = table.get_by_role("columnheader", name="severity")
    heading.get_by_role("button").click()
    assert set(column(table, "severity")) == {"critical"}
    heading.get_by_role("button").click()
    assert set(column(table, "severity")) == {"info"}


def test_findings_are_filtered_by_words_and_by_severity(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    table = table_of(page)
    page.get_by_label("Filter findings", exact=True).get_by_role("searchbox").or_(
        page.get_by_role("searchbox", name="Filter findings", exact=True)
    ).first.fill("AK001 prod-eu")
    assert set(column(table, "rule")) == {"AK001"}
    assert all("prod-eu" in key for key in column(table, "key"))
    page.get_by_role("combobox", name="severity").first.select_option("critical")
    expect(status_of(page)).to_have_text("none of 0 findings")
    page.get_by_role("combobox", name="severity").first.select_option("high")
    assert set(column(table, "severity")) == {"high"}


def test_findings_are_paged(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    table = table_of(page)
    section = page.get_by_role("region", name="Findings", exact=True)
    first = column(table, "key")
    assert len(first) == 25
    expect(section.get_by_role("button", name="Previous")).to_be_disabled()
    section.get_by_role("button", name="Next").click()
    assert len(column(table, "key")) == 25
    assert column(table, "key") != first
    expect(status_of(page)).to_contain_text("26–50 of ")
    while section.get_by_role("button", name="Next").is_enabled():
        section.get_by_role("button", name="Next").click()
    assert 1 <= len(column(table, "key")) <= 25


def test_it_is_used_by_keyboard_alone(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the findings")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("searchbox", name="Filter findings")).to_be_focused()
    page.keyboard.type("identity")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    table = table_of(page)
    expect(table.get_by_role("columnheader", name="rule")).to_have_attribute("aria-sort", "ascending")
    assert all(key.startswith("identity") for key in column(table, "key"))


def test_a_screen_reader_finds_names_for_everything(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    assert page.evaluate("document.documentElement.lang") == "en"
    levels = [
        int(name[1]) for name in page.eval_on_selector_all("h1,h2,h3", "all => all.map(e => e.tagName)")
    ]
    assert levels[0] == 1
    assert all(later - level <= 1 for level, later in itertools.pairwise(levels))
    unnamed = page.eval_on_selector_all(
        "button, select, input, table.data, svg, nav, meter",
        """all => all.filter(e => !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length
            || e.querySelector("caption"))).length""",
    )
    assert unnamed == 0
    assert page.evaluate(
        "new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size"
    ) == page.evaluate("document.querySelectorAll('[id]').length")


def test_hostile_names_stay_text(tmp_path: Path, open_page: Open) -> None:
    path = write_report(tmp_path / "hostile.html", Fleet(organizations=6, names=HOSTILE_NAMES))
    watched = open_page(path)
    page = watched.page
    page.evaluate("document.querySelectorAll('table.data thead button').forEach(button => button.click())")
    search = page.get_by_role("searchbox", name="Filter findings")
    for name in HOSTILE_NAMES:
        if not name.strip():
            continue
        words = printable(name)
        search.fill(words)
        assert words in page.locator("table.data .name").first.inner_text().replace("\n", " ") or (
            words in " ".join(page.locator("table.data .name").all_inner_texts())
        )
    assert watched.requests == [path.as_uri()]
    assert watched.complaints == []
    assert page.evaluate("document.body.scrollWidth <= innerWidth")


CONTRAST = """() => {
    const light = (text) => {
        const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((part) => {
            const c = part / 255;
            return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if (!colour.endsWith(", 0)")) return colour;
        }
    };
    const poor = new Set();
    const texts = "p, dt, dd, td, th, small, a, .badge, .tag, button, label, summary";
    for (const element of document.querySelectorAll(texts)) {
        if (element.disabled || !element.textContent.trim()) continue;
        const style = getComputedStyle(element);
        const [one, other] = [light(style.color), light(behind(element))].sort((a, b) => b - a);
        const ratio = (one + 0.05) / (other + 0.05);
        const large = parseFloat(style.fontSize) >= 24;
        if (ratio < (large ? 3 : 4.5)) poor.add(`${element.outerHTML.slice(0, 80)} ${ratio.toFixed(2)}`);
    }
    return [...poor];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_in_dark(report: Path, open_page: Open, scheme: str) -> None:
    page = open_page(report, color_scheme=scheme).page
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 26)"
    assert dark is (scheme == "dark")
    assert page.evaluate(CONTRAST) == []


def test_it_is_read_on_a_phone_without_moving_sideways(report: Path, open_page: Open) -> None:
    page = open_page(report, viewport={"width": 360, "height": 740}, has_touch=True).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    table = table_of(page)
    cell = table.locator('tbody [data-name="organization"]').first
    assert (
        page.evaluate("e => getComputedStyle(e, '::before').content", cell.element_handle())
        == '"organization"'
    )
    box = cell.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 360
    assert table.get_by_role("row").count() == 11  # ten to a page, under the headings


def test_print_has_more_rows_and_no_controls(report: Path, open_page: Open) -> None:
    page = open_page(report, color_scheme="dark").page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert len(column(table_of(page), "key")) == 100
    expect(page.get_by_role("searchbox", name="Filter findings")).to_be_hidden()
    expect(page.get_by_role("navigation")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert len(column(table_of(page), "key")) == 25
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_without_script_every_row_is_there(report: Path, open_page: Open) -> None:
    page = open_page(report, java_script_enabled=False).page
    expect(page.get_by_role("searchbox")).to_have_count(0)
    assert table_of(page).get_by_role("row").count() > 200


def test_the_largest_report_opens_in_two_seconds(tmp_path: Path, open_page: Open) -> None:
    path = write_report(tmp_path / "large.html", Fleet(organizations=1_100, keys=12, unreadable=50))
    assert path.stat().st_size < 5_000_000
    took = min(
        open_page(path).page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        for _ in range(3)
    )
    assert 0 < took < 2_000


def test_its_picture_is_in_the_docs(report: Path, open_page: Open) -> None:
    page = open_page(report, viewport={"width": 1180, "height": 1400}).page
    picture = page.screenshot()
    if os.environ.get("ACCESSKEYS_NEW_PICTURES") == "1":
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_bytes(picture)
    assert struct.unpack(">II", PICTURE.read_bytes()[16:24]) == struct.unpack(">II", picture[16:24])
    assert PICTURE.stat().st_size < 300_000
