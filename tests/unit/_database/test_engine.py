from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, insert, select
from sqlalchemy.dialects import sqlite

from accesskeys_async._database.engine import Database, Id, Migrations, Moment, Span
from accesskeys_async.errors import AccessKeysError, ConfigurationError

pytestmark = pytest.mark.slow

DIALECT = sqlite.dialect()
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)  # noqa: DTZ001 - zones come

THINGS = Table("things", MetaData(), Column("id", Id), Column("at", Moment), Column("span", Span))
MIGRATIONS = Migrations(
    what="box",
    error=AccessKeysError,
    table="box",
    lock=1,
    steps=(
        ("CREATE TABLE things (id VARCHAR(36) PRIMARY KEY, at BIGINT)",),
        ("ALTER TABLE things ADD COLUMN span BIGINT",),
    ),
)


@given(TIMES, TIMES)
def test_moments_come_back_to_the_microsecond_and_keep_their_order(one: datetime, other: datetime) -> None:
    written = [Moment().process_bind_param(time, DIALECT) for time in (one, other)]
    assert [Moment().process_result_value(number, DIALECT) for number in written] == [one, other]
    assert (written[0] < written[1]) == (one < other)


@given(st.timedeltas())
def test_spans_come_back_to_the_microsecond(span: timedelta) -> None:
    assert Span().process_result_value(Span().process_bind_param(span, DIALECT), DIALECT) == span


@given(st.uuids())
def test_ids_are_their_text(value: UUID) -> None:
    assert Id().process_bind_param(value, DIALECT) == str(value)
    assert Id().process_result_value(str(value), DIALECT) == value


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    database = Database(":memory:", migrations=MIGRATIONS, synchronous="FULL")
    await database.open()
    yield database
    await database.aclose()


async def _add(database: Database, *ids: int, error: Exception | None = None) -> None:
    async with database.transaction() as connection:
        for number in ids:
            await connection.execute(insert(THINGS).values(id=UUID(int=number)))
        if error is not None:
            raise error


async def _read(database: Database) -> list[tuple[object, ...]]:
    async with database.transaction() as connection:
        return [tuple(row) for row in await connection.execute(select(THINGS))]


async def test_what_is_committed_is_read_and_nulls_stay_nulls(database: Database) -> None:
    values = {"id": UUID(int=1), "at": datetime(2026, 1, 1, tzinfo=UTC), "span": timedelta(days=1)}
    async with database.transaction() as connection:
        await connection.execute(insert(THINGS).values(values))
    await _add(database, 2)

    assert await _read(database) == [tuple(values.values()), (UUID(int=2), None, None)]


async def test_what_raises_is_rolled_back(database: Database) -> None:
    with pytest.raises(KeyError):
        await _add(database, 1, error=KeyError("anything"))

    assert await _read(database) == []


async def test_a_statement_that_fails_raises_the_error_of_what_is_kept_there(database: Database) -> None:
    with pytest.raises(AccessKeysError, match=r"^the box :memory: failed: UNIQUE"):
        await _add(database, 1, 1)

    assert await _read(database) == []


async def test_a_database_may_be_closed_twice(database: Database) -> None:
    await database.aclose()
    await database.aclose()

    with pytest.raises(AccessKeysError, match=r"is not open"):
        await _read(database)


async def test_a_file_that_another_holds_just_then_is_opened_when_it_lets_go(tmp_path: Path) -> None:
    path, pauses = tmp_path / "box.sqlite", list[str]()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        async def pause() -> None:
            pauses.append("paused")
            other.execute("ROLLBACK")

        database = Database(path, migrations=MIGRATIONS, synchronous="FULL", busy_seconds=0, pause=pause)
        await database.open()
        await _add(database, 1)
        assert len(await _read(database)) == 1
        await database.aclose()
    assert pauses == ["paused"]


async def test_a_file_that_is_no_database_is_refused_at_once(tmp_path: Path) -> None:
    path, pauses = tmp_path / "box.sqlite", list[str]()
    path.write_bytes(b"no database" * 1_000)

    async def pause() -> None:
        pauses.append("paused")

    database = Database(path, migrations=MIGRATIONS, synchronous="FULL", pause=pause)
    with pytest.raises(AccessKeysError, match="file is not a database"):
        await database.open()
    assert pauses == []


def _open(path: Path, *, create: bool) -> Database:
    return Database(path, migrations=MIGRATIONS, synchronous="FULL", create=create)


async def test_what_is_not_to_be_created_is_missed_and_not_created(tmp_path: Path) -> None:
    path = tmp_path / "nope.sqlite"

    with pytest.raises(ConfigurationError, match=r"^there is no box /\S+/nope.sqlite; name the file or URL"):
        await _open(path, create=False).open()

    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.parametrize("tables", ["", "CREATE TABLE accesskeys_other (id INTEGER)"])
async def test_a_file_with_nothing_of_the_kind_is_missed_and_left_as_it_is(
    tmp_path: Path, tables: str
) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(tables)
    path.touch()
    before = path.read_bytes()

    with pytest.raises(ConfigurationError, match=r"other.sqlite has no box in it; name the file or URL"):
        await _open(path, create=False).open()

    assert path.read_bytes() == before
    database = _open(path, create=True)
    await database.open()
    await database.aclose()


@pytest.mark.parametrize("create", [True, False])
async def test_the_database_of_another_program_is_refused_and_left_as_it_is(
    tmp_path: Path, create: bool
) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT)")
    before = path.read_bytes()

    with pytest.raises(
        ConfigurationError, match=r"other.sqlite is the database of another program, and no box"
    ):
        await _open(path, create=create).open()

    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["other.sqlite"]  # noqa: PTH208


async def test_what_is_there_is_opened_without_a_write(tmp_path: Path) -> None:
    path = tmp_path / "box.sqlite"
    database = _open(path, create=True)
    await database.open()
    await _add(database, 1)
    await database.aclose()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")  # whoever writes now would have to wait

        database = Database(path, migrations=MIGRATIONS, synchronous="FULL", create=False, busy_seconds=0)
        await database.open()
        assert len(await _read(database)) == 1
        await database.aclose()


async def test_an_earlier_version_is_migrated_even_if_no_database_may_be_created(
    tmp_path: Path,
) -> None:
    path = tmp_path / "box.sqlite"
    first = attrs.evolve(MIGRATIONS, steps=MIGRATIONS.steps[:1])
    database = Database(path, migrations=first, synchronous="FULL")
    await database.open()
    await database.aclose()

    database = _open(path, create=False)
    await database.open()
    await _add(database, 1)
    assert len(await _read(database)) == 1
    await database.aclose()


async def test_a_postgresql_without_the_tables_is_missed_and_gets_none(postgres_url: str) -> None:
    database = Database(postgres_url, migrations=MIGRATIONS, synchronous="FULL", create=False)

    with pytest.raises(ConfigurationError, match=r"^postgresql://\S+ has no box in it; name the file or URL"):
        await database.open()

    database = Database(postgres_url, migrations=MIGRATIONS, synchronous="FULL")
    await database.open()
    await database.aclose()
    database = Database(postgres_url, migrations=MIGRATIONS, synchronous="FULL", create=False)
    await database.open()
    await database.aclose()
