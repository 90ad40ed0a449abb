from __future__ import annotations

from contextlib import aclosing

import pytest

from accesskeys_async._listing.listing import REMEMBERED_IDS, Listing
from accesskeys_async.errors import APIConnectionError, PaginationError
from accesskeys_async.records import AccessKeyPage
from tests.unit._listing.scripted_pages import (
    Service,
    hundred_pages,
    make_key,
    prefetch_tasks,
    read,
    settle,
    work,
)


@pytest.mark.parametrize("prefetch", [0, 1, 3, 1000])
async def test_every_key_comes_once_and_in_order(prefetch: int) -> None:
    service = hundred_pages()
    listing = Listing(service, prefetch=prefetch)
    assert await read(aiter(listing)) == list(range(200))
    assert service.asked == [Service.token(n) for n in range(100)]
    assert (listing.complete, listing.cursor, listing.duplicates) == (True, None, 0)
    assert not prefetch_tasks()


@pytest.mark.parametrize("prefetch", [0, 1, 2, 5])
async def test_no_more_pages_are_fetched_ahead_than_asked_for(prefetch: int) -> None:
    service = hundred_pages()
    async with aclosing(Listing(service, prefetch=prefetch).pages()) as pages:
        taken = 0
        async for _ in pages:
            taken += 1
            await settle()
            assert len(service.asked) == min(100, taken + prefetch)


async def test_pages_are_fetched_one_after_the_other() -> None:
    service = hundred_pages()
    async with aclosing(Listing(service, prefetch=5).keys()) as keys:
        await anext(keys)
        service.gate.clear()
        await settle()
        assert service.under_way <= 1
        service.gate.set()


async def test_nothing_is_fetched_before_the_listing_is_iterated() -> None:
    service = hundred_pages()
    listing = Listing(service, prefetch=5)
    generator = listing.keys()
    await settle()
    assert service.asked == []
    await generator.aclose()
    assert service.asked == []


async def test_a_listing_of_one_page_needs_no_task() -> None:
    service = Service([1, 2])
    listing = Listing(service, prefetch=5)
    async with aclosing(listing.keys()) as keys:
        async for _ in keys:
            assert not prefetch_tasks()
    assert service.asked == [None]


async def test_an_empty_page_with_a_token_goes_on() -> None:
    service = Service([], [1], [], [], [2], [])
    for prefetch in (0, 1):
        listing = Listing(service, prefetch=prefetch)
        assert await read(listing.keys()) == [1, 2]
    assert [len(page) async for page in Listing(service).pages()] == [0, 1, 0, 0, 1, 0]


async def test_an_organization_without_keys_has_none() -> None:
    listing = Listing(Service([]))
    assert await listing.collect() == []
    assert await listing.first() is None
    assert listing.complete


@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_a_key_that_comes_again_is_passed_on_once_and_counted(prefetch: int) -> None:
    listing = Listing(Service([1, 2, 2], [2, 3], [1, 4], [5]), prefetch=prefetch)
    pages = [[key.id.int for key in page] async for page in listing.pages()]
    assert pages == [[1, 2], [3], [4], [5]]
    assert listing.duplicates == 3
    assert await read(listing.keys()) == [1, 2, 3, 4, 5]
    assert listing.duplicates == 3


@pytest.mark.parametrize("size", [1, 7, 60, 100, 150])
@pytest.mark.parametrize("length", [400, 470])
async def test_ids_are_remembered_within_bounds(size: int, length: int) -> None:
    pages = [list(range(start, min(start + size, length))) for start in range(0, length, size)]
    latest, earliest = [length - REMEMBERED_IDS, length - 1], [0, 1]
    listing = Listing(Service(*pages, latest, earliest))
    assert await read(listing.keys()) == [*range(length), *earliest]
    assert listing.duplicates == len(latest)


async def test_the_ids_of_two_full_pages_are_remembered() -> None:
    pages = [list(range(start, start + 100)) for start in range(0, 500, 100)]
    listing = Listing(Service(*pages, [300, 499], [200, 500]))
    assert await read(listing.keys()) == [*range(500), 200, 500]
    assert listing.duplicates == 2


@pytest.mark.parametrize("prefetch", [0, 1, 5])
@pytest.mark.parametrize(
    ("circle", "cursor"),
    [
        ({None: "a", "a": "a"}, "a"),
        ({None: "a", "a": "b", "b": "a"}, "a"),
        ({None: "a", "a": "b", "b": "b"}, "b"),
    ],
)
async def test_a_page_token_that_comes_again_is_an_error_with_the_cursor(
    prefetch: int, circle: dict[str | None, str], cursor: str
) -> None:
    numbers = iter(range(1000))

    async def fetch(token: str | None) -> AccessKeyPage:
        return AccessKeyPage((make_key(next(numbers)),), circle[token])

    found: list[int] = []
    with pytest.raises(PaginationError, match="goes in circles") as caught:
        await work(Listing(fetch, prefetch=prefetch).pages(), found)
    assert len(found) == len(circle)
    assert caught.value.cursor == cursor
    assert not prefetch_tasks()


async def test_a_listing_begun_at_a_token_knows_that_token_again() -> None:
    async def fetch(token: str | None) -> AccessKeyPage:
        return AccessKeyPage((), "a")

    with pytest.raises(PaginationError):
        await Listing(fetch, page_token="a").collect()


@pytest.mark.parametrize("prefetch", [0, 1, 3, 100])
async def test_an_error_comes_in_its_place_with_the_cursor_to_go_on_at(prefetch: int) -> None:
    error = APIConnectionError("lost", sent=None)
    service = Service([1], [2], [3], [4], failures={"p2": error})
    listing = Listing(service, prefetch=prefetch)
    found: list[int] = []
    with pytest.raises(APIConnectionError) as caught:
        await work(listing.pages(), found)
    assert found == [1, 2]
    assert caught.value is error
    assert error.cursor == listing.cursor == "p2"
    assert not listing.complete
    assert await read(Listing(service, page_token=error.cursor, prefetch=prefetch).keys()) == [3, 4]


async def test_an_error_on_the_first_page_goes_on_at_the_first_page() -> None:
    for start in (None, "p1"):
        error = APIConnectionError("lost", sent=None)
        service = Service([1], [2], failures={start: error})
        with pytest.raises(APIConnectionError):
            await Listing(service, page_token=start).collect()
        assert error.cursor == start


async def test_an_error_that_is_not_ours_goes_through_as_it_is() -> None:
    service = Service([1], [2], failures={"p1": KeyError("vault")})
    with pytest.raises(KeyError, match="vault"):
        await read(Listing(service).keys())


async def test_the_cursor_is_of_the_page_being_passed_on_then_of_the_next() -> None:
    listing = Listing(Service([1, 2], [3], [4]))
    seen = [(key.id.int, listing.cursor) async for key in listing]
    assert seen == [(1, None), (2, None), (3, "p1"), (4, "p2")]
    assert listing.complete


async def test_each_iteration_begins_anew() -> None:
    listing = Listing(Service([1], [2], [3]), page_token="p1")
    assert await read(listing.keys()) == [2, 3]
    assert await read(listing.keys()) == [2, 3]
    async for _ in listing:
        assert not listing.complete
        assert listing.cursor == "p1"
        break


async def test_the_first_key_is_fetched_with_nothing_ahead() -> None:
    service = Service([], [], [7, 8], [9])
    listing = Listing(service, prefetch=5)
    key = await listing.first()
    assert key is not None
    assert key.id.int == 7
    await settle()
    assert service.asked == [None, "p1", "p2"]
    assert listing.cursor is None


@pytest.mark.parametrize(
    ("most", "found", "asked"),
    [
        (None, [1, 2, 3, 4, 5, 6], 3),
        (100, [1, 2, 3, 4, 5, 6], 3),
        (6, [1, 2, 3, 4, 5, 6], 3),
        (3, [1, 2, 3], 2),
        (2, [1, 2], 1),
        (1, [1], 1),
        (0, [], 0),
        (-1, [], 0),
    ],
)
async def test_no_more_is_collected_than_asked_for(most: int | None, found: list[int], asked: int) -> None:
    service = Service([1, 2], [3, 4], [5, 6])
    listing = Listing(service, prefetch=0)
    assert [key.id.int for key in await listing.collect(max_items=most)] == found
    assert len(service.asked) == asked
