from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import pytest

from accesskeys_async._listing.pages import FetchPage
from accesskeys_async._listing.scan import Scan
from accesskeys_async.errors import APIConnectionError, PaginationError
from accesskeys_async.records import AccessKeyPage
from tests.unit._listing.scripted_pages import Gated, Service, make_key, read, settle, work


def split(ids: list[int], size: int) -> Iterator[list[int]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


class Ends:
    """The two directions of one organization with `count` keys, `size` a page."""

    def __init__(self, count: int, size: int) -> None:
        self.ids = list(range(1, count + 1))
        self.forward = Service(*split(self.ids, size))
        self.backward = Service(*split(self.ids[::-1], size))

    def scan(self, *, start_backward_after: int = 1) -> Scan:
        return Scan(self.forward, self.backward, start_backward_after=start_backward_after)

    @property
    def asked(self) -> tuple[int, int]:
        return len(self.forward.asked), len(self.backward.asked)


def scan_tasks() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("accesskeys scan")]


async def test_both_ends_are_read_until_they_meet() -> None:
    ends = Ends(5000, 100)
    scan = ends.scan()
    assert sorted(await read(aiter(scan))) == ends.ids
    assert (scan.complete, scan.mirrored, scan.error) == (True, True, None)
    # 50 that bring keys, one that shows that the ends have met, and what was under way then: one of the other
    # side, and of a side whose page was glanced at, the next.
    assert sum(ends.asked) <= 54
    assert max(ends.asked) <= 28
    assert 0 < scan.duplicates <= 100 * sum(ends.asked) - 5000
    assert not scan_tasks()


async def test_an_organization_of_one_page_costs_one_request() -> None:
    ends = Ends(100, 100)
    scan = ends.scan()
    assert await read(scan.keys()) == ends.ids
    assert ends.asked == (1, 0)
    assert (scan.complete, scan.mirrored) == (True, None)


@pytest.mark.parametrize("size", [100, 50, 34])
async def test_an_organization_of_few_pages_needs_no_task(size: int) -> None:
    ends = Ends(100, size)
    async with aclosing(ends.scan(start_backward_after=4).pages()) as pages:
        taken = 0
        async for _ in pages:
            taken += 1
            await settle()
            # The third page is fetched while the second is with the caller.
            assert len(scan_tasks()) == (taken == 2 and size == 34)
    assert ends.asked == (taken, 0)


async def test_an_organization_without_keys_is_complete_at_once() -> None:
    scan = Scan(Service([]), Service([]))
    assert await scan.collect() == []
    assert scan.complete


@pytest.mark.parametrize("start_backward_after", [1, 2, 4])
async def test_the_backward_direction_starts_after_the_given_pages(start_backward_after: int) -> None:
    ends = Ends(1000, 100)
    async with aclosing(ends.scan(start_backward_after=start_backward_after).pages()) as pages:
        for taken in range(1, start_backward_after):
            await anext(pages)
            assert ends.asked[1] == 0, taken
        await anext(pages)
        await settle()
        assert ends.asked[1] > 0


async def test_each_direction_has_one_request_under_way() -> None:
    ends = Ends(1000, 10)
    async with aclosing(ends.scan().pages()) as pages:
        async for _ in pages:
            assert ends.forward.under_way <= 1
            assert ends.backward.under_way <= 1


async def test_few_pages_wait_for_a_slow_caller() -> None:
    ends = Ends(10_000, 10)
    async with aclosing(ends.scan().pages()) as pages:
        for taken in range(1, 20):
            await anext(pages)
            await settle()
            assert sum(ends.asked) <= taken + 2


async def test_reverse_that_is_ignored_is_read_one_way_and_each_key_comes_once() -> None:
    ids = list(range(1, 1001))
    forward, backward = Service(*split(ids, 100)), Service(*split(ids, 100))
    scan = Scan(forward, backward)
    assert await read(scan.keys()) == ids
    assert scan.mirrored is False
    assert len(forward.asked) == 10
    assert len(backward.asked) <= 2


async def test_the_reverse_of_a_part_is_not_taken_for_the_whole() -> None:
    ids = list(range(1, 1001))
    scan = Scan(Service(*split(ids, 100)), Service(ids[:-51:-1]))
    assert sorted(await read(scan.keys())) == ids
    assert scan.complete


async def test_collect_takes_no_more_than_it_was_asked_for() -> None:
    ends = Ends(1000, 10)
    assert len(await ends.scan().collect(max_items=15)) == 15
    assert await ends.scan().collect(max_items=0) == []
    assert sum(ends.asked) < 20


async def test_every_pass_begins_anew() -> None:
    ends = Ends(300, 10)
    scan = ends.scan()
    for _ in range(2):
        assert sorted(await read(scan.keys())) == ends.ids


@pytest.mark.parametrize("failing", ["forward", "backward"])
async def test_an_error_of_either_end_reaches_the_caller_and_stops_the_other(failing: str) -> None:
    ends = Ends(1000, 10)
    error = APIConnectionError("lost", sent=None)
    getattr(ends, failing).failures["p5"] = error
    scan = ends.scan()
    found: list[int] = []
    with pytest.raises(APIConnectionError, match="lost"):
        await work(scan.pages(), found)
    assert len(set(found)) == len(found) >= 50
    assert scan.error is error
    assert error.cursor is None
    assert not scan.complete
    await settle()
    assert not scan_tasks()


async def test_another_exception_reaches_the_caller_as_it_is() -> None:
    ends = Ends(1000, 10)
    ends.backward.failures["p1"] = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await ends.scan().collect()


async def test_a_circle_in_one_direction_is_an_error() -> None:
    async def circle(token: str | None) -> AccessKeyPage:
        return AccessKeyPage((make_key(10_000),), "again")

    with pytest.raises(PaginationError):
        await Scan(Ends(1000, 10).forward, circle).collect()


async def test_a_request_that_is_not_needed_any_more_does_not_hold_the_end_up() -> None:
    ends = Ends(200, 100)
    ends.backward.gate.clear()
    async with asyncio.timeout(5):
        assert await read(ends.scan().keys()) == ends.ids
    assert ends.backward.under_way == 0


async def test_leaving_early_cancels_both_ends() -> None:
    ends = Ends(1000, 10)
    ends.backward.gate.clear()
    async with aclosing(Scan(Gated(ends.forward), ends.backward).keys()) as keys:
        await anext(keys)
        await settle()
        assert ends.backward.under_way == 1
    assert ends.backward.under_way == 0
    assert not scan_tasks()


async def test_cancelling_whoever_reads_cancels_both_ends() -> None:
    ends = Ends(1000, 10)
    ends.backward.gate.clear()
    reading = asyncio.create_task(Scan(Gated(ends.forward), ends.backward).collect())
    await settle()
    assert ends.forward.under_way == ends.backward.under_way == 1
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert ends.forward.under_way == ends.backward.under_way == 0
    assert not scan_tasks()


async def test_a_scan_whose_tasks_are_cancelled_from_outside_does_not_hang() -> None:
    ends = Ends(1000, 10)
    ends.forward.gate.clear()
    reading = asyncio.create_task(ends.scan().collect())
    await settle()
    for task in scan_tasks():
        task.cancel()
    with pytest.raises(asyncio.CancelledError, match="from outside"):
        await reading


async def test_what_was_fetched_at_the_start_is_not_fetched_again() -> None:
    ends = Ends(1000, 100)
    scan = ends.scan()
    await scan.start(pages=2)
    assert ends.asked == (2, 0)
    assert not scan_tasks()
    assert sorted(await read(scan.keys())) == ends.ids
    assert sum(ends.asked) <= 13


async def test_a_failure_at_the_start_is_told_and_raised_when_it_is_read() -> None:
    error = APIConnectionError("lost", sent=None)
    scan = Scan(Service([1], failures={None: error}), Service([1]))
    await scan.start()
    assert scan.error is error
    with pytest.raises(APIConnectionError, match="lost"):
        await scan.collect()


async def test_a_pass_that_begins_during_the_start_asks_nothing_twice() -> None:
    ends = Ends(15, 10)
    ends.forward.gate.clear()
    scan = ends.scan(start_backward_after=4)
    start = asyncio.create_task(scan.start(pages=2))
    await settle()
    reading = asyncio.create_task(read(scan.keys()))
    await settle()
    ends.forward.gate.set()
    assert await reading == ends.ids
    await start
    assert ends.forward.asked == [None, "p1"]


def make_large(number: int) -> int:
    """An id as large as a random UUID's, and made as those are: a sum would take a few bytes more."""
    return int.from_bytes((0xFE << 120 | number).to_bytes(16))


async def take(pages: AsyncGenerator[AccessKeyPage, None], keys: int) -> None:
    while keys > 0:
        keys -= len(await anext(pages))


# Just after a set has grown is when it has the most room to spare: 39,322 is 3/5 of 2**16.
@pytest.mark.slow
@pytest.mark.parametrize("count", [39_400, 60_000, 78_800])
async def test_a_key_that_was_passed_on_is_remembered_in_at_most_100_bytes(count: int) -> None:
    def serve(start: int, step: int) -> FetchPage:
        async def fetch(token: str | None) -> AccessKeyPage:
            at = start + int(token or 0) * 100 * step
            keys = tuple(make_key(make_large(number)) for number in range(at, at + 100 * step, step))
            return AccessKeyPage(keys, str(int(token or 0) + 1))

        return fetch

    scan = Scan(serve(0, 1), serve(10**9, -1))
    async with aclosing(scan.pages()) as pages:
        tracemalloc.start()
        try:
            # The pages that wait for the caller are not counted: they are there from the beginning.
            await take(pages, 800)
            before, _ = tracemalloc.get_traced_memory()
            await take(pages, count - 800)
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (after - before) / (count - 800) <= 100
