"""What latency costs, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from accesskeys_async._listing.listing import Listing
from accesskeys_async._listing.many import Listings
from accesskeys_async._listing.meeting_point import OVERLAP_KEYS
from accesskeys_async._listing.pages import FetchPage
from accesskeys_async._listing.scan import Scan
from accesskeys_async.records import AccessKeyPage
from tests.unit._listing.scripted_pages import make_key
from tests.unit.virtual_time import run

pytestmark = pytest.mark.slow

LATENCY = 0.02


class SlowService:
    """Organizations of any size, with a latency and a bounded number of requests in flight."""

    def __init__(self, slots: int = 64) -> None:
        self._free = asyncio.Semaphore(slots)
        self.requests = 0

    def serve(self, keys: int, *, reverse: bool = False) -> FetchPage:
        async def fetch(page_token: str | None) -> AccessKeyPage:
            self.requests += 1
            async with self._free:
                await asyncio.sleep(LATENCY)
            start = int(page_token or 0)
            stop = min(start + 100, keys)
            numbers = range(keys - start, keys - stop, -1) if reverse else range(start + 1, stop + 1)
            return AccessKeyPage(tuple(map(make_key, numbers)), str(stop) if stop < keys else None)

        return fetch


def listings(keys: Callable[[int], int], count: int) -> Listings[str, Listing]:
    service = SlowService()

    def begin(org: str, prefetch: int) -> Listing:
        return Listing(service.serve(keys(int(org))), prefetch=prefetch)

    return Listings(map(str, range(count)), begin, prefetch=1, at_once=64)


@pytest.mark.parametrize("keys", [5000, 4999, 4801])
def test_a_scan_takes_half_the_time_of_a_listing(keys: int) -> None:
    async def scan() -> int:
        service = SlowService()
        scan = Scan(service.serve(keys), service.serve(keys, reverse=True))
        return len(await scan.collect())

    async def read() -> int:
        return len(await Listing(SlowService().serve(keys)).collect())

    found, scanned = run(scan())
    assert found == keys
    found, listed = run(read())
    assert found == keys
    assert listed == pytest.approx(-(-keys // 100) * LATENCY)
    assert scanned <= 0.52 * listed + 1e-9


def expected_round_trips(keys: int) -> int:
    """Return how few round trips prove that all keys have come.

    The first one has the forward direction alone, so that an organization of one page takes one request. The
    others have both. The directions must have 10 keys in common, or forward must reach its last page.
    """
    return min(-(-keys // 100), -(-(keys + OVERLAP_KEYS + 100) // 200))


@pytest.mark.parametrize("keys", [1, 99, *range(100, 1500, 10), 201, 301, 399, 401, 491, 499, 501])
def test_a_scan_takes_as_few_round_trips_as_possible_and_wastes_one_request(keys: int) -> None:
    service = SlowService()
    scan = Scan(service.serve(keys), service.serve(keys, reverse=True))
    found, seconds = run(scan.collect())
    assert len(found) == keys
    assert seconds == pytest.approx(expected_round_trips(keys) * LATENCY)
    pages = -(-keys // 100)
    # If the directions meet exactly between two pages, one request more shows that they have met.
    meets_between_pages = pages > 2 and (keys - 1) % 200 >= 100 - OVERLAP_KEYS and (keys - 1) % 200 < 100
    assert service.requests <= pages + (pages > 1) + meets_between_pages


@pytest.mark.parametrize("keys", [401, 450, 490])
def test_many_scans_of_five_pages_take_three_round_trips_each(keys: int) -> None:
    async def read() -> int:
        left = iter(range(100))
        service = SlowService()

        async def work() -> int:
            count = 0
            for _ in left:
                scan = Scan(service.serve(keys), service.serve(keys, reverse=True))
                count += len(await scan.collect())
            return count

        return sum(await asyncio.gather(*(work() for _ in range(16))))

    found, seconds = run(read())
    assert found == 100 * keys
    assert seconds == pytest.approx(-(-100 // 16) * 3 * LATENCY)


@pytest.mark.parametrize("way", ["loop", "pages"])
def test_many_listings_keep_every_slot_busy(way: str) -> None:
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
