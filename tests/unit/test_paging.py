from __future__ import annotations

import asyncio

import pytest

from accesskeys_async.errors import APIConnectionError, PaginationError
from accesskeys_async.listing import Listing
from accesskeys_async.paging import MAX_EMPTY_PAGES, Steps
from accesskeys_async.records import AccessKeyPage
from accesskeys_async.scanning import Scan
from tests.unit.scripted_pages import Service, make_key


async def test_steps_follow_the_page_tokens_to_the_last_page() -> None:
    steps = Steps(Service([1], [2], [3]))
    taken = []
    while not steps.is_over:
        taken += [key.id.int for key in await steps.take()]
    assert taken == [1, 2, 3]
    assert steps.token is None


async def test_steps_begin_at_a_page_token() -> None:
    steps = Steps(Service([1], [2]), "p1")
    assert [key.id.int for key in await steps.take()] == [2]
    assert steps.is_over


async def test_a_page_that_failed_is_the_next_again_and_its_error_says_where() -> None:
    steps = Steps(Service([1], [2], failures={"p1": APIConnectionError("lost", sent=None)}))
    await steps.take()
    with pytest.raises(APIConnectionError) as caught:
        await steps.take()
    assert caught.value.cursor == "p1"
    assert [key.id.int for key in await steps.take()] == [2]


async def test_a_page_that_was_cancelled_is_the_next_again() -> None:
    service = Service([1], [2])
    steps = Steps(service)
    service.gate.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await steps.take()
    service.gate.set()
    assert [key.id.int for key in await steps.take()] == [1]


async def test_a_token_that_comes_again_is_raised_after_the_page_that_brought_it() -> None:
    async def fetch(token: str | None) -> AccessKeyPage:
        return AccessKeyPage((), "again")

    steps = Steps(fetch)
    await steps.take()
    await steps.take()
    for _ in range(2):
        with pytest.raises(PaginationError, match="circles") as caught:
            await steps.take()
        assert caught.value.cursor == "again"


class Endless:
    """Pages with ever new page tokens, and the keys of `numbers` on one in so many of them."""

    def __init__(self, *numbers: int, every: int = 1) -> None:
        self.keys = tuple(make_key(number) for number in numbers)
        self.every = every
        self.fetched = 0

    async def __call__(self, token: str | None) -> AccessKeyPage:
        self.fetched += 1
        keys = self.keys if self.fetched % self.every == 0 else ()
        return AccessKeyPage(keys, f"{id(self)} {self.fetched}")


@pytest.mark.parametrize("kind", ["listing", "listing with nothing ahead", "scan"])
async def test_empty_pages_without_end_are_an_error(kind: str) -> None:
    service = Endless()
    reading = {
        "listing": lambda: Listing(service),
        "listing with nothing ahead": lambda: Listing(service, prefetch=0),
        "scan": lambda: Scan(service, Endless()),
    }[kind]()
    with pytest.raises(PaginationError, match="no new key in 1,000 pages in a row"):
        await reading.collect()
    assert MAX_EMPTY_PAGES == 1000
    assert service.fetched <= MAX_EMPTY_PAGES + 2


async def test_a_page_of_keys_that_came_before_is_as_good_as_empty() -> None:
    with pytest.raises(PaginationError, match="no new key in 1,000 pages in a row") as caught:
        await Listing(Endless(1, 2, 3)).collect()
    assert caught.value.cursor


async def test_a_key_now_and_then_begins_the_count_anew() -> None:
    service = Endless(1, every=MAX_EMPTY_PAGES)
    steps = Steps(service)
    for _ in range(3 * MAX_EMPTY_PAGES):
        await steps.take()
