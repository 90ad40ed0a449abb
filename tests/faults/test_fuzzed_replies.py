"""Right replies with bytes put in, taken out and exchanged: a record or one of our errors, nothing else."""

from __future__ import annotations

import asyncio
import gzip
import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from accesskeys_async import (
    AccessKey,
    AccessKeysClient,
    AccessKeysError,
    CreatedAccessKey,
    RetryPolicy,
    SharedPause,
    Timeout,
)
from tests.faults.raw_server import (
    KEY_ID,
    ORGANIZATION,
    RECORD,
    TOKEN,
    RawServer,
    Scripted,
    answer,
    assert_ours,
)

BODY = json.dumps(RECORD).encode()
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
REPLIES = (
    answer(),
    answer("200 OK", gzip.compress(BODY, mtime=0), "Content-Encoding: gzip"),
    CHUNKED,
    answer("404 Not Found", {"code": "not_found", "message": "gone", "details": [{"field": "id"}]}),
    answer("429 Too Many Requests", {"code": "slow"}, "Retry-After: 0"),
    answer("302 Found", b"", "Location: https://elsewhere.example/"),
)
TELLING = st.sampled_from(
    [b"\r\n", b"\r\n\r\n", b"\x00", b"0", b"-1", b":", b"99999999999", b"gzip", b"{", b'"']
)
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 8), st.one_of(TELLING, st.binary(max_size=8))), max_size=4
)


def edit(reply: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """Put in other bytes at each place (a share of the length) for so many that are taken out."""
    for share, gone, added in edits:
        start = int(share * len(reply))
        reply = reply[:start] + added + reply[start + gone :]
    return reply


async def meet(client: AccessKeysClient, server: RawServer, reply: bytes, *, create: bool) -> None:
    server.play(Scripted(reply))
    try:
        async with asyncio.timeout(3):
            if create:
                created = await client.create(ORGANIZATION, name="a", description="b")
                assert isinstance(created, CreatedAccessKey)
            else:
                assert isinstance(await client.get(ORGANIZATION, KEY_ID), AccessKey)
    except AccessKeysError as error:
        assert_ours(error)
    server.script.clear()


def test_any_reply_ends_in_a_record_or_in_an_error_of_ours() -> None:
    async def open_all() -> tuple[asyncio.Server, RawServer, AccessKeysClient]:
        raw = RawServer()
        listener = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
        client = AccessKeysClient(
            TOKEN,
            base_url=f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}",
            retry=RetryPolicy(max_retries=1, base_delay=0, max_retry_after=0),
            throttle=SharedPause(default=0.0, longest=0.0),
            timeout=Timeout(attempt=0.5),
            deadline=2.0,
        )
        return listener, raw, client

    with asyncio.Runner() as runner:
        listener, raw, client = runner.run(open_all())

        @settings(max_examples=400, derandomize=True)
        @given(st.sampled_from(REPLIES), EDITS, st.booleans())
        @example(b"", [], False)
        @example(answer(), [], False)
        def check(reply: bytes, edits: list[tuple[float, int, bytes]], create: bool) -> None:
            runner.run(meet(client, raw, edit(reply, edits), create=create))
            runner.run(meet(client, raw, answer(), create=False))

        check()
        runner.run(client.aclose())
        listener.close()
        runner.run(raw.stop())
