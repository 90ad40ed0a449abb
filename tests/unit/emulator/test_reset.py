"""Every holder of state is as new after a reset: found by walking the objects, not by a list kept by hand."""

import asyncio
import concurrent.futures
import sqlite3
import threading
from collections import deque
from pathlib import Path
from typing import Any

import attrs
import pytest

from accesskeys_async.emulator import Emulator, Fault, ManualClock, RateLimit
from tests.unit.emulator.asking import Api

# What a reset has no business with: threads, sockets, the loop and what belongs to them.
MACHINERY = (
    asyncio.AbstractEventLoop,
    concurrent.futures.Executor,
    sqlite3.Connection,
    threading.Thread,
    type(threading.Lock()),
    type(threading.RLock()),
)


def attributes_of(thing: Any) -> dict[str, Any]:
    if attrs.has(type(thing)):
        return {field.name: getattr(thing, field.name) for field in attrs.fields(type(thing))}
    names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    return {**getattr(thing, "__dict__", {}), **{name: getattr(thing, name) for name in names}}


def snapshot(thing: Any, seen: dict[int, Any] | None = None) -> Any:
    """Return a plain copy of an object of the emulator and all that it holds."""
    seen = {} if seen is None else seen
    if id(thing) in seen:
        return f"<{type(thing).__name__} again>"
    if isinstance(thing, MACHINERY):
        return f"<{type(thing).__name__}>"
    if isinstance(thing, dict):
        return {repr(key): snapshot(value, seen) for key, value in thing.items()}
    if isinstance(thing, (list, tuple, set, frozenset, deque)):
        return [snapshot(value, seen) for value in thing]
    if type(thing).__module__.startswith("accesskeys_async.emulator"):
        seen[id(thing)] = thing
        return {name: snapshot(value, seen) for name, value in attributes_of(thing).items()}
    return repr(thing) if type(thing).__module__ in {"builtins", "datetime"} else f"<{type(thing).__name__}>"


def tables_of(emulator: Emulator) -> dict[str, list[Any]]:
    assert emulator._running is not None
    with emulator._running.store._database.reading() as connection:
        names = [
            f"{schema}.{name}"
            for schema, master in (("main", "sqlite_master"), ("temp", "sqlite_temp_master"))
            for (name,) in connection.execute(f"SELECT name FROM {master} WHERE type = 'table'")
        ]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}


def state_of(emulator: Emulator) -> dict[str, Any]:
    return {"objects": snapshot(emulator), "tables": tables_of(emulator)}


async def use_everything(api: Api, clock: ManualClock) -> None:
    emulator = api.emulator
    emulator.rate_limit = RateLimit(100, burst=50)
    clock.advance(12_345)
    created = (await api.create()).json["accessKey"]
    emulator.enforce_roles = True
    await api.ask("PATCH", f"{api.keys_path}/{created['id']}", json={"name": "x"})
    await api.ask("DELETE", f"{api.keys_path}/{emulator.keys(emulator.organization_id)[0].id}")
    await api.list(limit="1")
    await api.ask("GET", "/nope")
    emulator.faults.add(Fault.status(500, operation="get", times=3), Fault.delay(1, operation="update"))
    await api.ask("GET", f"{api.keys_path}/{created['id']}")


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_no_attribute_of_any_object_and_no_row_differs_after_a_reset(
    kind: str, tmp_path: Path, api: Api
) -> None:
    clock = ManualClock()
    database = None if kind == "memory" else tmp_path / "keys.db"
    async with Emulator(keys_per_organization=5, database=database, clock=clock) as emulator:
        api.emulator = emulator
        fresh = state_of(emulator)
        await use_everything(api, clock)
        used = state_of(emulator)

        emulator.reset()

        assert used != fresh
        # The connection that still waits for its end is the machinery's, and its request is done.
        await asyncio.sleep(0)
        assert state_of(emulator) == fresh


async def test_the_snapshot_sees_every_holder_of_state(api: Api, clock: ManualClock) -> None:
    fresh = state_of(api.emulator)
    await use_everything(api, clock)
    used = state_of(api.emulator)

    changed = {name for name in fresh["objects"] if fresh["objects"][name] != used["objects"][name]}
    assert changed == {"faults", "journal", "_holders", "_running"}
    tables = {name for name in fresh["tables"] if fresh["tables"][name] != used["tables"][name]}
    assert tables == {"main.keys", "main.sqlite_sequence", "temp.uses"}


async def test_after_a_reset_the_same_requests_get_the_same_answers(api: Api, clock: ManualClock) -> None:
    async def play() -> list[object]:
        created = await api.create()
        listed = await api.list(limit="3")
        return [created.body, listed.body, created.headers["messagebird-request-id"], created.headers["Date"]]

    first = await play()
    api.emulator.reset()

    assert await play() == first
