"""However a reader leaves a stream, and however often it is cancelled meanwhile, nothing stays in flight."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import parse_qs
from uuid import UUID

import anyio
import pytest
from attrs import define, field
from multidict import CIMultiDict

from accesskeys_async import AccessKey, AccessKeysClient, Request, Response
from accesskeys_async._contract.writing import dump_key
from accesskeys_async.audit import audit
from tests.unit.conftest import Unthrottled

pytestmark = pytest.mark.slow

ORG = UUID(int=7)
PAGES = 9


@define
class Service:
    """Responds to a request after some rounds of the event loop; one that is cancelled takes some to end."""

    sent: int = 0
    in_flight: int = 0
    swallows: bool = False
    """Whether a request that is cancelled gets its response all the same."""

    async def __call__(self, request: Request, call_next: object) -> Response:
        self.sent += 1
        self.in_flight += 1
        try:
            try:
                await run_rounds(2)
            except asyncio.CancelledError:
                await run_rounds(3)
                if not self.swallows:
                    raise
        finally:
            self.in_flight -= 1
        body = read_page(request) if request.operation == "listAccessKeys" else describe_key(1)
        return Response(200, CIMultiDict({"Content-Type": "application/json"}), json.dumps(body).encode())


def describe_key(number: int) -> dict[str, object]:
    return dump_key(AccessKey(UUID(int=number), ORG, "ci", "AbCdEf", datetime(2026, 1, 1, tzinfo=UTC)))


def read_page(request: Request) -> dict[str, object]:
    query = parse_qs(request.query)
    number = int(query.get("pageToken", ["0"])[0])
    place = PAGES - 1 - number if "reverse" in query else number
    keys = [describe_key(2 * place + 1), describe_key(2 * place + 2)]
    results = keys[::-1] if "reverse" in query else keys
    return {"results": results} | ({"nextPageToken": str(number + 1)} if number + 1 < PAGES else {})


async def run_rounds(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


Way: TypeAlias = Callable[[AccessKeysClient], AsyncGenerator[object, None]]
ORGS = [UUID(int=number) for number in range(1, 6)]
WAYS: dict[str, Way] = {
    "list": lambda client: client.list(ORG, limit=2).keys(),
    "list pages, five ahead": lambda client: client.list(ORG, limit=2, prefetch=5).pages(),
    "scan": lambda client: client.scan(ORG, limit=2).keys(),
    "scan pages": lambda client: client.scan(ORG, limit=2).pages(),
    "get_many": lambda client: client.get_many(ORG, ORGS * 2),
    "list_many": lambda client: client.list_many(ORGS, limit=2).items(),
    "list_many pages": lambda client: client.list_many(ORGS, limit=2).pages(),
    "scan_many pages": lambda client: client.scan_many(ORGS, limit=2).pages(),
    "audit": lambda client: audit(client, ORGS),
}


@define
class Loop:
    """An event loop of one kind, and what its exception handler was told."""

    is_eager: bool
    told: list[dict[str, Any]] = field(factory=list)

    def __call__(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop()
        loop.set_task_factory(asyncio.eager_task_factory if self.is_eager else None)
        loop.set_exception_handler(lambda _, context: self.told.append(context))
        return loop

    def run(self, main: Coroutine[object, object, None]) -> None:
        with asyncio.Runner(loop_factory=self) as runner:
            runner.run(main)
        assert self.told == []


@pytest.fixture(params=["plain", "eager"])
def loop(request: pytest.FixtureRequest) -> Loop:
    if request.param == "eager" and sys.version_info < (3, 12):
        pytest.skip("this Python has no eager tasks")
    return Loop(is_eager=request.param == "eager")


def make_client(service: Service) -> AccessKeysClient:
    return AccessKeysClient(
        "token-of-nobody-000000",
        base_url="http://localhost",
        middlewares=[service],
        throttle=Unthrottled(),
        max_concurrency=3,
    )


async def drain(stream: AsyncGenerator[object, None]) -> None:
    async with aclosing(stream):
        async for _ in stream:
            await asyncio.sleep(0)


Leave: TypeAlias = Callable[[Coroutine[object, object, None], int], Awaitable[bool]]


async def leave_at_every_round(way: str, leave: Leave, *, swallows: bool = False) -> None:
    """Leave after no round, one, two, … until the stream ends before that."""
    for rounds in range(1000):
        service = Service(swallows=swallows)
        ended = await leave(drain(WAYS[way](make_client(service))), rounds)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert service.in_flight == 0
        sent = service.sent
        await run_rounds(20)
        assert service.sent == sent
        if ended:
            assert rounds > 5
            return
    pytest.fail("the stream had no end")


def cancel(pattern: str) -> Leave:
    """Cancel the reader in each round for which the pattern has an x."""

    async def leave(reading: Coroutine[object, object, None], rounds: int) -> bool:
        task = asyncio.create_task(reading)
        await run_rounds(rounds)
        for letter in pattern:
            if letter == "x":
                task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({task})
        return not task.cancelled()

    return leave


@pytest.mark.parametrize("pattern", ["x", "x.x", "xxxxxxxx"])
@pytest.mark.parametrize("way", WAYS)
def test_a_reader_that_is_cancelled_again_and_again_leaves_nothing(
    way: str, pattern: str, loop: Loop
) -> None:
    loop.run(leave_at_every_round(way, cancel(pattern)))


@pytest.mark.parametrize("way", WAYS)
def test_what_goes_on_in_spite_of_its_cancellation_sends_no_other_request(way: str, loop: Loop) -> None:
    loop.run(leave_at_every_round(way, cancel("x.x"), swallows=True))


async def cancel_a_scope(reading: Coroutine[object, object, None], rounds: int) -> bool:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: reading)
            await run_rounds(rounds)
            is_left = any(task is not asyncio.current_task() for task in asyncio.all_tasks())
            scope.cancel()
    return not is_left


@pytest.mark.parametrize("way", WAYS)
def test_a_cancel_scope_of_anyio_leaves_nothing(way: str, loop: Loop) -> None:
    loop.run(leave_at_every_round(way, cancel_a_scope))


@pytest.mark.parametrize("rounds", [0, 1, 10])
@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "dropped"])
@pytest.mark.parametrize("way", WAYS)
def test_a_stream_left_by_break_ends_with_the_loop_and_without_a_word(
    way: str, is_kept: bool, rounds: int, loop: Loop
) -> None:
    service = Service()
    kept: list[object] = []

    async def main() -> None:
        stream = WAYS[way](make_client(service))
        async for _ in stream:
            break
        if is_kept:
            kept.append(stream)
        del stream
        await run_rounds(rounds)

    loop.run(main())
    assert service.in_flight == 0
