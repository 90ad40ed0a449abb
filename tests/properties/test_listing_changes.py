"""Listings of a real service, while keys come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accesskeys_async import AccessKeysClient
from accesskeys_async.emulator import Emulator

T = TypeVar("T")
Run = Callable[[Callable[[AccessKeysClient, UUID], Coroutine[Any, Any, T]]], T]


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    with Emulator() as service:
        yield service


@pytest.fixture
def run(service: Emulator) -> Run[Any]:
    """Run a scenario against a service as new, on a loop of its own."""

    @asynccontextmanager
    async def connect() -> AsyncIterator[AccessKeysClient]:
        async with AccessKeysClient(service.token, base_url=service.base_url) as client:
            yield client

    def run(scenario: Callable[[AccessKeysClient, UUID], Coroutine[Any, Any, T]]) -> T:
        async def main() -> T:
            async with connect() as client:
                return await scenario(client, UUID(service.organization_id))

        service.reset()
        return asyncio.run(main())

    return run


async def make_keys(client: AccessKeysClient, org: UUID, count: int) -> list[UUID]:
    """Make keys, and return the ids of all that there are, in the order of the API."""
    for number in range(count):
        await client.create(org, name=f"key {number}", description="made for a listing")
    return [key.id for key in await client.list(org).collect()]


# One service for all examples is meant: each begins with it as new.
few = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
limits = st.integers(1, 6) | st.just(100)
directions = st.booleans()
prefetches = st.integers(0, 3)


@few
@given(count=st.integers(0, 12), limit=limits, prefetch=prefetches)
def test_the_reverse_is_the_mirror_whatever_the_size_of_a_page(
    run: Run[Any], count: int, limit: int, prefetch: int
) -> None:
    async def scenario(client: AccessKeysClient, org: UUID) -> None:
        everything = await make_keys(client, org, count)
        forward = [key.id async for key in client.list(org, limit=limit, prefetch=prefetch)]
        backward = [key.id async for key in client.list(org, limit=limit, prefetch=prefetch, reverse=True)]
        assert forward == everything
        assert backward == everything[::-1]
        assert len(set(everything)) == count + 1  # and the one whose token the client has

    run(scenario)


changes = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["insert", "delete"]), st.integers(0, 30)), max_size=8
)


@few
@given(
    count=st.integers(1, 12),
    limit=limits,
    reverse=directions,
    prefetch=prefetches,
    changes=changes,
)
def test_every_key_that_was_there_throughout_comes_exactly_once(
    run: Run[Any],
    count: int,
    limit: int,
    reverse: bool,
    prefetch: int,
    changes: list[tuple[int, str, int]],
) -> None:
    async def scenario(client: AccessKeysClient, org: UUID) -> None:
        before = await make_keys(client, org, count)
        own = (await client.list(org).collect())[0].id
        living, ever = list(before), set(before)
        found: list[UUID] = []
        number = 0
        async for page in client.list(org, limit=limit, reverse=reverse, prefetch=prefetch).pages():
            found += [key.id for key in page]
            for _, action, which in [change for change in changes if change[0] == number]:
                if action == "insert":
                    ever.add((await client.create(org, name="new", description="came while listing")).id)
                elif deletable := [key for key in living if key != own]:
                    gone = deletable[which % len(deletable)]
                    await client.delete(org, gone, allow_self=True)
                    living.remove(gone)
            number += 1
        assert len(found) == len(set(found))
        assert set(living) <= set(found) <= ever

    run(scenario)


@few
@given(
    count=st.integers(1, 10),
    limit=limits,
    reverse=directions,
    stop=st.integers(0, 10),
    gone=st.integers(0, 10),
)
def test_a_listing_resumed_after_changes_loses_no_key_that_was_there_throughout(
    run: Run[Any], count: int, limit: int, reverse: bool, stop: int, gone: int
) -> None:
    async def scenario(client: AccessKeysClient, org: UUID) -> None:
        before = await make_keys(client, org, count)
        listing = client.list(org, limit=limit, reverse=reverse)
        found: list[UUID] = []
        async for key in listing:
            if len(found) == stop:
                break
            found.append(key.id)
        victim = before[1:][gone % count]
        await client.delete(org, victim, allow_self=True)
        if not listing.complete:
            rest = client.list(org, limit=limit, reverse=reverse, page_token=listing.cursor)
            found += [key.id async for key in rest]
        assert set(before) - {victim} <= set(found) <= set(before)

    run(scenario)
