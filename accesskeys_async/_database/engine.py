"""A database of ours: its place read, its tables brought to the present version, and a transaction held."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Self
from uuid import UUID

from attrs import frozen
from sqlalchemy import (
    BigInteger,
    Dialect,
    String,
    TableClause,
    column,
    event,
    insert,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator

from accesskeys_async._contract.fields import format_uuid, parse_uuid
from accesskeys_async._database.postgresql import create_postgresql_engine
from accesskeys_async._database.urls import read_database_place
from accesskeys_async._resources import AsyncResource
from accesskeys_async.errors import AccessKeysError, ConfigurationError, one_line

BUSY_SECONDS: Final = 30
BUSY_PAUSE: Final = 0.05
"""Seconds to wait at most before what was refused at once is tried again."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
OWN_TABLES: Final = "accesskeys_"
"""How the name of every table begins that this package creates."""
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
        return None if value is None else format_uuid(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> UUID | None:  # noqa: ARG002
        """Read it."""
        return None if value is None else parse_uuid(value)


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

    @property
    def latest(self) -> int:
        """The version that this release writes."""
        return len(self.steps)

    async def find_version(self, connection: AsyncConnection) -> int | None:
        """Return the version of the tables; None if there are none. Nothing is written."""
        if connection.dialect.name == "postgresql":
            exists = text("SELECT to_regclass(:name) IS NOT NULL")
        else:
            exists = text("SELECT count(*) FROM sqlite_master WHERE name = :name")
        if not (await connection.execute(exists, {"name": self.table})).scalar_one():
            return None
        found: int | None = (await connection.execute(select(self._versions.c.version))).scalar()
        return found

    @property
    def _versions(self) -> TableClause:
        return table(self.table, column("id"), column("version"))

    async def apply(self, connection: AsyncConnection, *, to: int | None = None) -> None:
        """Bring the tables from whatever version they have to a later one, in the connection's transaction.

        Raises `error` where they are of a version that this release does not know.
        """
        to = self.latest if to is None else to
        is_postgresql = connection.dialect.name == "postgresql"
        if is_postgresql:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({self.lock})"))
        await connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {self.table} (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)"
            )
        )
        versions = self._versions
        # A write comes first, so that SQLite lets one process at a time through here.
        await connection.execute(update(versions).values(version=versions.c.version))
        found = (await connection.execute(select(versions.c.version))).scalar_one_or_none()
        if found is None:
            await connection.execute(insert(versions).values(id=1, version=0))
            found = 0
        if found > self.latest:
            raise self.error(
                f"the {self.what} is of version {found}, this release knows up to {self.latest}; "
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
        place: A path of an SQLite file or a URL: `sqlite:///file` or
            `postgresql://user:password@host/database`. Several processes may share one.
        migrations: What is kept there.
        create: Whether the file and the tables are created if they are missing; else that is refused.
        synchronous: How SQLite commits: FULL waits until it is on the disk; NORMAL may lose the last commits
            to a power cut, and nothing else.
        busy_seconds: How long SQLite waits for others to be done.
        pause: Waits before a connection that was refused without waiting is tried again.
    """

    _shown = "a place that can't be read"  # a traceback shows even one that is refused

    def __init__(
        self,
        place: str | os.PathLike[str],
        *,
        migrations: Migrations,
        synchronous: Literal["FULL", "NORMAL"],
        create: bool = True,
        busy_seconds: float = BUSY_SECONDS,
        pause: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._migrations = migrations
        self._error = migrations.error
        self._synchronous = synchronous
        self._busy_seconds = busy_seconds
        self._pause = pause or _pause
        self._create = create
        self._place = read_database_place(place, migrations.what)
        self._shown = f"{migrations.what} {self._place.shown}"
        self._engine: AsyncEngine | None = None

    def __repr__(self) -> str:
        return f"<{self._shown[0].upper()}{self._shown[1:]}>"

    async def open(self) -> None:
        """Connect, and bring the tables to the present version.

        Raises `error` if the database fails, and ConfigurationError if it is another program's, or if it has
        no such tables and they are not to be created.
        """
        self._engine = self._create_engine()
        try:
            await self._find_file()
            await self._connect()
            async with self.transaction() as connection:
                if self._create or await self._migrations.find_version(connection) != self._migrations.latest:
                    await self._migrations.apply(connection)
        except BaseException:
            await self.aclose()
            raise

    async def _connect(self) -> None:
        """Connect for the first time, see whose the database is, and turn SQLite's write-ahead log on.

        Where two that turn it on would wait for each other, SQLite refuses one at once, however long it may
        wait.
        """
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                async with self.transaction() as connection:
                    await self._check_owner(connection)
                    if self._create and not self._place.is_postgresql:
                        await connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                    return
            except self._error as error:
                if not _is_busy(error.__cause__) or time.monotonic() >= until:
                    raise
            await self._pause()

    async def _check_owner(self, connection: AsyncConnection) -> None:
        if await self._migrations.find_version(connection) is not None:
            return
        what, place = self._migrations.what, self._place.shown
        if not self._place.is_postgresql:
            names = await connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            )
            tables = names.scalars().all()
            if tables and not any(name.startswith(OWN_TABLES) for name in tables):
                raise ConfigurationError(
                    f"{place} is the database of another program, and no {what}; name another file"
                )
        if not self._create:
            raise ConfigurationError(f"{place} has no {what} in it; name the file or URL that has")

    async def aclose(self) -> None:
        """Close the connections; twice is fine."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection, None]:
        """Hold a transaction, committed at the end unless something is raised."""
        if self._engine is None:
            raise self._error(f"the {self._shown} is not open; use `async with`")
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            reason = getattr(error, "orig", None) or error
            raise self._fail(one_line(str(reason)) or type(reason).__name__) from error

    def _fail(self, reason: str) -> AccessKeysError:
        return self._error(f"the {self._shown} failed: {reason}")

    def _create_engine(self) -> AsyncEngine:
        if self._place.is_postgresql:
            return create_postgresql_engine(self._place, self._fail)
        engine = create_async_engine(self._place.url, connect_args={"timeout": self._busy_seconds})
        event.listen(engine.sync_engine, "connect", self._set_up_sqlite)
        return engine

    def _set_up_sqlite(self, connection: Any, record: object) -> None:  # noqa: ARG002 - the event's signature
        cursor = connection.cursor()
        for pragma in (f"synchronous = {self._synchronous}", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    async def _find_file(self) -> None:
        path = self._place.path
        if path is None:
            return
        # Created here, so that it is its owner's alone, and that a place where none can be created is known
        # before a thread is started for it, which would outlive the failure.
        flags = os.O_RDWR | os.O_CREAT if self._create else os.O_RDONLY
        try:
            os.close(await asyncio.to_thread(os.open, path, flags, 0o600))
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not self._create:
                raise ConfigurationError(
                    f"there is no {self._shown}; name the file or URL that has it"
                ) from None
            raise self._error(f"the {self._shown} can't be opened: {error.strerror}") from error


async def _pause() -> None:
    await asyncio.sleep(random.uniform(0, BUSY_PAUSE))  # noqa: S311 - nobody gains by foreseeing it


def _is_busy(error: BaseException | None) -> bool:
    name = getattr(getattr(error, "orig", None), "sqlite_errorname", "")
    return isinstance(name, str) and name.startswith("SQLITE_BUSY")


class DatabaseResource(AsyncResource):
    """A resource whose rows lie in a database: entering it connects, and creates or migrates the tables."""

    _shown = "<rows of a database that can't be read>"  # a traceback shows even one that is refused

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shown = repr(database)

    def __repr__(self) -> str:
        return self._shown

    async def __aenter__(self) -> Self:
        """Connect, and create or migrate the tables."""
        await self._database.open()
        return self

    async def aclose(self) -> None:
        """Close the connections. Closing twice is harmless."""
        await self._database.aclose()
