from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterable
from contextlib import aclosing
from uuid import UUID

import pytest

from accesskeys_async._listing.listing import Listing
from accesskeys_async._listing.many import Listings
from accesskeys_async.errors import AccessKeysError, APIConnectionError
from accesskeys_async.records import AccessKeyPage
from tests.unit._listing.scripted_pages import Service, make_key, prefetch_tasks, read, settle


class Fleet:
    """Organizations by name, each with its pages."""

    def __init__(self, sizes: Iterable[int], *, failing: dict[str, Exception] | None = None) -> None:
        self.services: dict[str, Service] = {}
        for number, size in enumerate(sizes):
            name = f"org-{number}"
            failures: dict[str | None, Exception] = {}
            if failing and name in failing:
                failures[None] = failing[name]
            pages = ([10 * page, 10 * page + 1] for page in range(size))
            self.services[name] = Service(*pages, failures=failures)

    def listings(self, *, prefetch: int = 1, at_once: int = 3) -> Listings[str, Listing]:
        def begin(org: str, prefetch: int) -> Listing:
            return Listing(self.services[org], prefetch=prefetch)

        return Listings(self.services, begin, prefetch=prefetch, at_once=at_once)

    @property
    def begun(self) -> int:
        return sum(bool(service.asked) for service in self.services.values())

    @property
    def asked(self) -> int:
        return sum(len(service.asked) for service in self.services.values())

    def keys_of(self, org: str) -> list[int]:
        return [one for page in self.services[org].pages.values() for one in page]


async def settle_long() -> None:
    for _ in range(10):
        await settle()


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("at_once", [1, 3, 64])
async def test_each_organization_comes_once_with_all_its_keys(prefetch: int, at_once: int) -> None:
    fleet = Fleet([1, 5, 2, 0, 1, 9, 1, 3])
    fleet.services["org-3"].pages[None] = []
    found = {}
    async for org, listing in fleet.listings(prefetch=prefetch, at_once=at_once):
        assert org not in found
        found[org] = await read(listing.keys())
    assert found == {org: fleet.keys_of(org) for org in fleet.services}
    assert not prefetch_tasks()


async def test_a_listing_comes_with_its_first_page_and_the_next_ones_on_their_way() -> None:
    fleet = Fleet([9])
    async with aclosing(fleet.listings(prefetch=2).items()) as items:
        _, listing = await anext(items)
        await settle_long()
        assert fleet.asked == 3
        fleet.services["org-0"].gate.clear()
        async with aclosing(listing.keys()) as keys:
            assert [(await anext(keys)).id.int for _ in range(6)] == [0, 1, 10, 11, 20, 21]


async def test_one_failing_organization_ends_no_other() -> None:
    error = APIConnectionError("lost", sent=None)
    fleet = Fleet([2, 2, 2, 2], failing={"org-1": error})
    found: dict[str, list[int] | AccessKeysError] = {}
    async for org, listing in fleet.listings():
        if listing.error is None:
            found[org] = await read(listing.keys())
            continue
        with pytest.raises(APIConnectionError):
            await listing.collect()
        found[org] = listing.error
    assert found.pop("org-1") is error
    assert found == {org: fleet.keys_of(org) for org in found}
    assert len(found) == 3


async def test_listings_can_be_read_in_tasks_of_the_callers_own_beyond_the_loop() -> None:
    fleet = Fleet([7] * 20)
    readings: dict[str, asyncio.Task[list[int]]] = {}
    async with asyncio.TaskGroup() as group:
        async for org, listing in fleet.listings():
            readings[org] = group.create_task(read(listing.keys()))
    assert {org: task.result() for org, task in readings.items()} == {
        org: fleet.keys_of(org) for org in fleet.services
    }


async def test_listings_that_nobody_reads_hold_nothing_up_and_stay_at_their_buffer() -> None:
    fleet = Fleet([9] * 20)
    kept = [listing async for _, listing in fleet.listings(prefetch=2)]
    await settle_long()
    assert len(kept) == 20
    assert fleet.asked == 20 * 3
    assert not prefetch_tasks()
    assert await read(kept[7].keys()) == fleet.keys_of("org-7")


@pytest.mark.slow
async def test_a_listing_that_is_dropped_is_gone() -> None:
    fleet = Fleet([9])
    async for _, listing in fleet.listings():
        dropped = weakref.ref(listing)
    await settle_long()
    del listing
    gc.collect()
    assert dropped() is None


async def test_no_organization_is_begun_while_too_many_wait_to_be_taken() -> None:
    fleet = Fleet([1] * 100)
    async with aclosing(fleet.listings(at_once=3).items()) as items:
        for taken in range(1, 20):
            await anext(items)
            await settle_long()
            assert fleet.begun <= taken + 2 * 3


async def test_a_large_organization_keeps_no_small_one_from_coming() -> None:
    fleet = Fleet([1000, *[1] * 50])
    large_at = [org async for org, _ in fleet.listings(at_once=2)].index("org-0")
    assert large_at <= 2
    order = [outcome.item async for outcome in fleet.listings(at_once=2).pages()]
    assert order.count("org-0") == 1000
    assert set(order[:150]) == set(fleet.services)


async def test_the_pages_of_all_organizations_come_in_turn() -> None:
    fleet = Fleet([10, 10, 10])
    order = [outcome.item async for outcome in fleet.listings(at_once=3).pages()]
    for taken in range(7, 25):  # after the first worker, which finds every slot free
        counts = [order[6:taken].count(org) for org in fleet.services]
        assert max(counts) - min(counts) <= 3, counts


async def test_all_pages_come_and_an_error_is_its_organizations_last() -> None:
    error = APIConnectionError("lost", sent=None)
    fleet = Fleet([3, 3, 3])
    fleet.services["org-1"].failures["p2"] = error
    found: dict[str, list[int]] = {org: [] for org in fleet.services}
    async for outcome in fleet.listings().pages():
        if outcome.error is None:
            found[outcome.item] += [key.id.int for key in outcome.unwrap()]
        else:
            assert (outcome.item, outcome.error) == ("org-1", error)
    assert found == {
        "org-0": fleet.keys_of("org-0"),
        "org-1": [0, 1, 10, 11],
        "org-2": fleet.keys_of("org-2"),
    }


async def test_few_pages_wait_for_a_slow_caller() -> None:
    fleet = Fleet([50] * 10)
    async with aclosing(fleet.listings(at_once=3).pages()) as pages:
        for taken in range(1, 30):
            await anext(pages)
            await settle_long()
            assert fleet.asked <= taken + 2 * 3


@pytest.mark.parametrize("way", ["items", "pages"])
async def test_leaving_early_ends_everything_that_is_under_way(way: str) -> None:
    fleet = Fleet([9] * 20)
    async with aclosing(getattr(fleet.listings(at_once=5), way)()) as stream:
        await anext(stream)
        for service in fleet.services.values():
            service.gate.clear()
        await settle()
    assert sum(service.under_way for service in fleet.services.values()) == 0


async def test_a_listing_that_was_handed_out_can_still_be_read_after_the_loop_was_left() -> None:
    fleet = Fleet([9] * 3)
    async with aclosing(fleet.listings(prefetch=3).items()) as items:
        org, listing = await anext(items)
    assert await read(listing.keys()) == fleet.keys_of(org)


async def test_an_exception_of_the_organizations_iterable_is_raised_as_itself() -> None:
    def orgs() -> Iterable[UUID]:
        yield UUID(int=1)
        raise LookupError("no more")

    listings = Listings(orgs(), lambda _, prefetch: Listing(Service([1])), prefetch=1, at_once=3)
    found = []

    async def take() -> None:
        async for org, _ in listings:
            found.append(org)

    with pytest.raises(LookupError, match="no more"):
        await take()
    assert found == [UUID(int=1)]


async def test_no_organization_holds_its_last_page_while_the_next_is_on_its_way() -> None:
    made: list[weakref.ref[AccessKeyPage]] = []

    async def fetch(page_token: str | None) -> AccessKeyPage:
        if page_token is not None:
            await asyncio.Event().wait()
        page = AccessKeyPage((make_key(1),), "next")
        made.append(weakref.ref(page))
        return page

    def begin(_: str, prefetch: int) -> Listing:
        return Listing(fetch, prefetch=prefetch)

    async with aclosing(Listings("abcde", begin, prefetch=1, at_once=5).pages()) as pages:
        for _ in range(5):
            await anext(pages)
        await settle_long()
        # The last one is still on its way to the caller.
        assert [page() is not None for page in made] == [False] * 4 + [True]
