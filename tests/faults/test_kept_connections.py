"""Connections that are kept between requests: closed meanwhile, or with bytes that nobody requested."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler

from accesskeys_async import (
    AccessKeysError,
    APIConnectionError,
    APIResponseError,
    CreateOutcomeUnknownError,
    Event,
    NotFoundError,
    RetryBudget,
    RetryPolicy,
    Timeout,
    WaitStarted,
)
from tests.faults.conftest import MakeClient
from tests.faults.raw_server import (
    KEY_ID,
    ORGANIZATION,
    RECORD,
    RawServer,
    Scripted,
    answer,
    assert_ours,
    right_answer,
)
from tests.faults.threaded_server import BOUND, Link, serve_in_threads
from tests.waiting import let_run, until

FORGED = answer(body={**RECORD, "name": "forged"})


@pytest.fixture(params=["own", "borrowed"])
async def session(request: pytest.FixtureRequest) -> AsyncIterator[aiohttp.ClientSession | None]:
    if request.param == "own":
        yield None
        return
    async with aiohttp.ClientSession() as borrowed:
        yield borrowed


class Watch:
    """A budget of one's own, and the waits that there were."""

    def __init__(self) -> None:
        self.budget = RetryBudget(capacity=5.0, refund=0.0)
        self.waits: list[Event] = []

    def hook(self, event: Event) -> None:
        if isinstance(event, WaitStarted):
            self.waits.append(event)

    def options(self) -> dict[str, object]:
        retry = RetryPolicy(base_delay=0, budget=self.budget)
        return {"retry": retry, "hooks": [self.hook], "timeout": Timeout(), "deadline": 60.0}

    def assert_nothing_spent(self) -> None:
        assert self.budget.tokens == self.budget.capacity
        assert self.waits == []


@pytest.fixture
def watch() -> Watch:
    return Watch()


def answer_once(link: Link) -> None:
    link.write(right_answer(link.read_request()))


async def test_a_server_that_closes_after_each_response_fails_no_call_and_costs_no_budget(
    make_client: MakeClient, session: aiohttp.ClientSession | None, watch: Watch
) -> None:
    with serve_in_threads(answer_once) as server:
        client = make_client(base_url=server.url, session=session, **watch.options())
        for _ in range(400):
            await client.get(ORGANIZATION, KEY_ID)
        assert len(server.links) == 400
        await client.aclose()
    watch.assert_nothing_spent()


async def test_connections_closed_while_the_loop_was_blocked_cost_no_budget(
    make_client: MakeClient, session: aiohttp.ClientSession | None, watch: Watch
) -> None:
    go = threading.Barrier(9)

    def behave(link: Link) -> None:
        while head := link.read_request():
            link.write(right_answer(head))
            if link.number < 8 and b"/nothing" not in head:
                go.wait(BOUND)
                return

    with serve_in_threads(behave) as server:
        client = make_client(base_url=server.url, session=session, **watch.options())
        await asyncio.gather(*(client.get(ORGANIZATION, KEY_ID) for _ in range(8)))
        go.wait(BOUND)  # on purpose in the event loop's thread: it sees none of them close
        for _ in range(8):
            server.closed.acquire(timeout=BOUND)
        await client.create(ORGANIZATION, name="a", description="b")
        await asyncio.gather(*(client.get(ORGANIZATION, KEY_ID) for _ in range(8)))
        assert sum(head.startswith(b"POST") for head in server.heads) == 1
        await client.aclose()
    watch.assert_nothing_spent()


async def test_a_create_goes_out_on_a_connection_that_is_alive(
    make_client: MakeClient, session: aiohttp.ClientSession | None, watch: Watch
) -> None:
    with serve_in_threads(answer_once) as server:
        client = make_client(base_url=server.url, session=session, **watch.options())
        for _ in range(50):
            await client.get(ORGANIZATION, KEY_ID)
            server.closed.acquire(timeout=BOUND)
            await client.create(ORGANIZATION, name="a", description="b")
            server.closed.acquire(timeout=BOUND)
        assert sum(head.startswith(b"POST") for head in server.heads) == 50
        await client.aclose()
    watch.assert_nothing_spent()


@pytest.mark.parametrize("then", ["reset", "close"])
async def test_a_repeatable_call_on_a_dead_kept_connection_is_sent_again_at_once(
    make_client: MakeClient,
    server: RawServer,
    session: aiohttp.ClientSession | None,
    watch: Watch,
    then: str,
) -> None:
    options = watch.options()
    client = make_client(session=session, **options)
    dead = Scripted(then=then)  # type: ignore[arg-type]  # one of its literals
    server.play(answer(), dead)
    await client.get(ORGANIZATION, KEY_ID)
    await client.get(ORGANIZATION, KEY_ID)
    server.play(dead)
    await client.update(ORGANIZATION, KEY_ID, name="other")
    server.play(dead)
    await client.delete(ORGANIZATION, KEY_ID, allow_self=True)
    methods = [head.split()[0] for head in server.heads]
    assert methods == [b"GET", b"GET", b"GET", b"PATCH", b"PATCH", b"DELETE", b"DELETE"]
    watch.assert_nothing_spent()
    await client.aclose()


async def test_what_is_sent_again_goes_over_a_connection_that_is_fresh(
    make_client: MakeClient, server: RawServer, watch: Watch
) -> None:
    client = make_client(**watch.options())
    slow = Scripted(b"", more=lambda: [b"", answer()], pause=0.02, then="keep")
    server.play(*[slow] * 5)
    await asyncio.gather(*(client.get(ORGANIZATION, KEY_ID) for _ in range(5)))
    assert server.connections == 5
    server.play(*[Scripted(then="reset")] * 1)
    await client.get(ORGANIZATION, KEY_ID)
    assert server.connections == 6
    watch.assert_nothing_spent()


async def test_what_happened_on_the_way_is_an_attempt(
    make_client: MakeClient, server: RawServer, session: aiohttp.ClientSession | None
) -> None:
    client = make_client(session=session)
    server.play(answer(), Scripted(then="reset"))
    await client.get(ORGANIZATION, KEY_ID)
    response = await client.raw.get(ORGANIZATION, KEY_ID)
    lost, last = response.attempts
    assert (lost.number, lost.status, lost.effect_unknown, lost.wait) == (1, None, True, 0.0)
    assert (last.number, last.status) == (2, 200)
    await client.aclose()


async def test_a_delete_that_may_have_happened_on_a_dead_connection_has_succeeded_at_404(
    make_client: MakeClient, server: RawServer
) -> None:
    client = make_client()
    gone = answer("404 Not Found", {"code": "not_found", "message": "gone"})
    server.play(answer(), Scripted(then="reset"), gone, gone)
    await client.get(ORGANIZATION, KEY_ID)
    await client.delete(ORGANIZATION, KEY_ID, allow_self=True)
    with pytest.raises(NotFoundError):
        await client.delete(ORGANIZATION, KEY_ID, allow_self=True)


async def test_a_call_sent_again_that_fails_too_may_have_happened(
    make_client: MakeClient, server: RawServer
) -> None:
    client = make_client()
    server.play(answer(), Scripted(then="reset"), Scripted(then="close"))
    await client.get(ORGANIZATION, KEY_ID)
    with pytest.raises(APIConnectionError) as caught:
        await client.delete(ORGANIZATION, KEY_ID, allow_self=True)
    assert caught.value.sent is None
    assert [attempt.effect_unknown for attempt in caught.value.attempts] == [True, True]
    assert_ours(caught.value)


async def test_a_connection_that_was_never_used_is_not_sent_over_twice(
    make_client: MakeClient, server: RawServer
) -> None:
    server.play(Scripted(then="close"))
    with pytest.raises(APIConnectionError):
        await make_client().get(ORGANIZATION, KEY_ID)
    assert len(server.heads) == 1


async def test_a_response_that_breaks_off_on_a_kept_connection_is_a_failure(
    make_client: MakeClient, server: RawServer
) -> None:
    client = make_client()
    server.play(answer(), Scripted(b"HTTP/1.1 200 OK\r\nContent-", then="close"))
    await client.get(ORGANIZATION, KEY_ID)
    with pytest.raises(APIConnectionError):
        await client.get(ORGANIZATION, KEY_ID)
    assert len(server.heads) == 2


async def test_a_create_that_was_written_to_a_dead_connection_is_not_sent_again(
    make_client: MakeClient, server: RawServer, session: aiohttp.ClientSession | None
) -> None:
    client = make_client(session=session, retry=RetryPolicy(base_delay=0))
    server.play(answer(), Scripted(then="reset"))
    await client.get(ORGANIZATION, KEY_ID)
    with pytest.raises(CreateOutcomeUnknownError):
        await client.create(ORGANIZATION, name="a", description="b")
    assert sum(head.startswith(b"POST") for head in server.heads) == 1
    await client.aclose()


UNASKED = {
    "a whole response": FORGED,
    "a proxy's 408": answer("408 Request Timeout", b"", "Connection: close"),
    "half a head": FORGED[:40],
    "a head without its body": FORGED[:-30],
    "one byte": b"H",
    "no HTTP": b"\x16\x03\x01 what is this",
}


@pytest.mark.parametrize("seen", [True, False], ids=["seen by the loop", "not seen by the loop"])
@pytest.mark.parametrize("unasked", UNASKED.values(), ids=UNASKED)
async def test_a_response_that_nobody_requested_is_nobodys(
    make_client: MakeClient,
    session: aiohttp.ClientSession | None,
    watch: Watch,
    unasked: bytes,
    seen: bool,
) -> None:
    rested, pushed = threading.Event(), threading.Event()

    def behave(link: Link) -> None:
        link.write(right_answer(link.read_request()))
        if link.number == 0:
            rested.wait(BOUND)
            link.write(unasked)
            pushed.set()
        while head := link.read_request():
            link.write(FORGED[40:] if link.number == 0 else right_answer(head))

    with serve_in_threads(behave) as server:
        client = make_client(base_url=server.url, session=session, **watch.options())
        await client.get(ORGANIZATION, KEY_ID)
        await let_run()
        rested.set()
        pushed.wait(BOUND)
        if seen:
            await let_run()
        for _ in range(2):
            assert (await client.get(ORGANIZATION, KEY_ID)).name == RECORD["name"]
        assert len(server.links) == 2
        await client.aclose()
    watch.assert_nothing_spent()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("broken", [b"zz\r\n{}\r\n", b"2\r\n{}xx2\r\n{}\r\n", b"-1\r\n", b"5;\x00\r\n{}\r\n"])
@pytest.mark.parametrize("split", [True, False], ids=["after its head", "with its head"])
async def test_a_chunked_body_that_breaks_is_an_error_at_once(
    make_client: MakeClient,
    server: RawServer,
    session: aiohttp.ClientSession | None,
    broken: bytes,
    split: bool,
) -> None:
    client = make_client(session=session, timeout=Timeout(attempt=None), deadline=None)
    server.play(
        Scripted(HEAD, more=lambda: [b"", broken], pause=0.02, then="hold")
        if split
        else Scripted(HEAD + broken, then="hold")
    )
    async with asyncio.timeout(5):
        with pytest.raises(APIResponseError) as caught:
            await client.get(ORGANIZATION, KEY_ID)
    assert_ours(caught.value)
    assert len(server.heads) == 1
    await client.aclose()


@pytest.mark.parametrize("size", [1, 40], ids=["one read", "many reads"])
async def test_a_response_that_lay_in_the_socket_while_the_loop_was_blocked_counts(
    make_client: MakeClient, session: aiohttp.ClientSession | None, watch: Watch, size: int
) -> None:
    padding = {"later": "x" * 2**14 * size}

    def behave(link: Link) -> None:
        while link.read_request():
            link.write(answer(body={**RECORD, **padding} if len(server.heads) == 2 else RECORD))

    with serve_in_threads(behave) as server:
        options = {**watch.options(), "timeout": Timeout(attempt=0.5), "deadline": None}
        client = make_client(base_url=server.url, session=session, **options)
        await client.get(ORGANIZATION, KEY_ID)
        call = asyncio.create_task(client.get(ORGANIZATION, KEY_ID))
        await until(lambda: len(server.heads) == 2)
        time.sleep(1.0)  # noqa: ASYNC251 - a caller that blocks the loop is what this is about
        assert (await call).name == RECORD["name"]
        assert len(server.heads) == 2
        await client.aclose()
    watch.assert_nothing_spent()


async def test_a_silent_server_times_out_though_the_loop_was_blocked(
    make_client: MakeClient, server: RawServer
) -> None:
    client = make_client(timeout=Timeout(attempt=0.05))
    server.play(Scripted(then="hold"))
    call = asyncio.create_task(client.get(ORGANIZATION, KEY_ID))
    await until(lambda: server.heads)
    time.sleep(0.1)  # noqa: ASYNC251 - as above
    with pytest.raises(AccessKeysError, match="the response was not complete within"):
        await call


async def test_a_session_that_was_borrowed_works_for_its_owner_as_before(
    make_client: MakeClient, server: RawServer
) -> None:
    async with aiohttp.ClientSession() as session:
        client = make_client(session=session)
        await client.get(ORGANIZATION, KEY_ID)
        for _ in range(3):
            async with session.get(server.url) as response:
                assert response.status == 200
                await response.read()
            await client.get(ORGANIZATION, KEY_ID)
        server.play(Scripted(then="close"))
        async with session.get(server.url) as response:  # aiohttp sends it again, as it always does
            assert response.status == 200
        assert server.connections == 2
        await client.aclose()


async def test_with_an_aiohttp_whose_connections_are_of_another_kind_a_dead_one_costs_a_retry(
    make_client: MakeClient, server: RawServer, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(ResponseHandler):
        pass

    monkeypatch.setattr("aiohttp.connector.ResponseHandler", Other)
    client = make_client(**watch.options())
    server.play(answer(), Scripted(then="reset"))
    await client.get(ORGANIZATION, KEY_ID)
    await client.get(ORGANIZATION, KEY_ID)
    assert watch.budget.tokens == watch.budget.capacity - 1
    assert len(watch.waits) == 1
