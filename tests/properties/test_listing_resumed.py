from __future__ import annotations

import asyncio
from contextlib import aclosing

from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._listing.listing import Listing
from accesskeys_async.errors import APIConnectionError
from tests.unit._listing.scripted_pages import (
    Service,
    read,
)

sizes = st.lists(st.integers(0, 4), min_size=1, max_size=8)


@given(sizes=sizes, stop=st.integers(0, 40), prefetch=st.integers(0, 3), at_page=st.booleans())
def test_whoever_stops_anywhere_goes_on_at_the_cursor_and_loses_nothing(
    sizes: list[int], stop: int, prefetch: int, at_page: bool
) -> None:
    pages, start = [], 0
    for size in sizes:
        pages.append(list(range(start, start + size)))
        start += size

    async def scenario() -> tuple[set[int], list[int]]:
        service = Service(*pages)
        listing = Listing(service, prefetch=prefetch)
        seen: set[int] = set()
        async with aclosing(listing.keys()) as keys:
            async for key in keys:
                if len(seen) == stop:
                    break
                seen.add(key.id.int)
        if listing.complete:
            return seen, []
        rest = Listing(service, page_token=listing.cursor, prefetch=prefetch)
        return seen, await read(rest.keys())

    seen, rest = asyncio.run(scenario())
    assert seen | set(rest) == set(range(start))
    assert len(rest) == len(set(rest))


@given(sizes=sizes, failing=st.sets(st.integers(0, 7), max_size=5), prefetch=st.integers(0, 3))
def test_whoever_goes_on_after_each_error_gets_every_key_once(
    sizes: list[int], failing: set[int], prefetch: int
) -> None:
    pages, start = [], 0
    for size in sizes:
        pages.append(list(range(start, start + size)))
        start += size

    async def scenario() -> list[int]:
        failures: dict[str | None, Exception] = {
            Service.token(n): APIConnectionError("lost", sent=None) for n in failing
        }
        service = Service(*pages, failures=failures)
        seen: list[int] = []
        cursor: str | None = None
        for _ in range(10):
            try:
                async for key in Listing(service, page_token=cursor, prefetch=prefetch):
                    seen.append(key.id.int)
            except APIConnectionError as error:
                cursor = error.cursor
            else:
                return seen
        raise AssertionError("each page fails once, so it ends")

    assert asyncio.run(scenario()) == list(range(start))
