from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from accesskeys_async.audit.records import OrganizationAudit, Severity, Summary
from accesskeys_async.audit.reports.worst_findings import WORST_FIRST, WorstFindings, show_share
from tests.unit.audit.fleet import Fleet, make_finding


def fill(fleet: Fleet, worst: WorstFindings) -> Summary:
    for part in fleet.parts():
        if isinstance(part, Summary):
            return part
        worst.add(part)
    raise AssertionError


def test_every_finding_that_counts_is_counted_once() -> None:
    worst = WorstFindings(10_000, 100)
    summary = fill(Fleet(), worst)
    by_severity = [sum(counts) for counts in zip(*worst.rules.values(), strict=True)]
    assert [(severity, by_severity[severity]) for severity in WORST_FIRST] == list(summary.by_severity)
    assert len(worst.worst_findings()) == sum(by_severity)
    assert len(worst.suppressed) == summary.suppressed > 0


def test_the_worst_findings_are_kept_when_there_are_too_many() -> None:
    worst = WorstFindings(30, 100)
    fill(Fleet(), worst)
    severities = [finding.severity for finding in worst.worst_findings()]
    assert severities == sorted(severities, reverse=True)
    assert len(severities) == 30
    assert severities[0] is Severity.CRITICAL


def test_the_worst_organizations_are_kept_worst_first() -> None:
    every, some = WorstFindings(10, 1000), WorstFindings(10, 4)
    fill(Fleet(organizations=40), every)
    fill(Fleet(organizations=40), some)
    counts = every.worst_organizations()
    assert [count.by_severity for count in counts] == sorted((c.by_severity for c in counts), reverse=True)
    assert some.worst_organizations() == counts[:4]
    assert some.with_findings == every.with_findings == len(counts)


def test_an_organization_that_was_not_read_is_no_good_one() -> None:
    worst = WorstFindings(10, 10)
    fill(Fleet(organizations=3, unreadable=3), worst)
    assert (worst.seen, worst.worst_organizations()) == (0, [])


def test_a_rule_that_found_nothing_comes_last() -> None:
    worst = WorstFindings(10, 10)
    summary = fill(Fleet(), worst)
    counts: list[Any] = worst.rule_counts(summary)
    assert counts[0][0] == "AK003"
    assert counts[-1] == ("AK021", (0, 0, 0, 0, 0))


def test_titles_outlast_the_findings_that_are_let_go() -> None:
    worst = WorstFindings(1, 10)
    for part in Fleet().parts():
        if isinstance(part, OrganizationAudit):
            worst.add(part)
    assert worst.titles["AK003"] == "rotation overdue"
    assert worst.titles["AK001"] == "unused"


@pytest.mark.parametrize(
    ("share", "shown"),
    [(1.0, "100.0%"), (1 - 1 / 100_000, "99.9%"), (1 - 1 / 16, "93.7%"), (0.29, "29.0%"), (0.0, "0.0%")],
)
def test_nothing_but_all_is_a_hundred_per_cent(share: float, shown: str) -> None:
    assert show_share(share) == shown


def test_one_rule_leaves_room_for_the_findings_of_others() -> None:
    organization_id = UUID(int=1)
    many = [make_finding("AK003", Severity.CRITICAL, organization_id, f"old {n}") for n in range(50)]
    rare = [make_finding(f"AK03{n}", Severity.CRITICAL, organization_id, "rare") for n in range(4)]
    for findings in ([*many, *rare], [*rare, *many]):
        worst = WorstFindings(10, 10)
        worst.add_findings(findings)

        kept = [finding.rule for finding in worst.worst_findings()]

        assert kept == ["AK003", "AK030", "AK031", "AK032", "AK033", *["AK003"] * 5]
