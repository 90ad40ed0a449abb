from __future__ import annotations

import asyncio

import pytest

from accesskeys_async.errors import APIConnectionError, PaginationError
from accesskeys_async.paging import Steps
from accesskeys_async.records import AccessKeyPage
from tests.unit.scripted_pages import Service


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
