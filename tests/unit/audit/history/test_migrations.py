from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from accesskeys_async.audit import Severity
from accesskeys_async.audit.history import History
from accesskeys_async.audit.history.history_tables import COUNTER, FINDINGS, MIGRATIONS, PARTS, READINGS, RUNS
from accesskeys_async.records import RoleRef
from tests.unit.audit.history.fleet import ACME, DAY, GLOBEX, Fleet, T, make_key, rules_of

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


async def _make_version_1(place: str) -> None:
    """Fill a database with what version 1 wrote: two audits of ACME, and of GLOBEX, the second denied."""
    engine = create_async_engine(_driver(place))
    tables = json.loads(Path(__file__).with_name("version_1.json").read_text())
    async with engine.begin() as connection:
        await MIGRATIONS.apply(connection, to=1)
        await connection.execute(text("DELETE FROM accesskeys_counter"))
        for name, rows in tables.items():
            if name == "accesskeys_history":
                continue
            for row in rows:
                values = {**row}
                if "body" in row:
                    values["body"] = bytes.fromhex(row["body"])
                if name == "accesskeys_findings":
                    values["suppressed"] = bool(row["suppressed"])
                names = ", ".join(values)
                marks = ", ".join(f":{column}" for column in values)
                await connection.execute(text(f"INSERT INTO {name} ({names}) VALUES ({marks})"), values)
    await engine.dispose()


@pytest.mark.slow
async def test_a_history_of_the_first_version_is_migrated_and_compared_with(place: str) -> None:
    await _make_version_1(place)
    async with History(place) as history:
        assert [(run.keys, run.coverage, run.partly_read) for run in await history.runs()] == [
            (3, 1.0, 0),
            (2, 0.5, 0),
        ]
        fleet = Fleet(history)
        first = make_key(1, description="another")
        second = make_key(2, role_ids=("a",), role_refs=(RoleRef(UUID(int=1), "managed"),))
        fleet.keys = {ACME: [first, second], GLOBEX: [make_key(3, GLOBEX, last_used_at=None)]}
        third, audits = await fleet.audit(T + 2 * DAY)
        old, new = await history.compare(1, 2), await history.compare(2, third)

        assert [before.description for before, _ in old.edited] == [make_key(1).description]
        assert (new.edited, new.appeared, new.gone) == ((), (), ())
        for organization in (ACME, GLOBEX):
            [added] = [result for result in audits[organization].results if result.rule == "AK110"]
            assert (added.passed, added.failed, added.not_evaluated) == (0, 0, len(fleet.keys[organization]))
            assert added.reason == "a response did not include the roles of the key"
        assert "AK106" not in rules_of(audits[ACME])

        fleet.change(first, role_refs=second.role_refs)
        fourth, audits = await fleet.audit(T + 3 * DAY)
        [finding] = [one for one in audits[ACME].findings if one.rule == "AK110"]
        assert (finding.key, finding.severity) == (fleet.keys[ACME][0], Severity.CRITICAL)
        [(before, after)] = (await history.compare(third, fourth)).edited
        assert (before.role_refs, after.role_refs) == (first.role_refs, second.role_refs)


@pytest.mark.slow
async def test_a_history_opens_again_with_its_content(place: str) -> None:
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
