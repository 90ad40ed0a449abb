"""The journal: where every rotation stands, in a database that outlives the worker."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import attrs
from attrs import evolve
from sqlalchemy import ColumnElement, Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from accesskeys_async._database.engine import Database, DatabaseResource
from accesskeys_async.errors import one_line
from accesskeys_async.rotation.failures import (
    JournalError,
    LeaseLostError,
    RotationRefusedError,
    TargetTakenError,
    UnknownRotationError,
)
from accesskeys_async.rotation.schema import CANDIDATES, MAX_PROBLEM, MIGRATIONS, ROTATIONS
from accesskeys_async.rotation.states import OVER, Candidate, Rotation, State

_NOT_STORED: Final = frozenset({"candidates", "unknown_state"})
_STATES: Final = frozenset(state.value for state in State)
_COLUMNS: Final = tuple(name for name in attrs.fields_dict(Rotation) if name not in _NOT_STORED)


class Journal(DatabaseResource):
    """Keep rotations in a database: `async with Journal("rotation.sqlite") as journal`.

    Args:
        place: A path of an SQLite file, or a URL: `sqlite:///file` or
            `postgresql://user:password@host/database`. Several processes may share one.
        create: Whether the file and the tables are created if they are missing; else that is refused.

    Entering it brings its tables to the present version. Every write is a compare-and-set on the
    rotation's `version`. Each method raises JournalError where the database fails. Entering it raises
    ConfigurationError if the file is another program's, or if there is no journal and `create` is False.
    """

    _shown = "<Journal of a place that can't be read>"

    def __init__(self, place: str | os.PathLike[str], *, create: bool = True) -> None:
        # FULL: an intent must be on the disk before the act.
        super().__init__(Database(place, migrations=MIGRATIONS, synchronous="FULL", create=create))

    async def add(self, rotation: Rotation) -> Rotation:
        """Write a new rotation down, and return it; or the living one of that key, on the same terms.

        Raises RotationRefusedError where the key is being rotated on other terms.
        """
        try:
            async with self._database.transaction() as connection:
                await connection.execute(insert(ROTATIONS).values(_row(rotation)))
        except JournalError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
        else:
            return rotation
        living = [r for r in await self.find(key_id=rotation.key_id) if not r.is_over]
        if not living:
            return await self.add(rotation)
        if living[0].terms != rotation.terms:
            raise RotationRefusedError(
                f"access key {rotation.key_id} is being rotated by {living[0].id} on other terms "
                f"(grace {living[0].grace}); abort that one first"
            )
        return living[0]

    async def get(self, rotation_id: UUID) -> Rotation:
        """Read one rotation. Raises UnknownRotationError; JournalError if its state is not known."""
        found = await self._read(ROTATIONS.c.id == rotation_id)
        if not found:
            raise UnknownRotationError(f"there is no rotation {rotation_id} in this journal; see its status")
        if found[0].unknown_state is not None:
            raise JournalError(f"rotation {rotation_id}: {found[0].problem}")
        return found[0]

    async def find(self, *, key_id: UUID | None = None, target: str | None = None) -> tuple[Rotation, ...]:
        """Read all rotations, or those of one old key, or of one target of their sinks, oldest first.

        One whose state is not known, as a later release may write it, comes as needs-human with
        `unknown_state`; whatever is done with it raises JournalError.
        """
        wanted = ((ROTATIONS.c.key_id, key_id), (ROTATIONS.c.target, target))
        return await self._read(*(column == value for column, value in wanted if value is not None))

    async def find_due(self, now: datetime) -> tuple[Rotation, ...]:
        """Read the rotations that have a step due, those waiting longest first."""
        found = await self._read(ROTATIONS.c.due_at <= now)
        return tuple(sorted(found, key=lambda rotation: rotation.due_at or now))

    async def claim(
        self, rotation: Rotation, owner: str, *, now: datetime, lease: timedelta
    ) -> Rotation | None:
        """Take the lease of a rotation as it was read; None where another has it, or it has moved on."""
        if rotation.lease_until is not None and rotation.lease_until > now:
            return None
        held = evolve(rotation, owner=owner, lease_until=now + lease)
        try:
            return await self.write(held, before=rotation)
        except LeaseLostError:
            return None

    async def write(self, rotation: Rotation, *, before: Rotation) -> Rotation:
        """Put a rotation in the place of `before`, and return it with its new version.

        Raises LeaseLostError where the journal no longer has `before`; TargetTakenError where another living
        rotation has its target.
        """
        if before.unknown_state is not None:
            raise JournalError(f"rotation {before.id}: {before.problem}")
        problem = None if rotation.problem is None else one_line(rotation.problem, MAX_PROBLEM)
        rotation = evolve(rotation, version=before.version + 1, problem=problem)
        try:
            return await self._write(rotation, before)
        except JournalError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            raise TargetTakenError(
                "another rotation was begun with the same sink at the same moment"
            ) from None

    async def _write(self, rotation: Rotation, before: Rotation) -> Rotation:
        table = ROTATIONS.c
        async with self._database.transaction() as connection:
            result = await connection.execute(
                update(ROTATIONS)
                .where(table.id == before.id, table.version == before.version)
                .values(_row(rotation))
            )
            if result.rowcount != 1:
                raise LeaseLostError(f"rotation {before.id}: another worker has taken it over")
            await _write_candidates(connection, before, rotation)
        return rotation

    async def flag(self, rotation_id: UUID, problem: str) -> None:
        """Send a rotation to needs-human whoever holds it; one that is over only gets the problem noted."""
        rotation = await self.get(rotation_id)
        while True:
            flagged = evolve(rotation, problem=problem, owner=None, lease_until=None)
            if rotation.state not in OVER:
                stuck_at = rotation.stuck_at or rotation.state
                flagged = evolve(flagged, state=State.NEEDS_HUMAN, stuck_at=stuck_at, due_at=None)
            try:
                await self.write(flagged, before=rotation)
            except LeaseLostError:
                rotation = await self.get(rotation_id)
            else:
                return

    async def _read(self, *conditions: ColumnElement[bool]) -> tuple[Rotation, ...]:
        rotations = select(ROTATIONS).where(*conditions).order_by(ROTATIONS.c.planned_at, ROTATIONS.c.id)
        candidates = (
            select(CANDIDATES)
            .join(ROTATIONS, ROTATIONS.c.id == CANDIDATES.c.rotation_id)
            .where(*conditions)
            .order_by(CANDIDATES.c.number)
        )
        async with self._database.transaction() as connection:
            # In this order: whatever is written in between makes the version that is read here old, and the
            # compare-and-set then refuses to build on a half of each.
            rows = (await connection.execute(rotations)).all()
            parts: dict[UUID, list[Candidate]] = {}
            for part in await connection.execute(candidates):
                parts.setdefault(part.rotation_id, []).append(_candidate(part))
        return tuple(_rotation(row, parts.get(row.id, [])) for row in rows)


def _row(record: Rotation) -> dict[str, object]:
    return {name: getattr(record, name) for name in _COLUMNS}


async def _write_candidates(connection: AsyncConnection, before: Rotation, after: Rotation) -> None:
    for number, candidate in enumerate(after.candidates, 1):
        values = attrs.asdict(candidate)
        if number > len(before.candidates):
            await connection.execute(insert(CANDIDATES).values(rotation_id=after.id, number=number, **values))
        elif candidate != before.candidates[number - 1]:
            place = (CANDIDATES.c.rotation_id == after.id, CANDIDATES.c.number == number)
            await connection.execute(update(CANDIDATES).where(*place).values(**values))


def _candidate(row: Row[Any]) -> Candidate:
    return Candidate(**{name: getattr(row, name) for name in attrs.fields_dict(Candidate)})


def _rotation(row: Row[Any], candidates: Iterable[Candidate]) -> Rotation:
    values: dict[str, Any] = {column.name: getattr(row, column.name) for column in ROTATIONS.columns}
    states = (values["state"], values["stuck_at"])
    unknown = [state for state in states if state is not None and state not in _STATES]
    if unknown:
        shown = one_line(repr(unknown[0]), 40)
        values |= {
            "state": State.NEEDS_HUMAN,
            "stuck_at": None,
            "unknown_state": shown,
            "problem": f"its state {shown} is not known to this release; use the release that wrote it",
        }
    else:
        values["state"] = State(values["state"])
        values["stuck_at"] = None if values["stuck_at"] is None else State(values["stuck_at"])
    return Rotation(**values, candidates=tuple(candidates))
