from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from rich.text import Text

from accesskeys_async.audit import (
    OrganizationAudit,
    RuleResult,
    Severity,
    Subject,
    Summary,
    Unreadable,
)
from accesskeys_async.cli.audit.exit_status import Verdict
from accesskeys_async.cli.audit.summary import Comparison, Overview, draw_summary
from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.records import AccessKey
from tests.unit.audit.fleet import HOSTILE_NAMES, Fleet, make_finding

T = datetime(2026, 6, 15, 12, tzinfo=UTC)
VERDICT = Verdict(ExitCode.FINDINGS, "7 findings at high or worse")


@pytest.fixture
def draw(make_desk: Callable) -> Callable[..., str]:
    def draw(*parts: OrganizationAudit | Summary, terminal: bool = False, **settings: Any) -> str:
        overview = Overview()
        for part in parts:
            if isinstance(part, Summary):
                desk = make_desk(terminal=terminal)
                return draw_summary(desk.screen, part, overview, VERDICT, **settings)
            overview.add(part)
        raise AssertionError("there was no summary")

    return draw


def _summary(**fields: Any) -> Summary:
    empty = Summary(T, 1.0, "ab" * 16, 1, (), 1, (), (), 0)
    return evolve(empty, **fields)


def test_it_says_all_there_is_to_say(draw: Callable[..., str]) -> None:
    told = draw(
        *Fleet(unreadable=2).parts(),
        comparison=Comparison("2026-06-14 12:00 UTC", 14, 3, 1, "ab" * 16),
        reports=[Path("out/audit.html")],
    )

    for said in (
        "Audit of 12 organizations, 400 keys, in 12.5 s",
        "coverage  83.3 %, 10 of 12 read whole",
        " critical, ",
        " suppressed",
        "changes   14 new, 3 fixed, 1 reopened since 2026-06-14 12:00 UTC",
        "Worst rules",
        "AK003  rotation overdue",
        "Worst organizations",
        "Worst findings",
        "(organizations.csv:2): ",
        "a suppression of AK001 expired on 2026-05-01",
        "  out/audit.html",
        "exit 1: 7 findings at high or worse",
    ):
        assert said in told
    assert "\x1b" not in told


def test_what_there_is_nothing_to_say_of_is_left_out(draw: Callable[..., str]) -> None:
    told = draw(_summary())

    assert "Audit of 1 organization, 1 key, in 1.0 s" in told
    assert "findings  none" in told
    for heading in ("Worst", "Not read", "To note", "Reports", "changes", "suppressed"):
        assert heading not in told


def test_no_findings_are_good_news_only_if_all_was_read(draw: Callable[..., str]) -> None:
    unreadable = tuple((Subject(UUID(int=number)), Unreadable("timeout", "no")) for number in range(2))

    assert "findings  not known: nothing was read" in draw(_summary(organizations=2, unreadable=unreadable))
    assert "findings  none in what was read" in draw(_summary(organizations=3, unreadable=unreadable))
    assert "findings  none\n" in draw(_summary(organizations=3))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_ids_labels_and_messages_are_whole_at_every_width(
    draw: Callable[..., str],
    make_key: Callable[..., AccessKey],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    organization_id = UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")
    key = make_key(7, name="inbox-deploy-staging-0001")
    finding = evolve(make_finding("AK003", Severity.HIGH, organization_id, "created long ago"), key=key)
    subject = Subject(organization_id, ("production", "payments"), "fleet.csv", 1)

    told = draw(
        OrganizationAudit(subject, T, keys=(key,), findings=(finding,)),
        _summary(by_severity=((Severity.HIGH, 1),)),
        terminal=True,
    )

    lines = Text.from_ansi(told).plain.splitlines()
    assert max(map(len, lines)) <= width
    for whole in (
        str(organization_id),
        str(key.id),
        "production payments",
        "inbox-deploy-staging-0001",
    ):
        assert any(whole in line for line in lines), whole
    assert "…" not in "".join(lines)
    assert "--output audit.html writes every finding" in told


def test_the_worst_findings_are_named_and_a_secret_in_a_name_is_not(
    draw: Callable[..., str], make_key: Callable[..., AccessKey]
) -> None:
    organization_id = UUID(int=1)
    key = make_key(7, name="sk-live-in-a-name")
    secret = evolve(make_finding("AK024", Severity.CRITICAL, organization_id, "a secret"), key=key)
    other = evolve(secret, rule="AK003", severity=Severity.HIGH)

    told = draw(OrganizationAudit(Subject(organization_id), T, findings=(secret, other)), _summary())

    assert "critical AK024 " in told
    assert "high AK003 " in told
    assert told.count(f"    {organization_id} {key.id}\n") == 2
    assert "sk-live-in-a-name" not in told


def test_the_worst_findings_are_of_as_many_rules_as_there_is_room_for(draw: Callable[..., str]) -> None:
    old = [make_finding("AK003", Severity.CRITICAL, UUID(int=1), f"old {number}") for number in range(9)]
    wide = [make_finding("AK036", Severity.CRITICAL, UUID(int=2), f"wide {number}") for number in range(3)]
    less = make_finding("AK001", Severity.HIGH, UUID(int=2), "unused")

    told = draw(
        OrganizationAudit(Subject(UUID(int=1)), T, findings=tuple(old)),
        OrganizationAudit(Subject(UUID(int=2)), T, findings=(*wide, less)),
        _summary(),
    )

    shown = [line.strip() for line in told.splitlines() if line.startswith("  critical AK0")]
    assert [line.rpartition(": ")[2] for line in shown] == ["old 0", "wide 0", "old 1", "wide 1", "old 2"]
    assert "high AK001" not in told


def test_rules_that_were_not_evaluated_are_told_with_the_reason(draw: Callable[..., str]) -> None:
    not_requested = "roles were not requested; --roles does so"
    told = draw(
        _summary(
            by_rule=(
                RuleResult("AK001", passed=7, not_evaluated=2, reason="the answer did not say"),
                RuleResult("AK036", not_evaluated=9, reason=not_requested),
                RuleResult("AK037", not_evaluated=9, reason=not_requested),
                RuleResult("AK101", not_evaluated=9, reason="there is no earlier reading"),
            )
        )
    )

    assert f"2 rules not evaluated (AK036, AK037): {not_requested}\n" in told
    assert "1 rule not evaluated (AK101): there is no earlier reading\n" in told
    assert "AK001" not in told


def test_changes_under_another_policy_are_marked_as_such(draw: Callable[..., str]) -> None:
    same = Comparison("2026-06-14 12:00 UTC", 14, 3, 1, "ab" * 16)
    told = draw(_summary(), comparison=evolve(same, policy_hash="cd" * 16))

    assert f"the policy was another then, {'cd' * 16}" in " ".join(told.split())
    assert "the policy was another" not in draw(_summary(), comparison=same)


def test_a_coverage_that_is_not_whole_is_never_rounded_to_it(draw: Callable[..., str]) -> None:
    unreadable = ((Subject(UUID(int=1)), Unreadable("timeout", "no")),)

    assert "coverage  99.9 %, 4,999 of 5,000 read whole" in draw(
        _summary(organizations=5000, unreadable=unreadable)
    )


def test_of_many_that_could_not_be_read_the_first_are_named(draw: Callable[..., str]) -> None:
    unreadable = tuple((Subject(UUID(int=number)), Unreadable("timeout", "no")) for number in range(25))

    told = draw(_summary(organizations=30, unreadable=unreadable))

    assert told.count(": timeout: no") == 10
    assert "and 15 more" in told


def test_what_was_found_across_organizations_counts_among_the_rules(draw: Callable[..., str]) -> None:
    finding = evolve(make_finding("AK012", Severity.INFO, UUID(int=1), "shared"), title="suffix collision")

    told = draw(_summary(findings=(finding,), by_rule=(RuleResult("AK012", failed=1),)))

    assert "AK012  suffix collision  1 info" in told


@pytest.mark.parametrize("terminal", [False, True])
def test_hostile_text_does_nothing_to_the_terminal(draw: Callable[..., str], terminal: bool) -> None:
    organization_id = UUID(int=1)
    audits = [
        OrganizationAudit(
            Subject(organization_id, (name,), name, 1),
            T,
            findings=(evolve(make_finding("X1", Severity.HIGH, organization_id, name), title=name),),
        )
        for name in HOSTILE_NAMES
    ]
    unreadable = tuple(
        (Subject(organization_id, (), name, 1), Unreadable(name, name)) for name in HOSTILE_NAMES
    )

    told = draw(
        *audits,
        _summary(unreadable=unreadable[:9], organizations=99, notes=HOSTILE_NAMES),
        reports=[Path(name.replace("\x00", "")) for name in HOSTILE_NAMES],
        terminal=terminal,
    )

    assert not {"\u202e", "\u2066", "\x9b", "\x7f", "\x00", "\ud83d"} & set(told)
    assert "[link](https://example.invalid)" in told


def test_rules_that_raised_are_counted_each_once() -> None:
    overview = Overview()
    raised = RuleResult("OURS1", not_evaluated=1, reason="the rule raised KeyError at ours.py:3", raised=True)
    unknown = RuleResult("AK001", not_evaluated=1, reason="the answer did not say when")
    for number in range(3):
        overview.add(OrganizationAudit(Subject(UUID(int=number)), T, results=(raised, unknown)))

    assert overview.failed_rules == {"OURS1"}
