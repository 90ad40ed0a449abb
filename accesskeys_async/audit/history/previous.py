"""The previous readings of organizations that are being audited, loaded in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from attrs import field, frozen
from sqlalchemy import Row, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from accesskeys_async.audit.history.history_tables import FINDINGS, PARTS, READINGS
from accesskeys_async.audit.history.stored_keys import NOT_STORED, StoredKeys

Value = TypeVar("Value")


@frozen
class PreviousReading:
    """The last complete reading of an organization before this run."""

    taken_at: datetime | None = None
    """None if there is none; then only `open_since` may have entries."""
    before_at: datetime | None = None
    """Time of the complete reading before the previous one."""
    keys: int = 0
    """Number of keys."""
    identities: bytes | None = field(default=None, repr=False)
    """Compressed; None if unchanged."""
    uses: bytes | None = field(default=None, repr=False)
    """Compressed; None if unchanged."""
    roles: bytes | None = field(default=None, repr=False)
    """Compressed; None if unchanged, `NOT_STORED` if none are stored."""
    open_since: Mapping[str, datetime] = field(factory=dict, repr=False)
    """When findings were opened, by fingerprint; only findings older than requested."""


async def load_previous(
    connection: AsyncConnection, run: int, now: Mapping[UUID, StoredKeys | None], *, opened_before: datetime
) -> dict[UUID, PreviousReading]:
    """Load the previous readings of organizations.

    `now` has the current keys of each organization, None if they could not be read. Readings of this run,
    written before it was stopped and resumed, are ignored.
    """
    last, before = await _find_readings(connection, run, list(now))
    bodies = await _load_bodies(connection, now, last)
    open_since = await _find_open(connection, run, list(now), opened_before)
    found: dict[UUID, PreviousReading] = {}
    for organization_id in now:
        row, since = last.get(organization_id), open_since.get(organization_id, {})
        found[organization_id] = (
            PreviousReading(open_since=since)
            if row is None
            else PreviousReading(
                row.taken_at,
                before.get(organization_id),
                row.keys,
                bodies.get(row.identities),
                bodies.get(row.uses),
                _find_roles(row.roles, now[organization_id], bodies),
                since,
            )
        )
    return found


async def _find_readings(
    connection: AsyncConnection, run: int, organizations: Sequence[UUID]
) -> tuple[dict[UUID, Row[Any]], dict[UUID, datetime]]:
    """Return the last complete reading of each organization, and the T of the one before it."""
    table = READINGS.c
    place = func.row_number().over(partition_by=table.organization_id, order_by=table.id.desc())
    ranked = (
        select(READINGS, place.label("place"))
        .where(table.organization_id.in_(organizations), table.run_id != run, table.identities.is_not(None))
        .subquery()
    )
    last: dict[UUID, Row[Any]] = {}
    before: dict[UUID, datetime] = {}
    for row in await connection.execute(select(ranked).where(ranked.c.place <= 2)):
        if row.place == 1:
            last[row.organization_id] = row
        else:
            before[row.organization_id] = row.taken_at
    return last, before


async def _load_bodies(
    connection: AsyncConnection, now: Mapping[UUID, StoredKeys | None], last: Mapping[UUID, Row[Any]]
) -> dict[int, bytes]:
    """Return the stored parts that differ from the current ones, by number."""
    wanted: list[int] = []
    same: set[tuple[UUID, str]] = set()
    for organization_id, parts in now.items():
        if parts is not None and organization_id in last:
            row = last[organization_id]
            wanted += (one for one in (row.identities, row.uses, row.roles) if one is not None)
            same |= {(organization_id, part.digest) for part in parts.listed}
    if not wanted:
        return {}
    table = PARTS.c
    digests = select(table.id, table.organization_id, table.digest).where(table.id.in_(wanted))
    differing = [
        row.id for row in await connection.execute(digests) if (row.organization_id, row.digest) not in same
    ]
    if not differing:
        return {}
    bodies = select(table.id, table.body).where(table.id.in_(differing))
    return {row.id: row.body for row in await connection.execute(bodies)}


def _find_roles(number: int | None, now: StoredKeys | None, bodies: Mapping[int, bytes]) -> bytes | None:
    if number is not None:
        return bodies.get(number)
    return None if now is None or now.roles is None else NOT_STORED


async def _find_open(
    connection: AsyncConnection, run: int, organizations: Sequence[UUID], opened_before: datetime
) -> dict[UUID, dict[str, datetime]]:
    readings, table = READINGS.c, FINDINGS.c
    own = select(readings.id).where(readings.run_id == run, readings.organization_id.in_(organizations))
    own_ids = (await connection.execute(own)).scalars().all()
    found = await connection.execute(
        select(table.organization_id, table.fingerprint, table.since).where(
            table.organization_id.in_(organizations),
            table.since < opened_before,
            table.opened.not_in(own_ids),
            or_(table.closed.is_(None), table.closed.in_(own_ids)),
        )
    )
    open_since: dict[UUID, dict[str, datetime]] = {}
    for row in found.all():
        open_since.setdefault(row.organization_id, {})[row.fingerprint] = row.since
    return open_since


class BatchLoader(Generic[Value]):
    """Loads values one by one for its callers, and in batches from the database."""

    def __init__(self, load: Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, Value]]]) -> None:
        self._load = load
        self._load_lock = asyncio.Lock()
        self._waiting: set[UUID] = set()
        self._found: dict[UUID, Value] = {}

    async def get(self, organization_id: UUID) -> Value:
        """Return the value of one organization. The first waiting caller loads the values of all callers."""
        self._waiting.add(organization_id)
        try:
            async with self._load_lock:
                if organization_id not in self._found:
                    self._found.update(await self._load(sorted(self._waiting)))
                    self._waiting.difference_update(self._found)
                return self._found[organization_id]
        finally:
            self._waiting.discard(organization_id)
            self._found.pop(organization_id, None)
