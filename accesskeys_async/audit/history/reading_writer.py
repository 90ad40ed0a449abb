"""Writes the readings of organizations: their keys if they changed, and opened and closed findings."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from attrs import field, frozen
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from accesskeys_async.audit.history.bulk_insert import Values, insert_rows
from accesskeys_async.audit.history.evaluated_rules import EvaluatedRules
from accesskeys_async.audit.history.finding_intervals import (
    FindingIntervals,
    find_closed,
    find_intervals,
    find_unchanged,
    hash_findings,
    write_intervals,
)
from accesskeys_async.audit.history.history_tables import COUNTER, FINDINGS, PARTS, READINGS
from accesskeys_async.audit.history.stored_keys import StoredKeys, StoredPart, encode_rules, load_rules
from accesskeys_async.audit.records import OrganizationAudit
from accesskeys_async.errors import one_line


@frozen
class ReadingEntry:
    """An organization to write."""

    audited: OrganizationAudit
    stored_keys: StoredKeys | None = field(repr=False)
    """None if the organization could not be read."""
    evaluated: EvaluatedRules = field(repr=False)

    @property
    def listed(self) -> tuple[StoredPart, ...]:
        """The parts to store."""
        return (
            () if self.stored_keys is None else (*self.stored_keys.listed, encode_rules(self.evaluated.rules))
        )

    @property
    def findings_hash(self) -> str | None:
        """A hash of the findings; None if the organization could not be read."""
        return hash_findings(
            self.audited,
            self.evaluated,
            "" if self.stored_keys is None else self.stored_keys.identities.digest,
        )

    @property
    def organization_id(self) -> UUID:
        """Id of the organization."""
        return self.audited.subject.organization_id


async def reserve_numbers(connection: AsyncConnection, count: int) -> int:
    """Lock the history for writing until the commit, reserve `count` numbers, and return the first."""
    raised = update(COUNTER).values(last=COUNTER.c.last + count).returning(COUNTER.c.last)
    last: int = (await connection.execute(raised)).scalar_one()
    return last - count + 1


async def write_readings(connection: AsyncConnection, run: int, entries: Sequence[ReadingEntry]) -> int:
    """Write organizations, replacing what the same run wrote for them; return how many were left out.

    An organization is left out if the history has a newer reading of it.
    """
    first = await reserve_numbers(connection, 5 * len(entries))  # for each, a reading and its four parts
    organizations = [entry.organization_id for entry in entries]
    await _undo_own_writes(connection, run, organizations)
    last = await _find_last(connection, organizations)
    kept = [entry for entry in entries if not _is_outdated(entry, last)]
    numbered = dict(enumerate(kept, first))
    part_numbers = await _write_stored_parts(connection, kept, first + len(entries))
    marks = {entry.organization_id: entry.findings_hash for entry in kept}
    intervals = await find_intervals(
        connection,
        {number: (entry.audited, entry.evaluated) for number, entry in numbered.items()},
        await find_unchanged(connection, marks),
    )
    with_fresh = [one for one in last if one in intervals and intervals[one].fresh]
    seen = await find_closed(connection, with_fresh)
    rules = await _find_rules(connection, with_fresh)
    rows = [
        {
            "id": number,
            "run_id": run,
            "marks": marks[entry.organization_id],
            **_describe(entry, part_numbers),
            **_count(entry.organization_id, intervals[entry.organization_id], last, seen, rules),
        }
        for number, entry in numbered.items()
    ]
    await insert_rows(connection, READINGS, rows)
    await write_intervals(connection, intervals.values())
    return len(entries) - len(kept)


def _is_outdated(entry: ReadingEntry, last: Mapping[UUID, datetime]) -> bool:
    taken_at = last.get(entry.organization_id)
    return taken_at is not None and taken_at > entry.audited.taken_at


async def _undo_own_writes(connection: AsyncConnection, run: int, organizations: Sequence[UUID]) -> None:
    """Undo what this run wrote for the organizations before it was stopped and resumed."""
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


async def _find_last(connection: AsyncConnection, organizations: Sequence[UUID]) -> dict[UUID, datetime]:
    """Return the time of each organization's last complete reading."""
    table = READINGS.c
    rows = await connection.execute(
        select(table.organization_id, func.max(table.taken_at).label("at"))
        .where(table.organization_id.in_(organizations), table.identities.is_not(None))
        .group_by(table.organization_id)
    )
    return {row.organization_id: row.at for row in rows.all()}


async def _write_stored_parts(
    connection: AsyncConnection, entries: Iterable[ReadingEntry], first: int
) -> dict[tuple[UUID, str], int]:
    """Write the parts that are new; return the number of every part."""
    parts: dict[tuple[UUID, str], StoredPart] = {}
    for entry in entries:
        for part in entry.listed:
            parts[entry.organization_id, part.digest] = part
    table = PARTS.c
    rows = await connection.execute(
        select(table.id, table.organization_id, table.digest).where(
            table.organization_id.in_({organization_id for organization_id, _ in parts}),
            table.digest.in_({digest for _, digest in parts}),
        )
    )
    numbers: dict[tuple[UUID, str], int] = {(row.organization_id, row.digest): row.id for row in rows.all()}
    missing = [place for place in parts if place not in numbers]
    compressed = await asyncio.to_thread(lambda: [parts[place].compress() for place in missing])
    numbers.update((place, number) for number, place in enumerate(missing, first))
    values: list[Values] = [
        {"id": numbers[place], "organization_id": place[0], "digest": place[1], "body": body}
        for place, body in zip(missing, compressed, strict=True)
    ]
    await insert_rows(connection, PARTS, values)
    return numbers


def _describe(entry: ReadingEntry, parts: Mapping[tuple[UUID, str], int]) -> Values:
    audited, organization_id = entry.audited, entry.organization_id
    unreadable = audited.unreadable
    roles = None if entry.stored_keys is None else entry.stored_keys.roles
    return {
        "organization_id": organization_id,
        "taken_at": audited.taken_at,
        "keys": len(audited.keys),
        "identities": entry.stored_keys and parts[organization_id, entry.stored_keys.identities.digest],
        "uses": entry.stored_keys and parts[organization_id, entry.stored_keys.uses.digest],
        "roles": roles and parts[organization_id, roles.digest],
        "rules": entry.stored_keys and parts[organization_id, encode_rules(entry.evaluated.rules).digest],
        "unreadable": unreadable and one_line(unreadable.reason, 32),
        "message": unreadable and one_line(unreadable.message),
    }


async def _find_rules(
    connection: AsyncConnection, organizations: Sequence[UUID]
) -> dict[UUID, frozenset[str]]:
    """Return the rules evaluated at each organization's last complete reading, if they were stored."""
    if not organizations:
        return {}
    table = READINGS.c
    last = (
        select(func.max(table.id))
        .where(table.organization_id.in_(organizations), table.identities.is_not(None))
        .group_by(table.organization_id)
    )
    rows = await connection.execute(
        select(table.organization_id, PARTS.c.body)
        .join(PARTS, PARTS.c.id == table.rules)
        .where(table.id.in_(last))
    )
    return {row.organization_id: load_rules(row.body) for row in rows}


def _count(
    organization_id: UUID,
    intervals: FindingIntervals,
    last: Collection[UUID],
    seen: Collection[tuple[UUID, str]],
    rules: Mapping[UUID, frozenset[str]],
) -> Values:
    """Count changes since the last complete reading. A finding of a rule not evaluated then is not new."""
    if organization_id not in last:
        return {"new": None, "fixed": None, "reopened": None}
    evaluated = rules.get(organization_id)
    fresh = [each for each in intervals.fresh if evaluated is None or each.rule in evaluated]
    reopened = sum((organization_id, each.fingerprint) in seen for each in fresh)
    return {"new": len(fresh) - reopened, "fixed": intervals.fixed, "reopened": reopened}
