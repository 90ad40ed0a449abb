"""A listing that is started before it is read."""

from __future__ import annotations

import asyncio

import pytest

from accesskeys_async._listing.listing import Listing
from accesskeys_async.errors import APIConnectionError
from tests.unit._listing.scripted_pages import Service, hundred_pages, prefetch_tasks, read, settle, work


@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_what_was_fetched_at_the_start_is_not_fetched_again(prefetch: int) -> None:
    service = hundred_pages()
    listing = Listing(service, prefetch=prefetch)
    await listing.start(pages=3)
    assert service.asked == [None, "p1", "p2"]
    assert not prefetch_tasks()
    assert await read(listing.keys()) == list(range(200))
    assert len(service.asked) == 100


async def test_starting_goes_on_to_as_many_pages_as_are_asked_for_in_all() -> None:
    service = hundred_pages()
    listing = Listing(service)
    await listing.start()
    await listing.start()
    assert len(service.asked) == 1
    await listing.start(pages=2)
    assert len(service.asked) == 2


async def test_starting_ends_with_the_last_page() -> None:
    service = Service([1], [2])
    listing = Listing(service)
    await listing.start(pages=10)
    assert service.asked == [None, "p1"]
    assert await read(listing.keys()) == [1, 2]


@pytest.mark.parametrize("failing", [None, "p1"])
async def test_a_failure_at_the_start_is_told_and_raised_after_the_pages_before_it(
    failing: str | None,
) -> None:
    error = APIConnectionError("lost", sent=None)
    listing = Listing(Service([1], [2], failures={failing: error}))
    await listing.start(pages=2)
    assert listing.error is error
    found: list[int] = []
    with pytest.raises(APIConnectionError, match="lost"):
        await work(listing.pages(), found)
    assert found == ([1] if failing else [])
    assert listing.error is error


async def test_a_second_pass_begins_anew_after_a_failure_at_the_start() -> None:
    listing = Listing(Service([1], [2], failures={None: APIConnectionError("lost", sent=None)}))
    await listing.start()
    with pytest.raises(APIConnectionError):
        await listing.collect()
    assert await read(listing.keys()) == [1, 2]
    assert listing.error is None


async def test_a_pass_that_begins_during_the_start_waits_for_it_and_asks_nothing_twice() -> None:
    service = Service([1], [2], [3])
    listing = Listing(service, prefetch=1)
    service.gate.clear()
    start = asyncio.create_task(listing.start(pages=2))
    await settle()
    reading = asyncio.create_task(read(listing.keys()))
    await settle()
    assert service.asked == [None]
    service.gate.set()
    assert await reading == [1, 2, 3]
    await start
    assert service.asked == [None, "p1", "p2"]


async def test_a_pass_goes_on_by_itself_where_the_start_is_cancelled() -> None:
    service = Service([1], [2])
    listing = Listing(service, prefetch=1)
    service.gate.clear()
    start = asyncio.create_task(listing.start(pages=2))
    await settle()
    reading = asyncio.create_task(read(listing.keys()))
    await settle()
    start.cancel()
    await settle()
    service.gate.set()
    assert await reading == [1, 2]


async def test_starting_after_a_pass_does_nothing() -> None:
    service = Service([1], [2])
    listing = Listing(service)
    await listing.collect()
    await listing.start(pages=2)
    assert len(service.asked) == 2
