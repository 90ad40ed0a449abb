"""The columns of the reports that are one flat table: CSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from accesskeys_async.audit.records import Finding, OrganizationAudit, Outcome, Subject
from accesskeys_async.audit.reports.json_rows import SEVERITIES
from accesskeys_async.audit.reports.key_roles import list_key_roles

COLUMNS: Final = (
    *("outcome", "rule", "severity", "title", "message", "organizationId", "labels"),
    *("keyId", "keyName", "keySuffix", "createdAt", "lastUsedAt"),
    *("isOwnKey", "suppressed", "fingerprint", "source", "line", "roleIds", "roleNames"),
)


class FindingRow(NamedTuple):
    """One row, its fields in the order of `COLUMNS`; None where there is nothing to say.

    `outcome` is `fail` for a finding. It is `not_evaluated` for an organization that could not be read,
    which so has a row and is never mistaken for a clean one.
    """

    outcome: str
    rule: str | None
    severity: str | None
    title: str
    message: str
    organization_id: UUID
    labels: tuple[str, ...] = ()
    key_id: UUID | None = None
    key_name: str | None = None
    key_suffix: str | None = None
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    is_own_key: bool = False
    suppressed: str | None = None
    fingerprint: str | None = None
    source: str | None = None
    line: int | None = None
    role_ids: tuple[str, ...] | None = None
    role_names: tuple[str, ...] | None = None
    """Of the roles whose names are known."""


def list_rows(audit: OrganizationAudit) -> Iterator[FindingRow]:
    """Yield the rows of one organization."""
    if audit.unreadable is not None:
        yield FindingRow(
            Outcome.NOT_EVALUATED.value,
            None,
            None,
            "organization not read",
            f"{audit.unreadable.reason}: {audit.unreadable.message}",
            audit.subject.organization_id,
            audit.subject.labels,
            source=audit.subject.source,
            line=audit.subject.line,
        )
    for finding in audit.findings:
        yield table_row(finding, audit.subject)


def table_row(finding: Finding, subject: Subject | None) -> FindingRow:
    """Return the row of a finding; a finding across organizations has no subject."""
    key = finding.key
    used = None if key is None else key.last_used_at
    roles = list_key_roles(key)
    return FindingRow(
        Outcome.FAIL.value,
        finding.rule,
        SEVERITIES[finding.severity],
        finding.title,
        finding.message,
        finding.organization_id,
        () if subject is None else subject.labels,
        None if key is None else key.id,
        None if key is None else key.name,
        None if key is None else key.suffix,
        None if key is None else key.created_at,
        used if isinstance(used, datetime) else None,
        finding.is_own_key,
        finding.suppressed,
        finding.fingerprint,
        None if subject is None else subject.source,
        None if subject is None else subject.line,
        None if roles is None else tuple(str(role.reference.id) for role in roles),
        None if roles is None else tuple(role.name for role in roles if role.name is not None),
    )
