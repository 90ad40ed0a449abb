from __future__ import annotations

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from accesskeys_async.audit.history import History
from accesskeys_async.audit.history.schema import COUNTER, FINDINGS, MIGRATIONS, PARTS, READINGS, RUNS
from tests.unit.audit.history.fleet import ACME, DAY, Fleet, T, make_key

TABLES = (COUNTER, FINDINGS, PARTS, READINGS, RUNS)


def _driver(place: str) -> str:
    return place.replace("sqlite:", "sqlite+aiosqlite:").replace("postgresql:", "postgresql+asyncpg:")


def _read_columns(connection: Connection) -> dict[str, dict[str, bool]]:
    inspector = inspect(connection)
    return {
        table.name: {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
        for table in TABLES
    }


async def test_the_migrated_tables_are_the_ones_that_are_read(place: str, history: History) -> None:
    engine = create_async_engine(_driver(place))
    async with engine.connect() as connection:
        found = await connection.run_sync(_read_columns)
        version = (await connection.execute(text("SELECT version FROM accesskeys_history"))).scalar_one()
    await engine.dispose()

    expected = {
        table.name: {column.name: bool(column.nullable) for column in table.columns} for table in TABLES
    }
    assert found == expected
    assert version == len(MIGRATIONS.steps)


async def test_each_version_is_reached_from_each_before_it(place: str) -> None:
    engine = create_async_engine(_driver(place))
    for version in range(len(MIGRATIONS.steps) + 1):
        async with engine.begin() as connection:
            await MIGRATIONS.apply(connection, to=version)
            found = await connection.execute(text("SELECT version FROM accesskeys_history"))
            assert found.scalar_one() == version
    await engine.dispose()


async def test_a_history_opens_again_with_all_that_was_in_it(place: str) -> None:
    async with History(place) as history:
        fleet = Fleet(history)
        fleet.keys[ACME] = [make_key(1)]
        first, _ = await fleet.audit(T)
    async with History(place) as history:
        fleet.history = history
        fleet.keys[ACME] = [make_key(1), make_key(2)]
        second, _ = await fleet.audit(T + DAY)
        diff = await history.compare(first, second)

    assert diff.appeared == (make_key(2),)
