"""The parts of an audit as rows of plain values, in the field names that all machine-read reports share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

from accesskeys_async._version import __version__
from accesskeys_async.audit.records import (
    Finding,
    OrganizationAudit,
    RuleResult,
    Severity,
    Subject,
    Summary,
    Unreadable,
)
from accesskeys_async.audit.reports.key_roles import KeyRole, list_key_roles
from accesskeys_async.audit.rules.rule import Rule
from accesskeys_async.records import AccessKey, Unset

Row: TypeAlias = dict[str, object]

SEVERITIES: Final[Mapping[Severity, str]] = {severity: severity.name.lower() for severity in Severity}


def finding_row(finding: Finding) -> Row:
    """Return a finding; the key's description, where people keep what they should not, is left out."""
    return {
        "rule": finding.rule,
        "title": finding.title,
        "severity": SEVERITIES[finding.severity],
        "organizationId": finding.organization_id,
        "key": None if finding.key is None else _key_row(finding.key),
        "message": finding.message,
        "fingerprint": finding.fingerprint,
        "isOwnKey": finding.is_own_key,
        "suppressed": finding.suppressed,
    }


def organization_row(audit: OrganizationAudit) -> Row:
    """Return an organization without its findings, and of its rules' results those that are no plain pass."""
    return {
        **subject_row(audit.subject),
        "takenAt": audit.taken_at,
        "keys": len(audit.keys),
        "elapsed": round(audit.elapsed, 6),
        "unreadable": None if audit.unreadable is None else unreadable_row(audit.unreadable),
        "unreadRoles": audit.unread_roles,
        "results": [_result_row(result) for result in audit.results if result.failed or result.not_evaluated],
    }


def subject_row(subject: Subject) -> Row:
    """Return an organization's id, and where it was named."""
    return {
        "organizationId": subject.organization_id,
        "labels": subject.labels,
        "source": subject.source,
        "line": subject.line,
    }


def unreadable_row(unreadable: Unreadable) -> Row:
    """Return why an organization was not read."""
    return {"reason": unreadable.reason, "message": unreadable.message}


def summary_row(summary: Summary) -> Row:
    """Return a summary without the findings across organizations."""
    return {
        "startedAt": summary.started_at,
        "elapsed": round(summary.elapsed, 6),
        "policyHash": summary.policy_hash,
        "organizations": summary.organizations,
        "coverage": summary.coverage,
        "isComplete": summary.is_complete,
        "partlyRead": summary.partly_read,
        "unreadRoles": summary.unread_roles,
        "keys": summary.keys,
        "bySeverity": {SEVERITIES[severity]: count for severity, count in summary.by_severity},
        "byRule": [_result_row(result) for result in summary.by_rule],
        "suppressed": summary.suppressed,
        "unreadable": [
            {**subject_row(subject), **unreadable_row(unreadable)}
            for subject, unreadable in summary.unreadable
        ],
        "notes": summary.notes,
    }


def rule_row(rule: Rule) -> Row:
    """Return a rule: when it reports a finding, how to fix it, and which findings may be harmless."""
    return {
        "id": rule.id,
        "title": rule.title,
        "severity": SEVERITIES[rule.severity],
        "condition": rule.condition,
        "remedy": rule.remedy,
        "falsePositives": rule.false_positives,
        "controls": rule.controls,
    }


def generator_row() -> Row:
    """Return what made the report."""
    return {"name": "accesskeys_async", "version": __version__}


def _key_row(key: AccessKey) -> Row:
    row: Row = {"id": key.id, "name": key.name, "suffix": key.suffix, "createdAt": key.created_at}
    if not isinstance(key.type, Unset):
        row["type"] = key.type
    _set_time(row, "lastUsedAt", key.last_used_at)
    _set_time(row, "updatedAt", key.updated_at)
    if not isinstance(key.role_refs, Unset):
        roles = list_key_roles(key)
        row["roleRefs"] = (
            None if key.role_refs is None or roles is None else [_role_row(role) for role in roles]
        )
    return row


def _role_row(role: KeyRole) -> Row:
    row: Row = {"id": role.reference.id}
    for name, value in (("type", role.reference.type), ("workspaces", role.reference.workspaces)):
        if not isinstance(value, Unset):
            row[name] = value
    if role.name is not None:
        row["name"] = role.name
    return row


def _set_time(row: Row, name: str, time: datetime | Unset | None) -> None:
    if not isinstance(time, Unset):
        row[name] = time


def _result_row(result: RuleResult) -> Row:
    return {
        "rule": result.rule,
        "passed": result.passed,
        "failed": result.failed,
        "notEvaluated": result.not_evaluated,
        "reason": result.reason,
    }
