from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from accesskeys_async._workers import Crew, HandOn, Items
from tests.unit._listing.scripted_pages import settle


class Shift:
    """Work that doubles numbers once the gate is open, and notes what is under way."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun: list[int] = []
        self.under_way = 0
        self.most = 0

    async def __call__(self, number: int, hand_on: HandOn[int]) -> None:
        self.begun.append(number)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            await hand_on(2 * number)
        finally:
            self.under_way -= 1


async def drain(items: Items[int], shift: Shift, *, workers: int = 4) -> list[int]:
    return [product async for product in Crew(items, shift, workers=workers).products()]


def crew_tasks() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("accesskeys fan-out")]


async def count(stop: int) -> AsyncGenerator[int, None]:
    for number in range(stop):
        await asyncio.sleep(0)
        yield number


@pytest.mark.parametrize("workers", [1, 3, 64])
async def test_every_item_is_worked_on_once_and_never_more_than_so_many_at_a_time(workers: int) -> None:
    shift = Shift()
    products = await drain(range(100), shift, workers=workers)
    assert sorted(products) == list(range(0, 200, 2))
    assert workers // 2 < shift.most <= workers
    assert not crew_tasks()


async def test_items_may_come_from_an_async_generator_that_is_asked_by_one_at_a_time() -> None:
    assert sorted(await drain(count(50), Shift())) == list(range(0, 100, 2))


async def test_no_items_make_no_products() -> None:
    assert await drain([], Shift()) == []
    assert await drain(count(0), Shift()) == []


async def test_no_more_workers_are_hired_than_there_are_items() -> None:
    shift = Shift()
    shift.gate.clear()
    draining = asyncio.create_task(drain([1, 2], shift, workers=64))
    await settle()
    assert len(crew_tasks()) <= 3  # the two, and the one who leads them
    shift.gate.set()
    assert sorted(await draining) == [2, 4]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_items_are_asked_for_only_as_the_products_are_taken(asynchronous: bool) -> None:
    shift = Shift()
    endless = count(10**9) if asynchronous else iter(range(10**9))
    async with aclosing(Crew(endless, shift, workers=4).products()) as products:
        for taken in range(1, 50):
            await anext(products)
            for _ in range(5):
                await settle()
            assert len(shift.begun) <= taken + 2 * 4


async def test_a_worker_may_hand_on_many_products_and_none() -> None:
    async def work(number: int, hand_on: HandOn[str]) -> None:
        for letter in "abc"[:number]:
            await hand_on(f"{number}{letter}")

    products = [one async for one in Crew([0, 1, 3], work, workers=2).products()]
    assert sorted(products) == ["1a", "3a", "3b", "3c"]


async def test_those_who_wait_for_room_get_it_in_turn() -> None:
    async def work(number: int, hand_on: HandOn[int]) -> None:
        for _ in range(10):
            await hand_on(number)

    products = [one async for one in Crew(range(3), work, workers=3).products()]
    for taken in range(7, 25):  # after the first, who finds the room empty
        counts = [products[6:taken].count(number) for number in range(3)]
        assert max(counts) - min(counts) <= 3, counts


async def test_leaving_cancels_the_work_and_waits_for_its_end() -> None:
    shift = Shift()
    async with aclosing(Crew(range(100), shift, workers=4).products()) as products:
        await anext(products)
        shift.gate.clear()
        await settle()
        assert shift.under_way == 4
    assert shift.under_way == 0
    assert not crew_tasks()


async def test_cancelling_whoever_takes_the_products_cancels_the_work() -> None:
    shift = Shift()
    shift.gate.clear()
    draining = asyncio.create_task(drain(range(100), shift))
    await settle()
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    assert shift.under_way == 0
    assert not crew_tasks()


async def test_work_that_is_cancelled_from_outside_does_not_leave_the_caller_hanging() -> None:
    shift = Shift()
    shift.gate.clear()
    draining = asyncio.create_task(drain(range(100), shift))
    await settle()
    for task in crew_tasks():
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
async def test_an_exception_of_the_items_is_raised_as_itself_once_what_was_begun_is_handed_on(
    items: type[Iterator[int]],
) -> None:
    found: list[int] = []

    async def take() -> None:
        async for product in Crew[int, int](items(), Shift(), workers=4).products():
            found.append(product)

    with pytest.raises(LookupError, match="the third can't be read"):
        await take()
    assert sorted(found) == [2, 4]
    assert not crew_tasks()


@pytest.mark.parametrize("error", [ZeroDivisionError("bug"), asyncio.CancelledError("somebody else's")])
async def test_an_exception_that_the_work_lets_out_is_raised_and_ends_the_asking(
    error: BaseException,
) -> None:
    begun: list[int] = []

    async def work(number: int, hand_on: HandOn[int]) -> None:
        begun.append(number)
        await asyncio.sleep(0)
        if number == 3:
            raise error
        await hand_on(number)

    found: list[int] = []

    async def take() -> None:
        async for product in Crew(range(1000), work, workers=4).products():
            found.append(product)

    with pytest.raises(type(error), match=str(error)):
        await take()
    assert len(begun) < 20
    assert sorted([*found, 3]) == sorted(begun)


async def test_what_is_no_iterable_is_refused() -> None:
    with pytest.raises(TypeError):
        Crew(5, Shift(), workers=1)  # type: ignore[arg-type]  # that is the test


async def test_one_worker_that_is_cancelled_from_outside_is_not_taken_for_one_that_is_done() -> None:
    shift = Shift()
    shift.gate.clear()
    draining = asyncio.create_task(drain(range(8), shift))
    await settle()
    crew_tasks()[0].cancel()
    await settle()
    shift.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await draining


async def test_items_are_begun_in_their_order() -> None:
    shift = Shift()
    await drain(range(500), shift, workers=500)
    assert shift.begun == list(range(500))
