from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from accesskeys_async._listing.listing import Listing
from accesskeys_async._listing.pages import MAX_EMPTY_PAGES, FetchPage, KeyStream, Pager
from accesskeys_async._listing.scan import Scan
from accesskeys_async.errors import APIConnectionError, PaginationError
from accesskeys_async.records import AccessKeyPage
from tests.unit._listing.scripted_pages import Service, make_key


async def step(pager: Pager) -> AccessKeyPage:
    """Fetch and decode a page whose keys are all new."""
    await pager.fetch()
    page = pager.decode()
    assert page is not None
    pager.cursor.advance(page, new_keys=len(page))
    return page


async def test_a_pager_follows_the_page_tokens_to_the_last_page() -> None:
    pager = Pager(Service([1], [2], [3]))
    taken = []
    while not pager.cursor.is_over:
        taken += [key.id.int for key in await step(pager)]
    assert taken == [1, 2, 3]
    assert pager.cursor.next_page_token is None


async def test_a_pager_starts_at_a_page_token() -> None:
    pager = Pager(Service([1], [2]), "p1")
    assert [key.id.int for key in await step(pager)] == [2]
    assert pager.cursor.is_over


async def test_a_page_that_failed_is_fetched_again_and_its_error_has_its_page_token() -> None:
    pager = Pager(Service([1], [2], failures={"p1": APIConnectionError("lost", sent=None)}))
    await step(pager)
    with pytest.raises(APIConnectionError) as caught:
        await step(pager)
    assert caught.value.cursor == "p1"
    assert [key.id.int for key in await step(pager)] == [2]


async def test_a_page_whose_fetch_was_cancelled_is_fetched_again() -> None:
    service = Service([1], [2])
    pager = Pager(service)
    service.gate.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await step(pager)
    service.gate.set()
    assert [key.id.int for key in await step(pager)] == [1]


async def test_a_repeated_page_token_is_raised_after_the_page_that_has_it() -> None:
    async def fetch(token: str | None) -> AccessKeyPage:
        return AccessKeyPage((), "again")

    pager = Pager(fetch)
    await step(pager)
    await step(pager)
    for _ in range(2):
        with pytest.raises(PaginationError, match="circles") as caught:
            await step(pager)
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
    stream = {
        "listing": lambda: Listing(service),
        "listing with nothing ahead": lambda: Listing(service, prefetch=0),
        "scan": lambda: Scan(service, Endless()),
    }[kind]()
    with pytest.raises(PaginationError, match="no new key in 1,000 pages in a row"):
        await stream.collect()
    assert MAX_EMPTY_PAGES == 1000
    assert service.fetched <= MAX_EMPTY_PAGES + 2


STREAMS: dict[str, Callable[[FetchPage], KeyStream]] = {
    "listing": Listing,
    "listing with nothing ahead": lambda fetch: Listing(fetch, prefetch=0),
    "scan": lambda fetch: Scan(fetch, Endless()),
    "scan, and the other way, too": lambda fetch: Scan(fetch, Endless(1, 2, 3)),
    "scan whose other way is the same": lambda fetch: Scan(fetch, fetch),
}


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("every", [1, 2])
async def test_pages_of_keys_that_came_before_are_as_good_as_empty(kind: str, every: int) -> None:
    service = Endless(1, 2, 3, every=every)
    stream = STREAMS[kind](service)
    with pytest.raises(PaginationError, match="no new key in 1,000 pages in a row"):
        await stream.collect()
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

    stream = Listing(fetch) if kind == "listing" else Scan(fetch, fetch_nothing)
    keys = await stream.collect()
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


async def test_a_new_key_resets_the_count_of_empty_pages() -> None:
    service = Endless(1, every=MAX_EMPTY_PAGES)
    pager = Pager(service)
    for _ in range(3 * MAX_EMPTY_PAGES):
        await step(pager)
    assert service.fetched == 3 * MAX_EMPTY_PAGES
