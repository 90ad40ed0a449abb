"""Findings written down as intervals of readings: one that is as it was takes no write."""

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
    """What one reading does to an organization's findings."""

    opened: Sequence[Values] = ()
    closed: Sequence[Values] = ()
    fresh: Sequence[Finding] = ()
    """Those that were not open."""
    fixed: int = 0


NO_CHANGE: Final = FindingIntervals()


def mark(audited: OrganizationAudit, evaluated: EvaluatedRules, keys: str) -> str | None:
    """Stand for an organization's findings, what was looked for, and in which keys: `keys` is their hash.

    None where it could not be read, and nobody knows all of them.
    """
    if audited.unreadable is not None:
        return None
    marks = sorted(f"{one.fingerprint} {one.severity} {one.suppressed is None}" for one in audited.findings)
    marks += (keys, *sorted(evaluated.rules))
    if evaluated.partial:  # which keys a rule could judge may be others each time
        marks.append(audited.taken_at.isoformat())
    return hashlib.blake2b("\n".join(marks).encode(), digest_size=16).hexdigest()


async def find_unchanged(connection: AsyncConnection, marks: Mapping[UUID, str | None]) -> set[UUID]:
    """Return the organizations whose findings are those of their last reading."""
    table = READINGS.c
    last = select(func.max(table.id)).where(table.organization_id.in_(marks)).group_by(table.organization_id)
    rows = await connection.execute(select(table.organization_id, table.marks).where(table.id.in_(last)))
    return {
        row.organization_id for row in rows.all() if row.marks and row.marks == marks[row.organization_id]
    }


async def find_intervals(
    connection: AsyncConnection,
    readings: Mapping[int, tuple[OrganizationAudit, EvaluatedRules]],
    same: Collection[UUID],
) -> dict[UUID, FindingIntervals]:
    """Find what readings, by their numbers, do to findings: nothing in the organizations that are `same`."""
    differing = [
        audited.subject.organization_id
        for audited, _ in readings.values()
        if audited.subject.organization_id not in same
    ]
    is_open = await _find_open(connection, differing)
    found: dict[UUID, FindingIntervals] = {}
    for number, (audited, evaluated) in readings.items():
        organization_id = audited.subject.organization_id
        found[organization_id] = (
            NO_CHANGE
            if organization_id in same
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
    """Return the findings that were closed before."""
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
    """Close and open findings."""
    table = FINDINGS.c
    closing = (
        update(FINDINGS)
        .where(
            table.organization_id == bindparam("of"),
            table.fingerprint == bindparam("mark"),
            table.opened == bindparam("begun"),
        )
        .values(closed=bindparam("at"))
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
            opened.append(_make_finding(finding, organization_id, reading, audited.taken_at))
        elif (row.severity, row.suppressed) != (finding.severity, finding.suppressed is not None):
            closed.append(_make_end(row, reading))
            opened.append(_make_finding(finding, organization_id, reading, row.since))
    # Of an organization that can't be read nobody knows what was fixed, and of a rule that did not judge.
    missing = [] if audited.unreadable else [row for name, row in is_open.items() if name not in present]
    gone = [row for row in missing if evaluated.resolves(row.rule, row.key_id)]
    closed.extend(_make_end(row, reading) for row in gone)
    return FindingIntervals(opened, closed, fresh, len(gone))


def _make_end(row: Row[Any], reading: int) -> Values:
    return {"of": row.organization_id, "mark": row.fingerprint, "begun": row.opened, "at": reading}


def _make_finding(finding: Finding, organization_id: UUID, reading: int, since: object) -> Values:
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
