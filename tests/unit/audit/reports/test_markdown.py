from __future__ import annotations

import re
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from accesskeys_async._escaping import markdown_code
from accesskeys_async.audit import Policy, RuleChange, RuleResult
from accesskeys_async.audit.records import Summary
from accesskeys_async.audit.reports import ReportContext
from accesskeys_async.audit.reports.markdown import MarkdownReport
from tests.unit.audit.fleet import AT, HOSTILE_NAMES, ROLES, Fleet
from tests.unit.audit.reports.conftest import Render


def read(text: str) -> list[Any]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def list_kinds(text: str) -> set[str]:
    return {child.type for token in read(text) for child in [token, *(token.children or [])]}


def make(render: Render, fleet: Fleet, most: int = 50) -> str:
    return render(MarkdownReport(ReportContext(), most=most), fleet.parts()).decode()


def test_coverage_severities_rules_findings_and_organizations_are_told(render: Render) -> None:
    text = make(render, Fleet(unreadable=0))
    assert text.startswith("# Access key audit\n")
    assert "Read 12 of 12 organizations (100.0%) and 480 keys" in text
    assert re.search(r"^\| critical \| [1-9]\d* \|$", text, re.MULTILINE)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Rules",
        "## Findings",
        "## Worst organizations",
        "## Keys by role",
        "## Notes",
    ]


def test_roles_are_shown_beside_the_key_and_counted_with_the_managed_ones_marked(render: Render) -> None:
    text = make(render, Fleet(unreadable=0))
    managed = ROLES[8].id
    assert re.search(rf"^\| critical \| .* `{managed}` \(managed\) \|", text, re.MULTILINE)
    assert f"| `{managed}` | managed | 24 |" in text
    assert "| no roles | none | 48 |" in text
    named = make(render, Fleet(unreadable=0, role_names=("|a|", "b")))
    assert f"| `{managed}` `\\|a\\|` | managed | 24 |" in named


def test_roles_that_could_not_be_read_are_told_before_anything_else(render: Render) -> None:
    *audits, summary = Fleet(unreadable=0).parts()
    assert isinstance(summary, Summary)
    partly = evolve(summary, partly_read=2, unread_roles=7)
    text = render(MarkdownReport(ReportContext()), [*audits, partly]).decode()
    assert text.split("\n\n")[1].startswith(
        "> **Incomplete:** the roles of 7 keys in 2 organizations could not be read."
    )
    assert "Read 10 of 12 organizations (83.3%)" in text


def test_an_incomplete_audit_says_so_before_anything_else(render: Render) -> None:
    text = make(render, Fleet(unreadable=2))
    assert text.split("\n\n")[1].startswith("> **Incomplete:** 2 of 12 organizations could not be read.")
    assert "## Not read" in text


@pytest.mark.slow
def test_hostile_names_are_text_and_keep_to_their_cells(render: Render) -> None:
    text = make(render, Fleet(names=HOSTILE_NAMES), most=400)
    assert list_kinds(text).isdisjoint({"html_inline", "html_block", "link_open", "image", "fence"})
    tables = [table for table in re.split(r"\n\n", text) if table.startswith("| severity | rule")]
    (table,) = tables
    cells = {len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines() if line.startswith("|")}
    assert cells == {8}
    assert "\u202e" not in text
    assert "\x1b" not in text


@given(st.text(st.characters(exclude_categories=())))
def test_code_says_what_was_written_and_nothing_else(text: str) -> None:
    table = f"| a |\n| --- |\n| {markdown_code(text)} |\n"
    kinds = [child.type for token in read(table) for child in token.children or []]
    assert kinds[1:] in ([], ["code_inline"])


def test_what_is_left_out_is_counted(render: Render) -> None:
    text = make(render, Fleet(organizations=8, unreadable=4), most=3)
    assert re.search(r"^3 of \d+ findings are shown\.$", text, re.MULTILINE)
    assert "3 of 4 organizations are shown." in text
    assert "3 of 4 organizations with findings are shown." in text
    assert re.search(r"^Total: `\w+` [1-4]", text, re.MULTILINE)


def test_a_clean_audit_is_short(render: Render) -> None:
    text = make(render, Fleet(organizations=1, keys=0, unreadable=0))
    assert "## Findings" not in text
    assert "| critical | 0 |" in text


@pytest.mark.parametrize("most", [50])
def test_a_large_audit_fits_a_step_summary(render: Render, most: int) -> None:
    assert len(make(render, Fleet(organizations=60, keys=60, names=HOSTILE_NAMES), most=most)) < 1_000_000


def test_a_rule_that_was_not_evaluated_has_its_title_and_the_reason(render: Render) -> None:
    empty = Summary(AT, 1.0, "ab" * 16, 1, (), 9, (), (), 0)
    results = (
        RuleResult("AK036", not_evaluated=9, reason="roles were not requested"),
        RuleResult("AK001", passed=7, not_evaluated=2, reason="not told"),
    )
    text = render(MarkdownReport(ReportContext.of(Policy())), [evolve(empty, by_rule=results)]).decode()
    assert "| `AK036` | `full access` | 0 | 0 | 0 | 0 | 0 | 9 | `roles were not requested` |" in text
    assert "| `AK001` | `unused` | 0 | 0 | 0 | 0 | 0 | 2 | `not told` |" in text


def test_rules_with_findings_are_described(render: Render) -> None:
    policy = Policy(rules={"AK003": RuleChange(parameters={"max_age_days": 33})})
    text = render(MarkdownReport(ReportContext.of(policy)), Fleet().parts()).decode()

    [line] = [line for line in text.splitlines() if line.startswith("- `AK003` ")]
    assert "The key was created more than 33 days ago." in line
    assert "To fix: Rotate the key" in line
    assert "May be harmless: " in line
    assert "- `AK020`" not in text
