"""What a whole audit comes to, counted as organizations are done."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import define, field

from accesskeys_async.audit.records import (
    Finding,
    OrganizationAudit,
    RuleResult,
    Severity,
    Subject,
    Summary,
    Unreadable,
)


@define
class _Counts:
    passed: int = 0
    failed: int = 0
    not_evaluated: int = 0
    reason: str | None = None

    def add(self, result: RuleResult) -> None:
        self.passed += result.passed
        self.failed += result.failed
        self.not_evaluated += result.not_evaluated
        # The least, and not the first: in which order organizations come is chance.
        if result.reason is not None and (self.reason is None or result.reason < self.reason):
            self.reason = result.reason


@define
class Tally:
    """Adds up organizations. It keeps none of their keys, and names only those that could not be read."""

    organizations: int = 0
    keys: int = 0
    suppressed: int = 0
    partly_read: int = 0
    unread_roles: int = 0
    unreadable: list[tuple[Subject, Unreadable]] = field(factory=list)
    _by_severity: list[int] = field(factory=lambda: [0] * len(Severity))
    _by_rule: dict[str, _Counts] = field(factory=dict)
    _failed_rules: set[str] = field(factory=set)

    def add(self, audited: OrganizationAudit) -> None:
        """Count one organization."""
        self.organizations += 1
        self.keys += len(audited.keys)
        if audited.unreadable is not None:
            self.unreadable.append((audited.subject, audited.unreadable))
        self.partly_read += audited.unread_roles > 0
        self.unread_roles += audited.unread_roles
        self.add_findings(audited.findings)
        for result in audited.results:
            self.add_result(result)

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Count findings, those that are suppressed apart."""
        for finding in findings:
            if finding.suppressed is None:
                self._by_severity[finding.severity] += 1
            else:
                self.suppressed += 1

    def add_result(self, result: RuleResult) -> None:
        """Add what a rule said of one organization, or of the fleet."""
        counts = self._by_rule.get(result.rule)
        if counts is None:
            counts = self._by_rule[result.rule] = _Counts()
        counts.add(result)
        if result.raised:
            self._failed_rules.add(f"{result.rule}: {result.reason}")

    def summarize(
        self,
        *,
        started_at: datetime,
        elapsed: float,
        policy_hash: str,
        findings: tuple[Finding, ...] = (),
        notes: Iterable[str] = (),
    ) -> Summary:
        """Return the summary of all that was added."""
        return Summary(
            started_at=started_at,
            elapsed=elapsed,
            policy_hash=policy_hash,
            organizations=self.organizations,
            unreadable=tuple(sorted(self.unreadable, key=lambda one: one[0].organization_id.int)),
            keys=self.keys,
            by_severity=tuple(
                (severity, self._by_severity[severity])
                for severity in sorted(Severity, reverse=True)
                if self._by_severity[severity]
            ),
            by_rule=tuple(
                RuleResult(rule, counts.passed, counts.failed, counts.not_evaluated, counts.reason)
                for rule, counts in sorted(self._by_rule.items())
            ),
            suppressed=self.suppressed,
            findings=findings,
            notes=(*sorted(self._failed_rules), *notes),
            partly_read=self.partly_read,
            unread_roles=self.unread_roles,
        )
