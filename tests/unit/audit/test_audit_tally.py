from __future__ import annotations

from uuid import UUID

from attrs import evolve

from accesskeys_async.audit import (
    Finding,
    OrganizationAudit,
    Progress,
    RuleResult,
    Severity,
    Subject,
    Unreadable,
)
from accesskeys_async.audit.run.totals import Tally
from tests.unit.audit.judged import AT, make_key

FINDING = Finding("AK001", "unused", Severity.HIGH, UUID(int=1), "m", "f")
AUDITED = OrganizationAudit(
    Subject(UUID(int=2)),
    AT,
    (make_key(), make_key()),
    (FINDING, evolve(FINDING, severity=Severity.LOW), evolve(FINDING, suppressed="why")),
    (RuleResult("AK001", 1, 1), RuleResult("AK002", 0, 0, 2, "the rule raised KeyError at a.py:1", True)),
)
LOST = OrganizationAudit(Subject(UUID(int=1)), AT, unreadable=Unreadable("missing", "m"))


def test_organizations_add_up_in_any_order() -> None:
    told = []
    other = evolve(LOST, subject=Subject(UUID(int=9)))
    for order in ((AUDITED, other, LOST, AUDITED), (LOST, AUDITED, AUDITED, other)):
        tally = Tally()
        for audited in order:
            tally.add(audited)
        told.append(tally.summarize(started_at=AT, elapsed=1.0, policy_hash="h", notes=("n",)))
    assert told[0] == told[1]
    summary = told[0]
    assert (summary.organizations, summary.keys, summary.suppressed) == (4, 4, 2)
    assert summary.by_severity == ((Severity.HIGH, 2), (Severity.LOW, 2))
    assert summary.by_rule == (
        RuleResult("AK001", 2, 2),
        RuleResult("AK002", 0, 0, 4, "the rule raised KeyError at a.py:1"),
    )
    assert [subject.organization_id.int for subject, _ in summary.unreadable] == [1, 9]
    assert summary.coverage == 0.5
    assert summary.notes == ("AK002: the rule raised KeyError at a.py:1", "n")


def test_an_audit_of_nothing_is_complete() -> None:
    summary = Tally().summarize(started_at=AT, elapsed=0.0, policy_hash="h")
    assert (summary.coverage, summary.is_complete) == (1.0, True)


def test_progress_counts_what_counts() -> None:
    progress = Progress(total=3)
    progress.add(AUDITED)
    progress.add(LOST, resumed=True)
    assert (progress.organizations, progress.unreadable, progress.resumed) == (2, 1, 1)
    assert (progress.keys, progress.findings) == (2, 2)
