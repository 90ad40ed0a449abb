"""What a history adds to an organization's result: findings about changes, and severities raised by time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from attrs import evolve

from accesskeys_async.audit.policies.policy import RuleSetting
from accesskeys_async.audit.records import Finding, OrganizationAudit, RuleResult, Severity
from accesskeys_async.audit.rules.changes import JUDGES
from accesskeys_async.audit.rules.key_changes import Changes
from accesskeys_async.audit.rules.rule import Hit, Verdict
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.audit.run.evaluation import MAX_MESSAGE, by_weight, make_findings
from accesskeys_async.errors import one_line

NO_PREVIOUS_READING: Final = "the history has no complete earlier reading of this organization"
NEWER_READING_EXISTS: Final = "the history has a newer reading of this organization"
OVERDUE_RULE: Final = "AK108"
UNREADABLE_RULE: Final = "AK109"
_OF_EARLIER_KEYS: Final = frozenset({"AK103", "AK107"})
_OF_ALL_KEYS: Final = frozenset({"AK102"})


def enrich_readable(
    audited: OrganizationAudit,
    snapshot: Snapshot,
    settings: Iterable[RuleSetting],
    changes: Changes | str,
    *,
    own_keys: frozenset[UUID],
    open_since: Mapping[str, datetime],
    sla_days: Mapping[Severity, int],
) -> OrganizationAudit:
    """Add the findings about changes, and raise the severity of findings open for too long.

    `changes` is the reason as text if there is no reading to compare with. `open_since` maps fingerprints of
    earlier findings to the time they were opened.
    """
    findings, results = list(audited.findings), list(audited.results)
    enabled = {setting.rule.id: setting for setting in settings if setting.enabled}
    for rule_id, judge in JUDGES.items():
        if rule_id not in enabled:
            continue
        if isinstance(changes, str):
            results.append(RuleResult(rule_id, not_evaluated=len(snapshot.keys), reason=changes))
            continue
        verdict = judge(changes, enabled[rule_id].parameters)
        if verdict.hits:
            findings += make_findings(snapshot, enabled[rule_id], verdict.hits, own_keys=own_keys)
        results.append(_count(rule_id, changes, verdict))
    if OVERDUE_RULE in enabled:
        findings, raised = _raise_overdue(findings, open_since, sla_days, audited.taken_at)
        results.append(RuleResult(OVERDUE_RULE, len(findings) - raised, raised))
    if UNREADABLE_RULE in enabled:
        results.append(RuleResult(UNREADABLE_RULE, passed=1))
    return evolve(audited, findings=tuple(sorted(findings, key=by_weight)), results=tuple(results))


def enrich_unreadable(
    audited: OrganizationAudit,
    snapshot: Snapshot,
    settings: Iterable[RuleSetting],
    earlier_at: datetime | None,
    *,
    open_since: Mapping[str, datetime],
    sla_days: Mapping[Severity, int],
) -> OrganizationAudit:
    """Add a finding if the organization was read completely before, at `earlier_at`."""
    enabled = {setting.rule.id: setting for setting in settings if setting.enabled}
    if UNREADABLE_RULE not in enabled or audited.unreadable is None:
        return audited
    if earlier_at is None:
        result = RuleResult(UNREADABLE_RULE, not_evaluated=1, reason=NO_PREVIOUS_READING)
        return evolve(audited, results=(*audited.results, result))
    why = f"was read on {earlier_at.date()}, but can't be read now: {audited.unreadable.reason}"
    findings = make_findings(snapshot, enabled[UNREADABLE_RULE], [Hit(why)])
    if OVERDUE_RULE in enabled:
        findings, _ = _raise_overdue(findings, open_since, sla_days, audited.taken_at)
    return evolve(
        audited,
        findings=(*audited.findings, *findings),
        results=(*audited.results, RuleResult(UNREADABLE_RULE, failed=1)),
    )


def _count(rule_id: str, changes: Changes, verdict: Verdict) -> RuleResult:
    now = len(changes.now.keys)
    units = now - len(changes.appeared)
    if rule_id in _OF_EARLIER_KEYS:
        units = changes.earlier_count
    elif rule_id in _OF_ALL_KEYS:
        units = now
    failed, skipped = len(verdict.hits), verdict.not_evaluated
    return RuleResult(
        rule_id,
        units - failed - skipped,
        failed,
        skipped,
        one_line(verdict.reason or "") if skipped else None,
    )


def _raise_overdue(
    findings: Iterable[Finding],
    open_since: Mapping[str, datetime],
    sla_days: Mapping[Severity, int],
    at: datetime,
) -> tuple[list[Finding], int]:
    raised: list[Finding] = []
    count = 0
    for finding in findings:
        since, days = open_since.get(finding.fingerprint), sla_days.get(finding.severity)
        if since is not None and days is not None and (at - since).total_seconds() > days * 86_400:
            count += 1
            message = f"{finding.message}; open for {(at - since).days} days, to be fixed within {days}"
            severity = Severity(min(finding.severity + 1, Severity.CRITICAL))
            finding = evolve(finding, severity=severity, message=one_line(message, MAX_MESSAGE))
        raised.append(finding)
    return raised, count
