"""The journal: where every rotation stands, in a database that outlives the worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import attrs
from attrs import evolve
from sqlalchemy import URL, ColumnElement, Row, event, insert, make_url, select, update
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from accesskeys_async.errors import ConfigurationError
from accesskeys_async.rotation.failures import (
    JournalError,
    LeaseLostError,
    RotationRefusedError,
    UnknownRotationError,
)
from accesskeys_async.rotation.schema import CANDIDATES, ROTATIONS, migrate
from accesskeys_async.rotation.states import OVER, Candidate, Rotation, State

__all__ = ["Journal"]

BUSY_SECONDS: Final = 30
_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
_COLUMNS: Final = tuple(name for name in attrs.fields_dict(Rotation) if name != "candidates")


class Journal:
    """Keep rotations in a database: `async with Journal("rotation.sqlite") as journal`.

    Args:
        place: A path of an SQLite file, made where there is none, or a URL: `sqlite:///file` or
            `postgresql://user:password@host/database`. Several processes may share one.

    Entering it brings its tables to the present version. Every write is a compare-and-set on the
    rotation's `version`. Each method raises JournalError where the database fails.
    """

    _shown = "of a place that can't be read"

    def __init__(self, place: str | os.PathLike[str]) -> None:
        self._url = _read_place(place)
        self._shown = self._url.render_as_string(hide_password=True)
        self._engine: AsyncEngine | None = None

    def __repr__(self) -> str:
        return f"<Journal {self._shown}>"

    async def __aenter__(self) -> Self:
        """Connect, and migrate the tables."""
        self._engine = _make_engine(self._url)
        try:
            await self._make_file()
            async with self._transaction() as connection:
                await migrate(connection)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def _make_file(self) -> None:
        path = self._url.database
        if self._url.get_backend_name() != "sqlite" or not path or path == ":memory:":
            return
        # Made here, so that it is its owner's alone, and that a place where none can be made is known before
        # a thread is started for it, which would outlive the failure.
        try:
            os.close(await asyncio.to_thread(os.open, path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise JournalError(f"{self!r} can't be opened: {error.strerror}") from error

    async def aclose(self) -> None:
        """Close the connections; twice is fine."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    async def add(self, rotation: Rotation) -> Rotation:
        """Write a new rotation down, and return it; or the living one of that key, on the same terms.

        Raises RotationRefusedError where the key is being rotated on other terms.
        """
        try:
            async with self._transaction() as connection:
                await connection.execute(insert(ROTATIONS).values(_row(rotation)))
        except JournalError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
        else:
            return rotation
        living = [r for r in await self.find(key_id=rotation.key_id) if not r.is_over]
        if not living:
            return await self.add(rotation)
        if (living[0].grace, living[0].require_idle) != (rotation.grace, rotation.require_idle):
            raise RotationRefusedError(
                f"access key {rotation.key_id} is being rotated by {living[0].id} on other terms "
                f"(grace {living[0].grace}); abort that one first"
            )
        return living[0]

    async def get(self, rotation_id: UUID) -> Rotation:
        """Read one rotation. Raises UnknownRotationError."""
        found = await self._read(ROTATIONS.c.id == rotation_id)
        if not found:
            raise UnknownRotationError(f"there is no rotation {rotation_id} in this journal; see its status")
        return found[0]

    async def find(self, *, key_id: UUID | None = None) -> tuple[Rotation, ...]:
        """Read all rotations, or those of one old key, oldest first."""
        return await self._read(*([] if key_id is None else [ROTATIONS.c.key_id == key_id]))

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

        Raises LeaseLostError where the journal no longer has `before`.
        """
        rotation = evolve(rotation, version=before.version + 1)
        table = ROTATIONS.c
        async with self._transaction() as connection:
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
        async with self._transaction() as connection:
            # In this order: whatever is written in between makes the version that is read here old, and the
            # compare-and-set then refuses to build on a half of each.
            rows = (await connection.execute(rotations)).all()
            parts: dict[UUID, list[Candidate]] = {}
            for part in await connection.execute(candidates):
                parts.setdefault(part.rotation_id, []).append(_candidate(part))
        return tuple(_rotation(row, parts.get(row.id, [])) for row in rows)

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncConnection, None]:
        if self._engine is None:
            raise JournalError(f"{self!r} is not open; use `async with`")
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            reason = getattr(error, "orig", None) or error
            raise JournalError(f"{self!r} failed: {reason}") from error


def _read_place(place: str | os.PathLike[str]) -> URL:
    text = os.fspath(place)
    if "://" not in text:
        return URL.create("sqlite+aiosqlite", database=text)
    try:
        url = make_url(text)
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        scheme = text.partition("://")[0]
        raise ConfigurationError(
            f"the journal's URL begins with {scheme!r} and can't be read; "
            "give sqlite:///file or postgresql://user@host/database"
        ) from None
    return url


def _make_engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        return create_async_engine(url, pool_pre_ping=True)
    engine = create_async_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(connection: Any, record: object) -> None:  # noqa: ARG001 - the event's signature
    cursor = connection.cursor()
    # FULL: an intent must be on the disk before the act, and WAL alone would not see to that.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


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
    return Candidate(**{name: row._mapping[name] for name in attrs.fields_dict(Candidate)})


def _rotation(row: Row[Any], candidates: Iterable[Candidate]) -> Rotation:
    values = dict(row._mapping)
    values["state"] = State(values["state"])
    values["stuck_at"] = None if values["stuck_at"] is None else State(values["stuck_at"])
    return Rotation(**values, candidates=tuple(candidates))
