"""Findings stored as intervals of readings. A finding that did not change needs no write."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from attrs import frozen
from sqlalchemy import Column, Row, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from accesskeys_async.audit.history.bulk_insert import Values, insert_rows, split
from accesskeys_async.audit.history.evaluated_rules import EvaluatedRules
from accesskeys_async.audit.history.history_tables import FINDINGS, READINGS
from accesskeys_async.audit.records import Finding, OrganizationAudit
from accesskeys_async.errors import MAX_TEXT, one_line

_Open: TypeAlias = Mapping[str, Row[Any]]


@frozen
class FindingIntervals:
    """The intervals that one reading opens and closes for an organization."""

    opened: Sequence[Values] = ()
    closed: Sequence[Values] = ()
    fresh: Sequence[Finding] = ()
    """Findings that were not open before."""
    fixed: int = 0
    """Number of findings that were open before and are not any longer."""


NO_CHANGE: Final = FindingIntervals()


def hash_findings(audited: OrganizationAudit, evaluated: EvaluatedRules, keys: str) -> str | None:
    """Return a hash of an organization's findings, its evaluated rules, and `keys`, the hash of its keys.

    Return None if the organization could not be read: its findings are not known.
    """
    if audited.unreadable is not None:
        return None
    marks = sorted(f"{one.fingerprint} {one.severity} {one.suppressed is None}" for one in audited.findings)
    marks += (keys, *sorted(evaluated.rules))
    if evaluated.partial:  # the keys that a rule could evaluate may differ each time
        marks.append(audited.taken_at.isoformat())
    return hashlib.blake2b("\n".join(marks).encode(), digest_size=16).hexdigest()


async def find_unchanged(connection: AsyncConnection, marks: Mapping[UUID, str | None]) -> set[UUID]:
    """Return the organizations whose findings are the same as at their last reading."""
    table = READINGS.c
    last = select(func.max(table.id)).where(table.organization_id.in_(marks)).group_by(table.organization_id)
    rows = await connection.execute(select(table.organization_id, table.marks).where(table.id.in_(last)))
    return {
        row.organization_id for row in rows.all() if row.marks and row.marks == marks[row.organization_id]
    }


async def find_intervals(
    connection: AsyncConnection,
    readings: Mapping[int, tuple[OrganizationAudit, EvaluatedRules]],
    unchanged: Collection[UUID],
) -> dict[UUID, FindingIntervals]:
    """Return the intervals that readings, given by number, open and close except in those `unchanged`."""
    differing = [
        audited.subject.organization_id
        for audited, _ in readings.values()
        if audited.subject.organization_id not in unchanged
    ]
    is_open = await _find_open(connection, differing)
    found: dict[UUID, FindingIntervals] = {}
    for number, (audited, evaluated) in readings.items():
        organization_id = audited.subject.organization_id
        found[organization_id] = (
            NO_CHANGE
            if organization_id in unchanged
            else _compare(audited, evaluated, number, is_open.get(organization_id, {}))
        )
    return found


async def _find_open(connection: AsyncConnection, organizations: Sequence[UUID]) -> dict[UUID, _Open]:
    if not organizations:
        return {}
    table = FINDINGS.c
    columns: list[Column[Any]] = [
        table.organization_id,
        table.fingerprint,
        table.opened,
        table.since,
        table.rule,
        table.key_id,
        table.severity,
        table.suppressed,
    ]
    rows = await connection.execute(
        select(*columns).where(table.organization_id.in_(organizations), table.closed.is_(None))
    )
    found: dict[UUID, dict[str, Row[Any]]] = {}
    for row in rows.all():
        found.setdefault(row.organization_id, {})[row.fingerprint] = row
    return {**found}


async def find_closed(connection: AsyncConnection, organizations: Sequence[UUID]) -> set[tuple[UUID, str]]:
    """Return findings that were closed before."""
    if not organizations:
        return set()
    table = FINDINGS.c
    rows = await connection.execute(
        select(table.organization_id, table.fingerprint)
        .where(table.organization_id.in_(organizations), table.closed.is_not(None))
        .distinct()
    )
    return {(row.organization_id, row.fingerprint) for row in rows.all()}


async def write_intervals(connection: AsyncConnection, intervals: Iterable[FindingIntervals]) -> None:
    """Write closed and opened intervals."""
    table = FINDINGS.c
    closing = (
        update(FINDINGS)
        .where(
            table.organization_id == bindparam("organization"),
            table.fingerprint == bindparam("finding"),
            table.opened == bindparam("first"),
        )
        .values(closed=bindparam("last"))
    )
    opened: list[Sequence[Values]] = []
    for one in intervals:
        opened.append(one.opened)
        for chunk in split(one.closed):
            await connection.execute(closing, chunk)
    await insert_rows(connection, FINDINGS, (row for rows in opened for row in rows))


def _compare(
    audited: OrganizationAudit, evaluated: EvaluatedRules, reading: int, is_open: _Open
) -> FindingIntervals:
    organization_id = audited.subject.organization_id
    opened: list[Values] = []
    closed: list[Values] = []
    fresh: list[Finding] = []
    present = {finding.fingerprint: finding for finding in reversed(audited.findings)}
    for fingerprint, finding in present.items():
        row = is_open.get(fingerprint)
        if row is None:
            fresh.append(finding)
            opened.append(_opened_row(finding, organization_id, reading, audited.taken_at))
        elif (row.severity, row.suppressed) != (finding.severity, finding.suppressed is not None):
            closed.append(_closed_row(row, reading))
            opened.append(_opened_row(finding, organization_id, reading, row.since))
    # If the organization could not be read, or the rule was not evaluated, nothing is known to be fixed.
    missing = [] if audited.unreadable else [row for name, row in is_open.items() if name not in present]
    gone = [row for row in missing if evaluated.resolves(row.rule, row.key_id)]
    closed.extend(_closed_row(row, reading) for row in gone)
    return FindingIntervals(opened, closed, fresh, len(gone))


def _closed_row(row: Row[Any], reading: int) -> Values:
    return {
        "organization": row.organization_id,
        "finding": row.fingerprint,
        "first": row.opened,
        "last": reading,
    }


def _opened_row(finding: Finding, organization_id: UUID, reading: int, since: object) -> Values:
    key = finding.key
    return {
        "organization_id": organization_id,
        "fingerprint": finding.fingerprint,
        "opened": reading,
        "closed": None,
        "since": since,
        "rule": finding.rule,
        "title": _fit(finding.title),
        "severity": int(finding.severity),
        "key_id": None if key is None else key.id,
        "key_name": None if key is None else _fit(key.name),
        "message": _fit(finding.message),
        "suppressed": finding.suppressed is not None,
    }


def _fit(text: str) -> str:
    return text if len(text) <= MAX_TEXT and text.isprintable() else one_line(text)
