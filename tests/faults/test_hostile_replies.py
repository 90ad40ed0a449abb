"""Replies that no web framework would send, each met by a call and followed by one that works."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from itertools import repeat

import pytest

from accesskeys_async import (
    AccessKey,
    AccessKeysClient,
    AccessKeysError,
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    PaginationError,
    RedirectError,
    ResponseTooLargeError,
)
from tests.faults.conftest import MakeClient
from tests.faults.raw_server import KEY_ID, ORGANIZATION, RECORD, RawServer, Scripted, answer, assert_ours

BODY = json.dumps(RECORD).encode()
HEAD = b"HTTP/1.1 200 OK\r\n"
JSON = b"Content-Type: application/json\r\n"


def chunked(*parts: bytes) -> bytes:
    return HEAD + JSON + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(parts)


def encoded(encoding: str, body: bytes) -> bytes:
    return answer("200 OK", body, f"Content-Encoding: {encoding}")


def changed(**fields: object) -> bytes:
    return answer("200 OK", {**RECORD, **fields})


NO_HTTP = {
    "a status line of another protocol": Scripted(b"220 smtp.example ESMTP\r\n\r\n"),
    "a status that is no number": Scripted(b"HTTP/1.1 OK\r\n\r\n"),
    "a status of five digits": Scripted(b"HTTP/1.1 20000 OK\r\nContent-Length: 0\r\n\r\n"),
    "a version that nobody speaks": Scripted(b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "a reply of HTTP/0.9": Scripted(BODY),
    "TLS on a plain port": Scripted(b"\x15\x03\x03\x00\x02\x02\x28"),
    "zeros": Scripted(b"\x00" * 4096),
    "a negative length": Scripted(HEAD + b"Content-Length: -1\r\n\r\n" + BODY),
    "a length that is no number": Scripted(HEAD + b"Content-Length: twelve\r\n\r\n" + BODY),
    "a length with a sign": Scripted(HEAD + b"Content-Length: +5\r\n\r\n" + BODY),
    "a length past all integers": Scripted(HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n"),
    "two different lengths": Scripted(HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + BODY),
    "a length and chunks": Scripted(
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a chunk size that is no number": Scripted(chunked(b"zz\r\n", BODY)),
    "a negative chunk size": Scripted(chunked(b"-5\r\n", BODY)),
    "a chunk size past all integers": Scripted(chunked(b"f" * 20 + b"\r\n", BODY)),
    "a chunk longer than it says": Scripted(chunked(b"5\r\n", BODY, b"\r\n0\r\n\r\n")),
    "a header of a megabyte": Scripted(HEAD + b"X-Long: " + b"a" * 2**20 + b"\r\n\r\n"),
    "a header name of a megabyte": Scripted(HEAD + b"a" * 2**20 + b": 1\r\n\r\n"),
    "a reason of a megabyte": Scripted(b"HTTP/1.1 200 " + b"a" * 2**20 + b"\r\n\r\n"),
    "a thousand headers": Scripted(HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(1000)) + b"\r\n" + BODY),
    "headers without end": Scripted(HEAD, more=lambda: repeat(b"X-More: and more\r\n" * 100)),
    "a header without a colon": Scripted(HEAD + b"nothing\r\n\r\n"),
    "a header with a zero byte": Scripted(HEAD + b"X-Zero: a\x00b\r\nContent-Length: 0\r\n\r\n"),
    "a header name with a space": Scripted(HEAD + b"X Space: 1\r\nContent-Length: 0\r\n\r\n"),
}
CUT_OFF = {
    "nothing, and the connection closed": Scripted(),
    "nothing, and the connection reset": Scripted(then="reset"),
    "nothing, and one half of the connection closed": Scripted(then="shut"),
    "half a status line": Scripted(b"HTTP/1.1 2"),
    "half of the headers": Scripted(HEAD + b"Content-Le"),
    "half a body": Scripted(HEAD + b"Content-Length: 1000\r\n\r\n" + BODY),
    "half a body, and one half of the connection closed": Scripted(
        HEAD + b"Content-Length: 1000\r\n\r\n" + BODY, then="shut"
    ),
    "half a body, and the connection reset": Scripted(
        HEAD + b"Content-Length: 1000\r\n\r\n" + BODY, then="reset"
    ),
    "chunks without their end": Scripted(chunked(b"%x\r\n" % len(BODY), BODY, b"\r\n")),
    "half a chunk": Scripted(chunked(b"fff\r\n", BODY)),
    "half a body in gzip": Scripted(
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n" + gzip.compress(BODY)[:40]
    ),
    "only interim replies": Scripted(b"HTTP/1.1 100 Continue\r\n\r\n" * 3),
    "early hints alone": Scripted(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"),
}
TOO_SLOW = {
    "silence": Scripted(then="hold"),
    "half a status line, then silence": Scripted(b"HTTP/1.1 2", then="hold"),
    "half of the headers, then silence": Scripted(HEAD + JSON, then="hold"),
    "half a body, then silence": Scripted(HEAD + b"Content-Length: 1000\r\n\r\n" + BODY, then="hold"),
    "headers that drip": Scripted(HEAD, more=lambda: repeat(b"X: 1\r\n"), pause=0.05),
    "a body that drips": Scripted(
        HEAD + b"Content-Length: 100000\r\n\r\n", more=lambda: repeat(b" "), pause=0.01
    ),
    "chunks that drip": Scripted(chunked(), more=lambda: repeat(b"1\r\n \r\n"), pause=0.01),
    "interim replies without end": Scripted(
        more=lambda: repeat(b"HTTP/1.1 100 Continue\r\n\r\n"), pause=0.01
    ),
}
TOO_LARGE = {
    "a body without end": Scripted(HEAD + JSON + b"\r\n", more=lambda: repeat(b" " * 2**16)),
    "chunks without end": Scripted(chunked(), more=lambda: repeat(b"10000\r\n" + b" " * 2**16 + b"\r\n")),
    "a length far over the bound": Scripted(
        HEAD + b"Content-Length: 9000000000\r\n\r\n", more=lambda: repeat(b" " * 2**16)
    ),
}
BAD_ENCODING = {
    "text that says it is gzip": encoded("gzip", BODY),
    "text that says it is deflate": encoded("deflate", b"\xff\xff" + BODY),
    "gzip with a wrong checksum": encoded("gzip", gzip.compress(BODY)[:-8] + b"\x00" * 8),
    "gzip within a right length, cut off": encoded("gzip", gzip.compress(BODY)[:40]),
}
OUT_OF_CONTRACT = {
    "no body": (answer("200 OK", b""), "$"),
    "a web page": (answer("200 OK", b"<html>It works!</html>"), "$"),
    "a byte order mark": (answer("200 OK", b"\xef\xbb\xbf" + BODY), "$"),
    "UTF-16": (answer("200 OK", BODY.decode().encode("utf-16")), "$"),
    "bytes that are no UTF-8": (answer("200 OK", BODY.replace(b"ci", b"\xff\xfe")), "$"),
    "JSON and something after it": (answer("200 OK", BODY + b"}"), "$"),
    "NaN": (answer("200 OK", BODY.replace(b'"ci"', b"NaN")), "$"),
    "arrays a hundred thousand deep": (answer("200 OK", b"[" * 100_000 + b"]" * 100_000), "$"),
    "an array": (answer("200 OK", [RECORD]), "$"),
    "null": (answer("200 OK", b"null"), "$"),
    "the record one level down": (answer("200 OK", {"data": RECORD}), "$.id"),
    "a name that is a number": (changed(name=5), "$.name"),
    "a name that is null": (changed(name=None), "$.name"),
    "a suffix of five": (changed(suffix="abcde"), "$.suffix"),
    "a time of no zone": (changed(createdAt="2026-01-02T03:04:05"), "$.createdAt"),
    "a time that never was": (changed(createdAt="2026-02-30T03:04:05Z"), "$.createdAt"),
    "a time before the year one in UTC": (changed(createdAt="0001-01-01T00:00:00+14:00"), "$.createdAt"),
    "another organization": (changed(organizationId="0" * 8 + ORGANIZATION[8:]), "$.organizationId"),
    "another key": (changed(id="0" * 8 + KEY_ID[8:]), "$.id"),
    "an encoding that nobody knows": (encoded("rot13", b"{nothing"), "$"),
    "a 201": (answer("201 Created"), "$"),
    "a 202 that has no body": (answer("202 Accepted", b""), "$"),
    "a 204 that has a body": (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}", "$"),
    "a 206": (answer("206 Partial Content"), "$"),
    "a 299": (answer("299 Whatever"), "$"),
}


async def fail(client: AccessKeysClient) -> AccessKeysError:
    """Make a call that fails within its bounds, and return its error."""
    async with asyncio.timeout(3):
        with pytest.raises(AccessKeysError) as caught:
            await client.get(ORGANIZATION, KEY_ID)
    assert_ours(caught.value)
    return caught.value


async def assert_works(client: AccessKeysClient) -> None:
    async with asyncio.timeout(3):
        key = await client.get(ORGANIZATION, KEY_ID)
    assert str(key.id) == KEY_ID


@pytest.mark.parametrize("reply", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_is_no_http_is_an_answer_out_of_contract(
    client: AccessKeysClient, server: RawServer, reply: Scripted
) -> None:
    server.play(reply)
    error = await fail(client)
    assert isinstance(error, APIResponseError)
    assert len(server.heads) == 1
    await assert_works(client)


@pytest.mark.parametrize("reply", CUT_OFF.values(), ids=CUT_OFF)
async def test_a_reply_cut_off_has_an_unknown_outcome(
    client: AccessKeysClient, server: RawServer, reply: Scripted
) -> None:
    server.play(reply)
    error = await fail(client)
    assert isinstance(error, APIConnectionError)
    assert error.sent is None
    assert not isinstance(error, APITimeoutError)
    assert len(server.heads) == 1
    await assert_works(client)


@pytest.mark.parametrize("reply", TOO_SLOW.values(), ids=TOO_SLOW)
async def test_a_reply_too_slow_ends_with_the_attempt(
    client: AccessKeysClient, server: RawServer, reply: Scripted
) -> None:
    server.play(reply)
    error = await fail(client)
    assert isinstance(error, APITimeoutError)
    assert error.sent is None
    await assert_works(client)


@pytest.mark.parametrize("reply", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_a_body_over_the_bound_is_not_read_to_its_end(
    client: AccessKeysClient, server: RawServer, reply: Scripted
) -> None:
    server.play(reply)
    small = client.with_options(max_response_bytes=100_000)
    assert isinstance(await fail(small), ResponseTooLargeError)
    assert server.written < 32 * 2**20
    await assert_works(client)


@pytest.mark.parametrize("reply", BAD_ENCODING.values(), ids=BAD_ENCODING)
async def test_a_body_in_another_encoding_than_it_says_is_out_of_contract(
    client: AccessKeysClient, server: RawServer, reply: bytes
) -> None:
    server.play(reply)
    assert isinstance(await fail(client), APIResponseError)
    await assert_works(client)


@pytest.mark.parametrize(("reply", "place"), OUT_OF_CONTRACT.values(), ids=OUT_OF_CONTRACT)
async def test_an_answer_out_of_contract_is_refused_with_its_place(
    client: AccessKeysClient, server: RawServer, reply: bytes, place: str
) -> None:
    server.play(reply)
    error = await fail(client)
    assert isinstance(error, APIResponseError)
    assert error.place == place
    assert len(server.heads) == 1
    await assert_works(client)


@pytest.mark.parametrize("depth", [100_000, 2_000_000])
async def test_an_unknown_field_however_deep_is_left_out_or_refused(
    client: AccessKeysClient, server: RawServer, depth: int
) -> None:
    """How deep an interpreter goes is its own matter: Python 3.14 goes as deep as its stack is long."""
    server.play(answer("200 OK", BODY[:-1] + b', "x": ' + b"[" * depth + b"]" * depth + b"}"))
    async with asyncio.timeout(3):
        found = (await asyncio.gather(client.get(ORGANIZATION, KEY_ID), return_exceptions=True))[0]
    if isinstance(found, APIResponseError):
        assert_ours(found)
        assert found.place == "$"
    else:
        assert isinstance(found, AccessKey)
        assert found.name == RECORD["name"]
    await assert_works(client)


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308", "300", "304"])
async def test_a_token_never_follows_a_redirect(
    client: AccessKeysClient, server: RawServer, status: str
) -> None:
    server.play(answer(f"{status} Elsewhere", b"", f"Location: {server.url}/elsewhere"))
    error = await fail(client)
    assert isinstance(error, RedirectError)
    assert error.location == f"{server.url}/elsewhere"
    assert error.location in str(error)
    assert len(server.heads) == 1
    await assert_works(client)


async def test_cookies_are_neither_kept_nor_sent_back(make_client: MakeClient, server: RawServer) -> None:
    client = make_client(base_url=server.url.replace("127.0.0.1", "localhost"))  # no jar keeps an address's
    cookies = ["Set-Cookie: session=1; Path=/", "Set-Cookie: \x01=;;;\xff", f"Set-Cookie: a={'b' * 4000}"]
    server.play(answer("200 OK", RECORD, *cookies))
    await assert_works(client)
    await assert_works(client)
    assert len(server.heads) == 2
    assert all(b"cookie" not in head.lower() for head in server.heads)


async def test_interim_replies_before_the_answer_are_passed_over(
    client: AccessKeysClient, server: RawServer
) -> None:
    server.play(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + answer())
    await assert_works(client)


async def test_a_switch_of_protocols_is_refused_and_gives_its_connection_back(
    make_client: MakeClient, server: RawServer
) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    server.play(Scripted(switch, then="hold"), Scripted(switch + b"frames", then="shut"))
    client = make_client(max_concurrency=1)
    assert isinstance(await fail(client), AccessKeysError)
    assert isinstance(await fail(client), AccessKeysError)
    await assert_works(client)


async def test_what_comes_behind_an_answer_is_not_taken_for_the_next(
    client: AccessKeysClient, server: RawServer
) -> None:
    forged = answer("200 OK", {**RECORD, "name": "forged"})
    server.play(answer() + forged)
    assert (await client.get(ORGANIZATION, KEY_ID)).name == "ci"
    assert (await client.get(ORGANIZATION, KEY_ID)).name == "ci"
    assert server.connections == 2


async def test_a_header_from_the_server_cannot_add_lines_to_an_error(
    client: AccessKeysClient, server: RawServer
) -> None:
    body = {"code": "bad\r\nX: 1", "message": "two\nlines \x1b[31mred\x1b[0m \u202e", "details": ["a\nb"]}
    server.play(answer("409 Conflict", body, "X-Request-Id: one\ttwo"))
    error = await fail(client)
    assert isinstance(error, APIStatusError)
    assert str(error).isprintable()


def make_bomb(megabytes: int) -> bytes:
    """Pack so many megabytes of zeros; after a full flush, the same zeros are the same bytes again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    other = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + other * (megabytes - 1) + packer.flush()


async def test_a_bomb_in_gzip_ends_at_the_bound_in_little_memory(
    client: AccessKeysClient, server: RawServer
) -> None:
    bomb = make_bomb(300)
    assert len(bomb) < 400_000
    server.play(Scripted(encoded("gzip", bomb)))
    tracemalloc.start()
    try:
        assert isinstance(await fail(client), ResponseTooLargeError)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20
    await assert_works(client)


async def test_the_bound_of_empty_pages_is_the_clients(make_client: MakeClient, server: RawServer) -> None:
    for number in range(20):
        server.play(answer(body={"results": [], "nextPageToken": f"t{number}"}))
    client = make_client(max_empty_pages=5)
    with pytest.raises(PaginationError, match="no new key in 5 pages"):
        await client.list(ORGANIZATION).collect()
    assert len(server.heads) <= 7
