"""A database of ours: its place read, its tables brought to the present version, and a transaction held."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from attrs import frozen
from sqlalchemy import (
    URL,
    BigInteger,
    Dialect,
    String,
    column,
    event,
    insert,
    make_url,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator

from accesskeys_async import wire
from accesskeys_async.errors import AccessKeysError, ConfigurationError

__all__ = ["Database", "Id", "Migrations", "Moment", "Span"]

BUSY_SECONDS: Final = 30
BUSY_PAUSE: Final = 0.05
"""Seconds to wait at most before what was refused at once is tried again."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
_SQLITE: Final = {"{bytes}": "BLOB", "{number}": "INTEGER"}
_POSTGRESQL: Final = {"{bytes}": "BYTEA", "{number}": "BIGINT"}


class Moment(TypeDecorator[datetime]):
    """An aware time, as microseconds since 1970: alike in every database, and in order."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Write it."""
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read it."""
        return None if value is None else EPOCH + value * MICROSECOND


class Span(TypeDecorator[timedelta]):
    """A length of time, in microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Write it."""
        return None if value is None else value // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:  # noqa: ARG002
        """Read it."""
        return None if value is None else value * MICROSECOND


class Id(TypeDecorator[UUID]):
    """A UUID as its text, so that a person finds it with any tool."""

    impl = String(36)
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Write it."""
        return None if value is None else wire.format_uuid(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> UUID | None:  # noqa: ARG002
        """Read it."""
        return None if value is None else wire.parse_uuid(value)


@frozen
class Migrations:
    """What is kept in some tables, and the steps from each version of them to the next.

    `{bytes}` stands for the type of bytes, and `{number}` for that of numbers that are a primary key.
    """

    what: str
    """What it is, for people: `journal`."""
    error: type[AccessKeysError]
    """The class of what is raised where the database fails."""
    table: str
    """Its one row has the version."""
    lock: int
    """Any number, as long as it is always the same and no other's."""
    steps: tuple[tuple[str, ...], ...]
    """Each leads from the version of its index to the next, and is never changed once released."""

    async def apply(self, connection: AsyncConnection, *, to: int | None = None) -> None:
        """Bring the tables from whatever version they have to a later one, in the connection's transaction.

        Raises `error` where they are of a version that this release does not know.
        """
        to = len(self.steps) if to is None else to
        is_postgresql = connection.dialect.name == "postgresql"
        if is_postgresql:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({self.lock})"))
        await connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {self.table} (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)"
            )
        )
        versions = table(self.table, column("id"), column("version"))
        # A write comes first, so that SQLite lets one process at a time through here.
        await connection.execute(update(versions).values(version=versions.c.version))
        found = (await connection.execute(select(versions.c.version))).scalar_one_or_none()
        if found is None:
            await connection.execute(insert(versions).values(id=1, version=0))
            found = 0
        if found > len(self.steps):
            raise self.error(
                f"the {self.what} is of version {found}, this release knows up to {len(self.steps)}; "
                "use a newer release"
            )
        for statements in self.steps[found:to]:
            for statement in statements:
                for name, kind in (_POSTGRESQL if is_postgresql else _SQLITE).items():
                    statement = statement.replace(name, kind)
                await connection.execute(text(statement))
        if found < to:
            await connection.execute(update(versions).values(version=to))


class Database:
    """Hold the connections to one place.

    Args:
        place: A path of an SQLite file, made where there is none, or a URL: `sqlite:///file` or
            `postgresql://user:password@host/database`. Several processes may share one.
        migrations: What is kept there.
        synchronous: How SQLite commits: FULL waits until it is on the disk; NORMAL may lose the last commits
            to a power cut, and nothing else.
        busy_seconds: How long SQLite waits for others to be done.
        pause: Waits before a connection that was refused without waiting is tried again.
    """

    _shown = "<a place that can't be read>"  # a traceback shows even one that is refused

    def __init__(
        self,
        place: str | os.PathLike[str],
        *,
        migrations: Migrations,
        synchronous: Literal["FULL", "NORMAL"],
        busy_seconds: float = BUSY_SECONDS,
        pause: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._migrations = migrations
        self._error = migrations.error
        self._synchronous = synchronous
        self._busy_seconds = busy_seconds
        self._pause = pause or _pause
        self._url = _read_place(place, migrations.what)
        self._shown = f"<{migrations.what.capitalize()} {self._url.render_as_string(hide_password=True)}>"
        self._engine: AsyncEngine | None = None

    def __repr__(self) -> str:
        return self._shown

    async def open(self) -> None:
        """Connect, and bring the tables to the present version."""
        self._engine = self._make_engine()
        try:
            await self._make_file()
            await self._connect()
            async with self.transaction() as connection:
                await self._migrations.apply(connection)
        except BaseException:
            await self.aclose()
            raise

    async def _connect(self) -> None:
        """Make the first connection, which turns SQLite's write-ahead log on.

        Where two that do so would wait for each other, SQLite refuses one at once, however long it may wait.
        """
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                async with self.transaction():
                    return
            except self._error as error:
                if not _is_busy(error.__cause__) or time.monotonic() >= until:
                    raise
            await self._pause()

    async def aclose(self) -> None:
        """Close the connections; twice is fine."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection, None]:
        """Hold a transaction, committed at the end unless something is raised."""
        if self._engine is None:
            raise self._error(f"{self!r} is not open; use `async with`")
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            reason = getattr(error, "orig", None) or error
            raise self._error(f"{self!r} failed: {reason}") from error

    def _make_engine(self) -> AsyncEngine:
        if self._url.get_backend_name() != "sqlite":
            return create_async_engine(self._url, pool_pre_ping=True)
        engine = create_async_engine(self._url, connect_args={"timeout": self._busy_seconds})
        event.listen(engine.sync_engine, "connect", self._set_up_sqlite)
        return engine

    def _set_up_sqlite(self, connection: Any, record: object) -> None:  # noqa: ARG002 - the event's signature
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", f"synchronous = {self._synchronous}", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    async def _make_file(self) -> None:
        path = self._url.database
        if self._url.get_backend_name() != "sqlite" or not path or path == ":memory:":
            return
        # Made here, so that it is its owner's alone, and that a place where none can be made is known before
        # a thread is started for it, which would outlive the failure.
        try:
            os.close(await asyncio.to_thread(os.open, path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise self._error(f"{self!r} can't be opened: {error.strerror}") from error


async def _pause() -> None:
    await asyncio.sleep(random.uniform(0, BUSY_PAUSE))  # noqa: S311 - nobody gains by foreseeing it


def _is_busy(error: BaseException | None) -> bool:
    name = getattr(getattr(error, "orig", None), "sqlite_errorname", "")
    return isinstance(name, str) and name.startswith("SQLITE_BUSY")


def _read_place(place: str | os.PathLike[str], what: str) -> URL:
    path = os.fspath(place)
    if "://" not in path:
        return URL.create("sqlite+aiosqlite", database=path)
    try:
        url = make_url(path)
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        scheme = path.partition("://")[0]
        raise ConfigurationError(
            f"the {what}'s URL begins with {scheme!r} and can't be read; "
            "give sqlite:///file or postgresql://user@host/database"
        ) from None
    return url
