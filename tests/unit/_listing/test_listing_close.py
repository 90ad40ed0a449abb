from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from accesskeys_async._listing.listing import Listing
from tests.unit._listing.scripted_pages import (
    Gated,
    hundred_pages,
    prefetch_tasks,
    read,
    settle,
    work,
)


async def leave_by_break(listing: Listing) -> None:
    async with aclosing(listing.keys()) as keys:
        async for _ in keys:
            await settle()
            break


async def leave_by_exception(listing: Listing) -> None:
    async def fail() -> None:
        await settle()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work(listing.pages(), [], fail)


async def leave_by_cancellation_at_work(listing: Listing) -> None:
    await cancel(asyncio.create_task(work(listing.pages(), [], asyncio.Event().wait)))


async def leave_by_cancellation_in_a_fetch(listing: Listing) -> None:
    await cancel(asyncio.create_task(work(listing.pages(), [])))


async def cancel(task: asyncio.Task[None]) -> None:
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


LEAVINGS = [
    leave_by_break,
    leave_by_exception,
    leave_by_cancellation_at_work,
    leave_by_cancellation_in_a_fetch,
]


@pytest.mark.parametrize("leave", LEAVINGS)
@pytest.mark.parametrize("prefetch", [0, 1, 5])
async def test_leaving_early_leaves_nothing_under_way(
    leave: Callable[[Listing], Awaitable[None]], prefetch: int
) -> None:
    service = hundred_pages()
    listing = Listing(Gated(service), prefetch=prefetch)
    await leave(listing)
    assert service.under_way == 0
    assert not prefetch_tasks()
    asked = len(service.asked)
    service.gate.set()
    await settle()
    assert len(service.asked) == asked
    assert not listing.complete


@pytest.mark.slow
async def test_a_listing_that_is_dropped_stops_fetching_ahead() -> None:
    service = hundred_pages()
    async for _ in Listing(Gated(service), prefetch=5):
        await settle()
        assert service.under_way == 1
        assert len(prefetch_tasks()) == 1
        break
    gc.collect()
    await settle()
    assert service.under_way == 0
    assert not prefetch_tasks()


async def test_a_consumer_cancelled_while_it_waits_for_a_page_ends_as_cancelled() -> None:
    service = hundred_pages()
    listing = Listing(Gated(service), prefetch=2)
    task = asyncio.create_task(read(listing.keys()))
    await settle()
    assert service.under_way == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert service.under_way == 0
    assert not prefetch_tasks()


async def test_a_prefetch_cancelled_from_outside_is_not_taken_for_the_end() -> None:
    service = hundred_pages()
    found: list[int] = []

    async def interfere() -> None:
        await settle()
        for task in prefetch_tasks():
            task.cancel()
        await settle()

    with pytest.raises(asyncio.CancelledError):
        await work(Listing(Gated(service), prefetch=1).pages(), found, interfere)
    assert found == [0, 1]
