from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from accesskeys_async._workers import Emit, Items, Outcome, WorkerPool, call_each
from accesskeys_async.errors import InvalidRequestError
from tests.unit._listing.scripted_pages import settle


class Doubling:
    """Work that doubles numbers once the gate is open, and counts what is in flight."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun: list[int] = []
        self.in_flight = 0
        self.most = 0

    async def __call__(self, number: int, emit: Emit[int]) -> None:
        self.begun.append(number)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            await emit(2 * number)
        finally:
            self.in_flight -= 1


async def drain(items: Items[int], doubling: Doubling, *, workers: int = 4) -> list[int]:
    return [result async for result in WorkerPool(items, doubling, workers=workers).results()]


def worker_tasks() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("accesskeys worker")]


async def count(stop: int) -> AsyncGenerator[int, None]:
    for number in range(stop):
        await asyncio.sleep(0)
        yield number


@pytest.mark.parametrize("workers", [1, 3, 64])
async def test_each_item_is_worked_on_once_by_at_most_the_given_number_of_workers(workers: int) -> None:
    doubling = Doubling()
    results = await drain(range(100), doubling, workers=workers)
    assert sorted(results) == list(range(0, 200, 2))
    assert workers // 2 < doubling.most <= workers
    assert not worker_tasks()


async def test_an_async_generator_of_items_runs_once_at_a_time() -> None:
    assert sorted(await drain(count(50), Doubling())) == list(range(0, 100, 2))


async def test_no_items_make_no_products() -> None:
    assert await drain([], Doubling()) == []
    assert await drain(count(0), Doubling()) == []


async def test_at_most_one_worker_more_than_items_is_started() -> None:
    doubling = Doubling()
    doubling.gate.clear()
    draining = asyncio.create_task(drain([1, 2], doubling, workers=64))
    await settle()
    assert len(worker_tasks()) <= 3  # the two, and the one that finds no third item
    doubling.gate.set()
    assert sorted(await draining) == [2, 4]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_items_are_asked_for_only_as_the_products_are_taken(asynchronous: bool) -> None:
    doubling = Doubling()
    endless = count(10**9) if asynchronous else iter(range(10**9))
    async with aclosing(WorkerPool(endless, doubling, workers=4).results()) as results:
        for taken in range(1, 50):
            await anext(results)
            for _ in range(5):
                await settle()
            assert len(doubling.begun) <= taken + 2 * 4


async def test_a_worker_may_hand_on_many_products_and_none() -> None:
    async def work(number: int, emit: Emit[str]) -> None:
        for letter in "abc"[:number]:
            await emit(f"{number}{letter}")

    results = [one async for one in WorkerPool([0, 1, 3], work, workers=2).results()]
    assert sorted(results) == ["1a", "3a", "3b", "3c"]


async def test_workers_that_wait_for_a_result_slot_get_it_in_turn() -> None:
    async def work(number: int, emit: Emit[int]) -> None:
        for _ in range(10):
            await emit(number)

    results = [one async for one in WorkerPool(range(3), work, workers=3).results()]
    for taken in range(7, 25):  # after the first worker, which finds every slot free
        counts = [results[6:taken].count(number) for number in range(3)]
        assert max(counts) - min(counts) <= 3, counts


async def test_leaving_cancels_the_work_and_waits_for_its_end() -> None:
    doubling = Doubling()
    async with aclosing(WorkerPool(range(100), doubling, workers=4).results()) as results:
        await anext(results)
        doubling.gate.clear()
        await settle()
        assert doubling.in_flight == 4
    assert doubling.in_flight == 0
    assert not worker_tasks()


async def test_cancelling_whoever_takes_the_products_cancels_the_work() -> None:
    doubling = Doubling()
    doubling.gate.clear()
    draining = asyncio.create_task(drain(range(100), doubling))
    await settle()
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    assert doubling.in_flight == 0
    assert not worker_tasks()


async def test_workers_cancelled_from_outside_do_not_leave_the_caller_hanging() -> None:
    doubling = Doubling()
    doubling.gate.clear()
    draining = asyncio.create_task(drain(range(100), doubling))
    await settle()
    for task in worker_tasks():
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining


def failing_items() -> Iterator[int]:
    yield from (1, 2)
    raise LookupError("the third can't be read")


async def failing_later() -> AsyncIterator[int]:
    for item in failing_items():
        yield item


@pytest.mark.parametrize("items", [failing_items, failing_later])
async def test_an_exception_of_the_items_is_raised_unchanged_after_the_results_of_begun_work(
    items: type[Iterator[int]],
) -> None:
    found: list[int] = []

    async def take() -> None:
        async for result in WorkerPool[int, int](items(), Doubling(), workers=4).results():
            found.append(result)

    with pytest.raises(LookupError, match="the third can't be read"):
        await take()
    assert sorted(found) == [2, 4]
    assert not worker_tasks()


@pytest.mark.parametrize("error", [ZeroDivisionError("bug"), asyncio.CancelledError("somebody else's")])
async def test_an_exception_of_the_work_is_raised_and_stops_the_taking_of_items(
    error: BaseException,
) -> None:
    begun: list[int] = []

    async def work(number: int, emit: Emit[int]) -> None:
        begun.append(number)
        await asyncio.sleep(0)
        if number == 3:
            raise error
        await emit(number)

    found: list[int] = []

    async def take() -> None:
        async for result in WorkerPool(range(1000), work, workers=4).results():
            found.append(result)

    with pytest.raises(type(error), match=str(error)):
        await take()
    assert len(begun) < 20
    assert sorted([*found, 3]) == sorted(begun)


async def test_items_that_are_not_iterable_are_refused() -> None:
    with pytest.raises(TypeError):
        WorkerPool(5, Doubling(), workers=1)  # type: ignore[arg-type]  # that is the test


async def test_a_worker_cancelled_from_outside_does_not_count_as_done() -> None:
    doubling = Doubling()
    doubling.gate.clear()
    draining = asyncio.create_task(drain(range(8), doubling))
    await settle()
    worker_tasks()[0].cancel()
    await settle()
    doubling.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await draining


@pytest.mark.slow
async def test_items_are_begun_in_their_order() -> None:
    doubling = Doubling()
    await drain(range(500), doubling, workers=500)
    assert doubling.begun == list(range(500))


REFUSED = InvalidRequestError("number", "is odd; it takes even ones")


async def halve(number: int) -> int:
    await asyncio.sleep(0)
    if number % 2:
        raise REFUSED
    return number // 2


async def test_each_item_has_an_outcome_with_its_result_or_its_error() -> None:
    outcomes = [outcome async for outcome in call_each(range(6), halve, workers=2)]
    assert {outcome.item: (outcome.result, outcome.error) for outcome in outcomes} == {
        0: (0, None),
        1: (None, REFUSED),
        2: (1, None),
        3: (None, REFUSED),
        4: (2, None),
        5: (None, REFUSED),
    }


async def test_an_exception_of_another_library_is_raised() -> None:
    async def divide(number: int) -> float:
        return 1 / number

    with pytest.raises(ZeroDivisionError):
        _ = [outcome async for outcome in call_each([0], divide, workers=1)]


def test_an_outcome_unwraps_to_its_result_or_raises_its_error() -> None:
    assert Outcome("item", 5).unwrap() == 5
    nothing: Outcome[str, None] = Outcome("item")
    assert nothing.unwrap() is None
    failed: Outcome[str, int] = Outcome("item", error=REFUSED)
    with pytest.raises(InvalidRequestError, match="is odd"):
        failed.unwrap()


def test_an_outcome_can_be_pickled() -> None:
    outcome: Outcome[str, int] = Outcome("item", error=REFUSED)
    assert str(pickle.loads(pickle.dumps(outcome)).error) == str(REFUSED)
