from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from attrs import evolve

from accesskeys_async._escaping import printable
from accesskeys_async.audit import Policy, RuleChange
from accesskeys_async.audit.records import OrganizationAudit, Severity, Summary
from accesskeys_async.audit.reports import ReportContext, TrendPoint
from accesskeys_async.audit.reports.html import HtmlReport
from tests.unit.audit.fleet import AT, HOSTILE_NAMES, Fleet
from tests.unit.audit.reports.conftest import Render

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """The elements of a page, in order, and the text of those of interest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br"}:
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]][-1] += data

    def having(self, attribute: str) -> Iterator[str]:
        return (tag for tag, attributes in self.elements if attribute in attributes)


@pytest.fixture(scope="module")
def hostile() -> str:
    trend = (TrendPoint(AT - timedelta(days=7), ((Severity.HIGH, 3),)),)
    writer = HtmlReport(evolve(ReportContext.of(Policy(), trend=trend), title="Keys of <b>all</b>"))
    for part in Fleet(names=HOSTILE_NAMES, unreadable=2).parts():
        if isinstance(part, OrganizationAudit):
            subject = evolve(part.subject, labels=HOSTILE_NAMES[:5])
            writer.organization(evolve(part, subject=subject))
        else:
            return writer.end(evolve(part, notes=HOSTILE_NAMES)).decode()
    raise AssertionError


def test_hostile_names_are_text(hostile: str) -> None:
    page = Page(hostile)
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert sum(tag == "h1" for tag, _ in page.elements) == 1
    assert not [tag for tag, _ in page.elements if tag in {"img", "iframe", "object", "form", "base"}]
    assert not {
        attribute for _, attributes in page.elements for attribute in attributes if attribute[:2] == "on"
    }
    shown = set(page.texts["bdi"])
    assert {printable(name) for name in HOSTILE_NAMES} <= shown
    assert "\u202e" not in hostile
    assert "\x1b" not in hostile


def test_the_policy_allows_this_script_and_this_style_and_nothing_else(hostile: str) -> None:
    page = Page(hostile)
    (policy,) = (a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    directives = dict(directive.strip().split(" ", 1) for directive in policy.split(";"))
    assert directives["default-src"] == "'none'"
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (text,) = page.texts[tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert directives[directive] == f"'sha256-{digest}'"
    assert "unsafe" not in policy
    assert hostile.index("Content-Security-Policy") < hostile.index("<style>")
    assert not list(page.having("style"))


def test_nothing_is_fetched(hostile: str) -> None:
    page = Page(hostile)
    assert not list(page.having("src"))
    assert {a["href"] for _, a in page.elements if a.get("href")} <= {
        "data:,",
        "#charts",
        "#rules",
        "#findings",
        "#organizations",
        "#unread",
    }


def test_every_table_has_a_caption_or_a_label_and_headings_with_scope(hostile: str) -> None:
    page = Page(hostile)
    tables = [a for tag, a in page.elements if tag == "table"]
    assert len([a for a in tables if a.get("class") == "data"]) == len(page.texts["caption"]) == 5
    assert all(a.get("scope") in {"row", "col"} for tag, a in page.elements if tag == "th")


def test_every_chart_has_its_numbers_as_a_table(hostile: str) -> None:
    page = Page(hostile)
    figures = [a["id"] for tag, a in page.elements if tag == "figure"]
    assert figures == [
        f"chart-{name}"
        for name in ("rules", "organizations", "roles", "ages", "idle", "cells", "weeks", "trend")
    ]
    assert sum(a.get("class") == "numbers" for tag, a in page.elements if tag == "table") == len(figures)


def test_counts_coverage_and_the_policys_hash_are_told(hostile: str) -> None:
    assert "2 of 12 organizations could not be read" in hostile
    assert "83.3% coverage" in hostile
    assert "3b1f" * 16 in hostile


def test_a_clean_audit_says_so(render: Render) -> None:
    page = render(HtmlReport(ReportContext()), Fleet(organizations=2, keys=0, unreadable=0).parts()).decode()
    assert "No findings." in page
    assert "All 2 organizations were read." in page
    assert "No organization has findings that count." in page


def test_an_audit_of_nothing_is_a_page_too(render: Render) -> None:
    page = render(HtmlReport(ReportContext()), Fleet(organizations=0).parts()).decode()
    assert "No findings." in page


def test_a_large_fleet_is_aggregated(render: Render) -> None:
    fleet = Fleet(organizations=150, keys=100, unreadable=0, names=HOSTILE_NAMES)
    page = render(HtmlReport(ReportContext()), fleet.parts()).decode()
    (summary,) = (part for part in fleet.parts() if isinstance(part, Summary))
    found = sum(count for _, count in summary.by_severity)
    assert found > 5_000
    assert f"The 2,000 worst of {found:,}." in re.sub(r"\s+", " ", page)
    assert len(page.encode()) < 5_000_000


def test_rules_are_told_with_the_numbers_of_the_policy_and_how_to_fix_them_and_charts_have_names() -> None:
    policy = Policy(rules={"AK003": RuleChange(parameters={"max_age_days": 33})})
    writer = HtmlReport(ReportContext.of(policy))
    for part in Fleet().parts():
        if isinstance(part, OrganizationAudit):
            writer.organization(evolve(part, subject=evolve(part.subject, labels=("production",))))
        else:
            page = writer.end(part).decode()

    assert "The key was created more than 33 days ago. The severity is high after 180 days" in page
    assert "max_age_days" not in page
    assert "To fix: Rotate the key" in page
    charts = page.partition('<figure id="chart-rules"')[2].partition("</figure>")[0]
    assert ">AK003 rotation overdue<" in charts.partition("</svg>")[0]
    charts = page.partition('<figure id="chart-organizations"')[2].partition("</figure>")[0]
    assert ">production " in charts.partition("</svg>")[0]


def test_roles_that_could_not_be_read_are_told_at_the_top(render: Render) -> None:
    *audits, summary = Fleet(organizations=3, unreadable=0).parts()
    assert isinstance(summary, Summary)
    partly = evolve(summary, partly_read=2, unread_roles=7)
    page = render(HtmlReport(ReportContext()), [*audits, partly]).decode()
    assert "The roles of 7 keys in 2 organizations could not be read" in page
    assert "<strong>Complete.</strong>" not in page
    assert "1<small> of 3</small>" in page
