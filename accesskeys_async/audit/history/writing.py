"""Organizations written down: their parts where they are new, and what was opened and closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias
from uuid import UUID

from attrs import field, frozen
from sqlalchemy import Column, Row, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from accesskeys_async.audit.history.parts import Part, Parts
from accesskeys_async.audit.history.schema import COUNTER, FINDINGS, PARTS, READINGS
from accesskeys_async.audit.records import Finding, OrganizationAudit
from accesskeys_async.errors import MAX_TEXT, one_line

__all__ = ["Entry", "take_numbers", "write_readings"]

AT_ONCE: Final = 2_000  # rows for one call of the driver
_Open: TypeAlias = Mapping[str, Row[Any]]
_Values: TypeAlias = dict[str, object]


@frozen
class Entry:
    """An organization to write down."""

    audited: OrganizationAudit
    parts: Parts | None = field(repr=False)
    """None where it could not be read."""

    @property
    def organization_id(self) -> UUID:
        """Whose it is."""
        return self.audited.subject.organization_id


@frozen
class _Stretches:
    """What one reading does to an organization's findings."""

    opened: list[_Values]
    closed: list[_Values]
    fresh: list[str]
    """The fingerprints of those that were not open."""
    fixed: int


async def take_numbers(connection: AsyncConnection, count: int) -> int:
    """Take the turn to write until the commit, and `count` numbers; return the first."""
    raised = update(COUNTER).values(last=COUNTER.c.last + count).returning(COUNTER.c.last)
    last: int = (await connection.execute(raised)).scalar_one()
    return last - count + 1


async def write_readings(connection: AsyncConnection, run: int, entries: Sequence[Entry]) -> int:
    """Write organizations down, in place of what the same run wrote of them; return how many it left out.

    Left out are those of which there is a reading with a later T.
    """
    number = await take_numbers(connection, 3 * len(entries))
    organizations = [entry.organization_id for entry in entries]
    await _take_back(connection, run, organizations)
    last = await _find_last(connection, organizations)
    kept = [
        entry
        for entry in entries
        if entry.organization_id not in last or last[entry.organization_id] <= entry.audited.taken_at
    ]
    part_numbers = await _write_parts(connection, kept, number + len(entries))
    is_open = await _find_open(connection, organizations)
    stretches = {
        entry.organization_id: _find_stretches(entry, number + place, is_open.get(entry.organization_id, {}))
        for place, entry in enumerate(kept)
    }
    seen = await _find_seen(connection, [one for one in last if one in stretches and stretches[one].fresh])
    rows = [
        _make_reading(
            run,
            number + place,
            entry,
            part_numbers,
            stretches,
            seen,
            has_earlier=entry.organization_id in last,
        )
        for place, entry in enumerate(kept)
    ]
    await _insert(connection, READINGS, rows)
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
    for chunk in _chunks(row for one in stretches.values() for row in one.closed):
        await connection.execute(closing, chunk)
    await _insert(connection, FINDINGS, (row for one in stretches.values() for row in one.opened))
    return len(entries) - len(kept)


async def _take_back(connection: AsyncConnection, run: int, organizations: Sequence[UUID]) -> None:
    """Undo what this run wrote of the organizations, which it did when it was stopped and is resumed."""
    table = READINGS.c
    own = select(table.id).where(table.run_id == run, table.organization_id.in_(organizations))
    numbers = (await connection.execute(own)).scalars().all()
    if numbers:
        findings = FINDINGS.c
        mine = findings.organization_id.in_(organizations)
        await connection.execute(delete(FINDINGS).where(mine, findings.opened.in_(numbers)))
        await connection.execute(
            update(FINDINGS).where(mine, findings.closed.in_(numbers)).values(closed=None)
        )
        await connection.execute(delete(READINGS).where(table.id.in_(numbers)))


async def _find_last(connection: AsyncConnection, organizations: Sequence[UUID]) -> dict[UUID, Any]:
    """Return the T of each organization's last complete reading."""
    table = READINGS.c
    rows = await connection.execute(
        select(table.organization_id, func.max(table.taken_at).label("at"))
        .where(table.organization_id.in_(organizations), table.identities.is_not(None))
        .group_by(table.organization_id)
    )
    return {row.organization_id: row.at for row in rows}


async def _write_parts(
    connection: AsyncConnection, entries: Iterable[Entry], number: int
) -> dict[tuple[UUID, str], int]:
    """Write the parts that are new; return the number of each."""
    parts: dict[tuple[UUID, str], Part] = {}
    for entry in entries:
        if entry.parts is not None:
            for part in (entry.parts.identities, entry.parts.uses):
                parts[entry.organization_id, part.digest] = part
    table = PARTS.c
    rows = await connection.execute(
        select(table.id, table.organization_id, table.digest).where(
            table.organization_id.in_({organization_id for organization_id, _ in parts}),
            table.digest.in_({digest for _, digest in parts}),
        )
    )
    numbers = {(row.organization_id, row.digest): row.id for row in rows}
    missing = [place for place in parts if place not in numbers]
    packed = await asyncio.to_thread(lambda: [parts[place].pack() for place in missing])
    numbers.update((place, number + offset) for offset, place in enumerate(missing))
    values = (
        {"id": numbers[place], "organization_id": place[0], "digest": place[1], "body": body}
        for place, body in zip(missing, packed, strict=True)
    )
    await _insert(connection, PARTS, values)
    return numbers


async def _find_open(connection: AsyncConnection, organizations: Sequence[UUID]) -> dict[UUID, _Open]:
    table = FINDINGS.c
    columns: list[Column[Any]] = [
        table.organization_id,
        table.fingerprint,
        table.opened,
        table.since,
        table.severity,
        table.suppressed,
    ]
    rows = await connection.execute(
        select(*columns).where(table.organization_id.in_(organizations), table.closed.is_(None))
    )
    found: dict[UUID, dict[str, Row[Any]]] = {}
    for row in rows:
        found.setdefault(row.organization_id, {})[row.fingerprint] = row
    return {**found}


async def _find_seen(connection: AsyncConnection, organizations: Sequence[UUID]) -> set[tuple[UUID, str]]:
    """Return the findings that were closed before."""
    if not organizations:
        return set()
    table = FINDINGS.c
    rows = await connection.execute(
        select(table.organization_id, table.fingerprint)
        .where(table.organization_id.in_(organizations), table.closed.is_not(None))
        .distinct()
    )
    return {(row.organization_id, row.fingerprint) for row in rows}


def _find_stretches(entry: Entry, reading: int, is_open: _Open) -> _Stretches:
    opened: list[_Values] = []
    closed: list[_Values] = []
    fresh: list[str] = []
    present = {finding.fingerprint: finding for finding in reversed(entry.audited.findings)}
    for mark, finding in present.items():
        row = is_open.get(mark)
        if row is None:
            fresh.append(mark)
            opened.append(_make_finding(entry, finding, reading, entry.audited.taken_at))
        elif (row.severity, row.suppressed) != (finding.severity, finding.suppressed is not None):
            closed.append({"of": entry.organization_id, "mark": mark, "begun": row.opened, "at": reading})
            opened.append(_make_finding(entry, finding, reading, row.since))
    # Of an organization that can't be read nobody knows what was fixed.
    gone = [] if entry.parts is None else [mark for mark in is_open if mark not in present]
    closed += (
        {"of": entry.organization_id, "mark": mark, "begun": is_open[mark].opened, "at": reading}
        for mark in gone
    )
    return _Stretches(opened, closed, fresh, len(gone))


def _make_finding(entry: Entry, finding: Finding, reading: int, since: object) -> _Values:
    key = finding.key
    return {
        "organization_id": entry.organization_id,
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


def _make_reading(
    run: int,
    number: int,
    entry: Entry,
    parts: Mapping[tuple[UUID, str], int],
    stretches: Mapping[UUID, _Stretches],
    seen: set[tuple[UUID, str]],
    *,
    has_earlier: bool,
) -> _Values:
    audited, organization_id = entry.audited, entry.organization_id
    one = stretches[organization_id]
    reopened = sum((organization_id, mark) in seen for mark in one.fresh)
    unreadable = audited.unreadable
    return {
        "id": number,
        "run_id": run,
        "organization_id": organization_id,
        "taken_at": audited.taken_at,
        "keys": len(audited.keys),
        "identities": entry.parts and parts[organization_id, entry.parts.identities.digest],
        "uses": entry.parts and parts[organization_id, entry.parts.uses.digest],
        "unreadable": unreadable and one_line(unreadable.reason, 32),
        "message": unreadable and one_line(unreadable.message),
        "new": len(one.fresh) - reopened if has_earlier else None,
        "fixed": one.fixed if has_earlier else None,
        "reopened": reopened if has_earlier else None,
    }


async def _insert(connection: AsyncConnection, table: Table, rows: Iterable[_Values]) -> None:
    for chunk in _chunks(rows):
        await connection.execute(insert(table), chunk)


def _chunks(rows: Iterable[_Values]) -> Iterator[list[_Values]]:
    rows = iter(rows)
    while chunk := list(islice(rows, AT_ONCE)):
        yield chunk
