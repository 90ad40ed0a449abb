"""Whatever way a call ends: no task is left, no connection is kept, and the next call works."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import aiohttp
import pytest
from attrs import frozen

from accesskeys_async import AccessKeysClient, Adaptive, RetryPolicy, SharedPause
from accesskeys_async.emulator import Emulator, Fault
from tests.waiting import let_run, until

Call = Callable[[AccessKeysClient, str, str], Awaitable[object]]
CALLS: dict[str, Call] = {
    "list": lambda client, org, key_id: client.list(org, limit=2, prefetch=2).collect(),
    "get": lambda client, org, key_id: client.get(org, key_id),
    "update": lambda client, org, key_id: client.update(org, key_id, name="renamed"),
    "delete": lambda client, org, key_id: client.delete(org, key_id),
    "create": lambda client, org, key_id: client.create(org, name="new", description="made in a test"),
}


@frozen
class Bench:
    """A client on a borrowed session, whose pool can be looked into."""

    emulator: Emulator
    session: aiohttp.ClientSession
    client: AccessKeysClient

    @property
    def org(self) -> str:
        return self.emulator.organization_id

    async def assert_nothing_left(self, tasks: set[asyncio.Task[object]]) -> None:
        """Fail if a task outlived the call, if the pool misses a place, or if the next call does not work."""
        left = {task for task in asyncio.all_tasks() - tasks if is_of_the_client(task)}
        if left:
            _, left = await asyncio.wait(left, timeout=1)  # generators that are being closed
        assert not left
        assert self.session.connector is not None
        async with asyncio.timeout(2):
            # As many at once as there are connections: a place that was lost would keep one waiting.
            await asyncio.gather(*(self.client.list(self.org).first() for _ in range(2)))


def is_of_the_client(task: asyncio.Task[object]) -> bool:
    """Tell the client's tasks from the emulator's, which runs on the same loop."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "emulator" not in code.co_filename and "aiohttp/web" not in code.co_filename


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with (
        Emulator(keys_per_organization=9) as emulator,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2)) as session,
    ):
        client = AccessKeysClient(
            emulator.token,
            base_url=emulator.base_url,
            session=session,
            max_concurrency=2,
            retry=RetryPolicy(base_delay=0.001),
        )
        yield Bench(emulator, session, client)


@pytest.mark.parametrize("warm", [False, True], ids=["first call", "later call"])
@pytest.mark.parametrize("operation", CALLS)
async def test_cancelling_after_any_number_of_steps_leaves_nothing(
    bench: Bench, operation: str, warm: bool
) -> None:
    cancelled = 0
    for steps in range(60):
        if warm:
            await bench.client.list(bench.org).first()
        tasks = set(asyncio.all_tasks())
        key_id = bench.emulator.keys(bench.org)[0].id
        task = asyncio.ensure_future(CALLS[operation](bench.client, bench.org, key_id))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        cancelled += isinstance(outcome, asyncio.CancelledError)
        assert isinstance(outcome, asyncio.CancelledError) or not isinstance(outcome, BaseException)
        await bench.assert_nothing_left(tasks)
        bench.emulator.reset()
    assert cancelled > 3


@pytest.mark.parametrize(
    "fault",
    [Fault.delay(5), Fault.drip(5), Fault.status(503, retry_after=5), Fault.status(429, retry_after=5)],
    ids=["before the answer", "in the body", "in a wait", "in a pause"],
)
@pytest.mark.parametrize("throttle", [SharedPause, Adaptive])
@pytest.mark.parametrize("operation", ["list", "create"])
async def test_cancelling_a_call_that_waits_leaves_nothing(
    bench: Bench, fault: Fault, operation: str, throttle: type[SharedPause | Adaptive]
) -> None:
    tasks = set(asyncio.all_tasks())
    key_id = bench.emulator.keys(bench.org)[0].id
    bench.emulator.faults.add(fault)
    alone = bench.client.with_options(throttle=throttle())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await CALLS[operation](alone, bench.org, key_id)
    await bench.assert_nothing_left(tasks)


async def test_cancelling_those_who_wait_for_a_place_loses_none(bench: Bench) -> None:
    tasks = set(asyncio.all_tasks())
    bench.emulator.faults.add(Fault.delay(0.05, times=2))
    calls = [asyncio.create_task(bench.client.list(bench.org).collect()) for _ in range(10)]
    await until(lambda: bench.client._shared.limit.active == bench.client.max_concurrency)
    await let_run()
    for call in calls[3:9]:
        call.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [len(outcome) for outcome in outcomes if isinstance(outcome, list)] == [10] * 4
    await bench.assert_nothing_left(tasks)


class _ConsumerError(Exception):
    pass


@pytest.mark.parametrize("prefetch", [0, 1, 5])
@pytest.mark.parametrize("passed_on", [1, 2, 5])
async def test_leaving_a_listing_early_leaves_nothing(bench: Bench, prefetch: int, passed_on: int) -> None:
    tasks = set(asyncio.all_tasks())

    async def walk() -> None:
        keys = bench.client.list(bench.org, limit=1, prefetch=prefetch).keys()
        async with asyncio.timeout(2), aclosing(keys):
            seen = 0
            async for _ in keys:
                seen += 1
                if seen == passed_on:
                    raise _ConsumerError

    for _ in range(3):
        with pytest.raises(_ConsumerError):
            await walk()
        await bench.assert_nothing_left(tasks)


async def test_a_break_cancels_what_is_fetched_ahead(bench: Bench) -> None:
    tasks = set(asyncio.all_tasks())
    bench.emulator.faults.add(Fault.delay(0.0, operation="list"), Fault.delay(9, operation="list"))
    async for _ in bench.client.list(bench.org, limit=1):
        await until(lambda: bench.client._shared.limit.active)
        break
    gc.collect()
    await until(lambda: not bench.client._shared.limit.active)
    bench.emulator.faults.clear()
    await bench.assert_nothing_left(tasks)


async def test_cancelling_the_consumer_cancels_what_is_fetched_ahead(bench: Bench) -> None:
    tasks = set(asyncio.all_tasks())

    async def consume() -> None:
        async for _ in bench.client.list(bench.org, limit=1, prefetch=3):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await consume()
    gc.collect()
    await until(lambda: not bench.client._shared.limit.active)
    await bench.assert_nothing_left(tasks)


async def test_a_cancellation_that_meets_the_attempt_timeout_is_not_swallowed(bench: Bench) -> None:
    """Both at the same moment: the caller's wins."""
    bench.emulator.faults.add(Fault.delay(9, operation="get"))
    key_id = bench.emulator.keys(bench.org)[0].id
    loop = asyncio.get_running_loop()
    when = loop.time() + 0.05
    task = asyncio.create_task(bench.client.with_options(deadline=0.05).get(bench.org, key_id))
    loop.call_at(when, task.cancel)
    await asyncio.wait({task})
    assert task.cancelled() or isinstance(task.exception(), TimeoutError)
    tasks = set(asyncio.all_tasks())
    await bench.assert_nothing_left(tasks)


async def test_a_timeout_of_ours_leaves_no_cancellation_behind(bench: Bench) -> None:
    bench.emulator.faults.add(Fault.delay(9, operation="get"))
    key_id = bench.emulator.keys(bench.org)[0].id
    with pytest.raises(TimeoutError):
        await bench.client.with_options(deadline=0.05).get(bench.org, key_id)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)
