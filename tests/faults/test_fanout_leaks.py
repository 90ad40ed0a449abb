"""However many calls at once end: no task is left, no connection is kept, and the next call works."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import aiohttp
import pytest
from attrs import frozen

from accesskeys_async import AccessKeysClient, ClientClosedError, Listing, NewKey, Outcome, RetryPolicy, Scan
from accesskeys_async.emulator import Emulator, Fault

CONNECTIONS = 4


@frozen
class Bench:
    """A client on a borrowed session with few connections."""

    emulator: Emulator
    session: aiohttp.ClientSession
    client: AccessKeysClient

    @property
    def org(self) -> str:
        return self.emulator.organization_id

    @property
    def ids(self) -> list[str]:
        return [key.id for key in self.emulator.keys(self.org)]

    async def assert_nothing_left(self) -> None:
        assert [
            task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("accesskeys")
        ] == []
        async with asyncio.timeout(5):
            # As many at once as there are connections: a place that was lost would keep one waiting.
            await asyncio.gather(*(self.client.get(self.org, self.ids[0]) for _ in range(CONNECTIONS)))


Way = Callable[[Bench], AsyncGenerator[object, None]]
WAYS: dict[str, Way] = {
    "get_many": lambda bench: bench.client.get_many(bench.org, bench.ids),
    "create_many": lambda bench: bench.client.create_many(
        bench.org, (NewKey("new", "made in a test") for _ in range(50))
    ),
    "update_many": lambda bench: bench.client.update_many(bench.org, bench.ids, name="renamed"),
    "delete_many": lambda bench: bench.client.delete_many(bench.org, bench.ids[5:-1]),
    "list_many": lambda bench: bench.client.list_many([bench.org] * 30, limit=20).items(),
    "list_many pages": lambda bench: bench.client.list_many([bench.org] * 30, limit=20).pages(),
    "scan_many": lambda bench: bench.client.scan_many([bench.org] * 30, limit=20).items(),
    "scan_many pages": lambda bench: bench.client.scan_many([bench.org] * 30, limit=20).pages(),
    "scan": lambda bench: bench.client.scan(bench.org, limit=5).pages(),
}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with (
        Emulator(keys_per_organization=120) as emulator,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session,
    ):
        client = AccessKeysClient(
            emulator.token,
            base_url=emulator.base_url,
            session=session,
            max_concurrency=CONNECTIONS,
            retry=RetryPolicy(base_delay=0.001, max_delay=0.01),
        )
        yield Bench(emulator, session, client)
        await client.aclose()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("taken", [1, 4])
async def test_leaving_early_leaves_nothing(way: str, taken: int, bench: Bench) -> None:
    async with aclosing(WAYS[way](bench)) as products:
        for _ in range(taken):
            await anext(products)
    await bench.assert_nothing_left()


@pytest.mark.parametrize("way", WAYS)
async def test_an_exception_of_the_callers_leaves_nothing(way: str, bench: Bench) -> None:
    async def fail() -> None:
        async with aclosing(WAYS[way](bench)) as products:
            async for _ in products:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await bench.assert_nothing_left()


async def drain(products: AsyncGenerator[object, None]) -> None:
    async for _ in products:
        pass


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55])
async def test_cancelling_at_any_moment_leaves_nothing(way: str, steps: int, bench: Bench) -> None:
    draining = asyncio.create_task(drain(WAYS[way](bench)))
    for _ in range(steps):
        await asyncio.sleep(0)
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    await bench.assert_nothing_left()


@pytest.mark.parametrize("way", WAYS)
async def test_dropping_a_generator_half_way_leaves_nothing(way: str, bench: Bench) -> None:
    async for _ in WAYS[way](bench):
        break
    gc.collect()
    for _ in range(100):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while any(task.get_name().startswith("accesskeys") for task in asyncio.all_tasks()):  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0)
    await bench.assert_nothing_left()


def error_of(product: object) -> object:
    match product:
        case Outcome():
            return product.error
        case (_, Listing() | Scan() as listing):
            return listing.error
        case _:
            return None


@pytest.mark.parametrize("way", WAYS)
async def test_connections_that_drop_under_way_cost_no_item(way: str, bench: Bench) -> None:
    if way != "create_many":
        bench.emulator.faults.add(Fault.reset_after(times=3))
    async with asyncio.timeout(20):
        async for product in WAYS[way](bench):
            assert error_of(product) is None
    await bench.assert_nothing_left()


async def test_a_client_that_is_closed_under_way_gives_every_item_an_outcome(bench: Bench) -> None:
    own = AccessKeysClient(
        bench.emulator.token, base_url=bench.emulator.base_url, max_concurrency=CONNECTIONS
    )
    errors = []
    async with asyncio.timeout(10):
        async for outcome in own.get_many(bench.org, bench.ids):
            await own.aclose()
            errors.append(type(outcome.error))
    assert len(errors) == len(bench.ids)
    assert set(errors) <= {type(None), ClientClosedError}
    assert errors[-1] is ClientClosedError
