from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from accesskeys_async._listing.listing import Listing
from accesskeys_async._listing.pages import MAX_EMPTY_PAGES, FetchPage, Reading, Steps
from accesskeys_async._listing.scan import Scan
from accesskeys_async.errors import APIConnectionError, PaginationError
from accesskeys_async.records import AccessKeyPage
from tests.unit._listing.scripted_pages import Service, make_key


async def step(steps: Steps) -> AccessKeyPage:
    """Take a page whose keys are all new."""
    page = await steps.take()
    steps.note(page, fresh=len(page))
    return page


async def test_steps_follow_the_page_tokens_to_the_last_page() -> None:
    steps = Steps(Service([1], [2], [3]))
    taken = []
    while not steps.is_over:
        taken += [key.id.int for key in await step(steps)]
    assert taken == [1, 2, 3]
    assert steps.token is None


async def test_steps_begin_at_a_page_token() -> None:
    steps = Steps(Service([1], [2]), "p1")
    assert [key.id.int for key in await step(steps)] == [2]
    assert steps.is_over


async def test_a_page_that_failed_is_the_next_again_and_its_error_says_where() -> None:
    steps = Steps(Service([1], [2], failures={"p1": APIConnectionError("lost", sent=None)}))
    await step(steps)
    with pytest.raises(APIConnectionError) as caught:
        await step(steps)
    assert caught.value.cursor == "p1"
    assert [key.id.int for key in await step(steps)] == [2]


async def test_a_page_that_was_cancelled_is_the_next_again() -> None:
    service = Service([1], [2])
    steps = Steps(service)
    service.gate.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await step(steps)
    service.gate.set()
    assert [key.id.int for key in await step(steps)] == [1]


async def test_a_token_that_comes_again_is_raised_after_the_page_that_brought_it() -> None:
    async def fetch(token: str | None) -> AccessKeyPage:
        return AccessKeyPage((), "again")

    steps = Steps(fetch)
    await step(steps)
    await step(steps)
    for _ in range(2):
        with pytest.raises(PaginationError, match="circles") as caught:
            await step(steps)
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


READINGS: dict[str, Callable[[FetchPage], Reading]] = {
    "listing": Listing,
    "listing with nothing ahead": lambda fetch: Listing(fetch, prefetch=0),
    "scan": lambda fetch: Scan(fetch, Endless()),
    "scan, and the other way, too": lambda fetch: Scan(fetch, Endless(1, 2, 3)),
    "scan whose other way is the same": lambda fetch: Scan(fetch, fetch),
}


@pytest.mark.parametrize("kind", READINGS)
@pytest.mark.parametrize("every", [1, 2])
async def test_pages_of_keys_that_came_before_are_as_good_as_empty(kind: str, every: int) -> None:
    service = Endless(1, 2, 3, every=every)
    reading = READINGS[kind](service)
    with pytest.raises(PaginationError, match="no new key in 1,000 pages in a row"):
        await reading.collect()
    assert service.fetched <= 2 * MAX_EMPTY_PAGES + 4


async def test_the_error_of_a_listing_that_brings_nothing_new_says_where_to_go_on() -> None:
    service = Endless(1, 2, 3)
    with pytest.raises(PaginationError) as caught:
        await Listing(service, prefetch=0).collect()
    assert caught.value.cursor == f"{id(service)} {service.fetched}"


@pytest.mark.parametrize("kind", ["listing", "scan"])
async def test_pages_with_repeated_keys_now_and_then_are_no_end(kind: str) -> None:
    async def fetch(token: str | None) -> AccessKeyPage:  # every second page repeats the one before
        number = int(token or "0")
        following = str(number + 1) if number < 3 * MAX_EMPTY_PAGES else None
        return AccessKeyPage((make_key(number // 2),), following)

    async def fetch_nothing(_: str | None) -> AccessKeyPage:
        return AccessKeyPage(())

    reading = Listing(fetch) if kind == "listing" else Scan(fetch, fetch_nothing)
    keys = await reading.collect()
    assert [key.id.int for key in keys] == list(range(3 * MAX_EMPTY_PAGES // 2 + 1))


async def test_a_scan_whose_ends_do_not_mirror_reads_on_through_what_the_other_brought() -> None:
    """Forward repeats, in an order of its own, far more pages than may bring nothing new."""
    numbers = list(range(2 * MAX_EMPTY_PAGES))

    def pages_of(order: list[int]) -> FetchPage:
        async def fetch(token: str | None) -> AccessKeyPage:
            index = int(token or "0")
            following = str(index + 1) if index + 1 < len(order) else None
            return AccessKeyPage((make_key(order[index]),), following)

        return fetch

    backward = [*reversed(numbers[1::2]), *numbers[::2]]
    scan = Scan(pages_of(numbers), pages_of(backward))
    assert sorted(key.id.int for key in await scan.collect()) == numbers
    assert scan.mirrored is False


async def test_a_key_now_and_then_begins_the_count_anew() -> None:
    service = Endless(1, every=MAX_EMPTY_PAGES)
    steps = Steps(service)
    for _ in range(3 * MAX_EMPTY_PAGES):
        await step(steps)
