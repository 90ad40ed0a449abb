"""What latency costs, on a clock that counts nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from accesskeys_async._listing.listing import Listing
from accesskeys_async._listing.many import Listings
from accesskeys_async._listing.pages import FetchPage
from accesskeys_async._listing.scan import Scan
from accesskeys_async.records import AccessKeyPage
from tests.unit._listing.scripted_pages import make_key
from tests.unit.virtual_time import run

pytestmark = pytest.mark.slow

LATENCY = 0.02


class Places:
    """As many requests at once as a client has places."""

    def __init__(self, places: int) -> None:
        self._free = asyncio.Semaphore(places)

    def serve(self, keys: int, *, reverse: bool = False) -> FetchPage:
        async def fetch(token: str | None) -> AccessKeyPage:
            async with self._free:
                await asyncio.sleep(LATENCY)
            start = int(token or 0)
            stop = min(start + 100, keys)
            numbers = range(keys - start, keys - stop, -1) if reverse else range(start + 1, stop + 1)
            return AccessKeyPage(tuple(map(make_key, numbers)), str(stop) if stop < keys else None)

        return fetch


def listings(keys: Callable[[int], int], count: int) -> Listings[str, Listing]:
    places = Places(64)

    def begin(org: str, prefetch: int) -> Listing:
        return Listing(places.serve(keys(int(org))), prefetch=prefetch)

    return Listings(map(str, range(count)), begin, prefetch=1, at_once=64)


@pytest.mark.parametrize("keys", [5000, 4999, 4801])
def test_a_scan_takes_half_the_time_of_a_listing(keys: int) -> None:
    async def scan() -> int:
        places = Places(64)
        scan = Scan(places.serve(keys), places.serve(keys, reverse=True))
        return len(await scan.collect())

    async def read() -> int:
        return len(await Listing(Places(64).serve(keys)).collect())

    found, scanned = run(scan())
    assert found == keys
    found, listed = run(read())
    assert found == keys
    assert listed == pytest.approx(-(-keys // 100) * LATENCY)
    assert scanned <= 0.52 * listed + 1e-9


@pytest.mark.parametrize("way", ["loop", "pages"])
def test_many_listings_keep_every_place_busy(way: str) -> None:
    async def in_loop() -> int:
        return sum([1 async for _, listing in listings(lambda _: 200, 1000) async for _ in listing])

    async def by_page() -> int:
        return sum([len(one.unwrap()) async for one in listings(lambda _: 200, 1000).pages()])

    found, seconds = run(in_loop() if way == "loop" else by_page())
    assert found == 200_000
    assert seconds <= 1.05 * 2000 * LATENCY / 64


def test_a_large_organization_costs_the_small_ones_nothing() -> None:
    async def read() -> tuple[float, float]:
        small = 0.0
        async for one in listings(lambda org: 10_000 if org == 0 else 200, 300).pages():
            if one.item != "0":
                small = asyncio.get_running_loop().time()
        return small, asyncio.get_running_loop().time()

    (small, all_of_them), _ = run(read())
    assert small <= 1.15 * 600 * LATENCY / 63
    assert all_of_them == pytest.approx(100 * LATENCY)
