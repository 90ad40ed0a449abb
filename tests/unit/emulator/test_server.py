import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.emulator import Emulator, Fault, ManualClock
from accesskeys_async.emulator.server import Listener
from tests.unit.emulator.asking import Api, Connection, SendRaw


@pytest.mark.parametrize(
    "wire",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nAuthorization: AccessKey SECRET\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    ],
    ids=["words", "version", "header", "long", "tls"],
)
async def test_what_is_not_http_is_answered_in_json_and_not_logged(
    send_raw: SendRaw, caplog: pytest.LogCaptureFixture, wire: bytes
) -> None:
    caplog.set_level(logging.DEBUG)

    head, _, body = (await send_raw(wire)).partition(b"\r\n\r\n")

    assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"application/json" in head
    assert b"messagebird-request-id: " in head
    assert body.startswith(b'{"code":"BadRequest"')
    assert "SECRET" not in caplog.text


async def test_broken_chunks_are_400_in_json(emulator: Emulator, send_raw: SendRaw) -> None:
    head = (
        f"POST /organizations/{emulator.organization_id}/access-keys HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: AccessKey {emulator.token}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )

    reply = await send_raw(head.encode() + b"zz\r\nnot a chunk\r\n")

    assert b" 400 " in reply.partition(b"\r\n")[0]
    assert b'"code":"' in reply


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_body_that_does_not_decode_is_400_and_no_defect(
    api: Api, caplog: pytest.LogCaptureFixture, encoding: str
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}

    answer = await api.ask("POST", data=b"not compressed at all", headers=headers, compress=False)

    assert (answer.status, answer.json["code"]) == (400, "MalformedBody")
    assert "Unhandled" not in caplog.text


async def test_a_client_that_waits_to_be_invited_is_invited(api: Api) -> None:
    answer = await api.ask("POST", json={"name": "a", "description": "b"}, expect100=True)

    assert answer.status == 201


@pytest.mark.slow
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    target=st.binary(max_size=40).map(lambda tail: b"/" + tail) | st.binary(max_size=40),
    header=st.binary(max_size=40),
    body=st.binary(max_size=40),
)
def test_no_bytes_make_a_server_error(method: str, target: bytes, header: bytes, body: bytes) -> None:
    with Emulator() as emulator, socket.create_connection(address_of(emulator), timeout=5) as connection:
        prefix = f"/organizations/{emulator.organization_id}/access-keys".encode()
        connection.sendall(
            b"%b %b%b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            % (method.encode(), prefix, target)
            + b"Authorization: AccessKey %b\r\nX: %b\r\n" % (emulator.token.encode(), header)
            + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        reply = connection.recv(100)

    assert reply.startswith((b"HTTP/1.1 ", b"HTTP/1.0 "))
    assert reply[9:10] in {b"2", b"4"}


class BrokenReply(web.Response):
    async def write_eof(self, data: bytes = b"") -> None:
        raise ZeroDivisionError


async def test_a_defect_in_sending_is_logged_and_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return BrokenReply()

    listener = Listener(answer, lambda reply: web.Response(status=reply.status))
    port = await listener.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.read()
    writer.close()
    await listener.stop()

    assert "ZeroDivisionError" in caplog.text


class BrokenClock(ManualClock):
    broken = False

    def now(self) -> datetime:
        if self.broken:
            raise ZeroDivisionError
        return super().now()


async def test_a_defect_is_a_500_in_json_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    clock = BrokenClock()
    async with Emulator(clock=clock) as emulator:
        clock.broken = True
        reader, writer = await plain(emulator)
        reply = await reader.read()
        writer.close()

    assert reply.startswith(b"HTTP/1.1 500")
    assert b'"code":"InternalServerError"' in reply
    assert "ZeroDivisionError" in caplog.text
    assert emulator.token not in caplog.text


async def unfinished_body(emulator: Emulator) -> Connection:
    reader, writer = await asyncio.open_connection(*address_of(emulator))
    writer.write(
        f"POST /organizations/{emulator.organization_id}/access-keys HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: AccessKey {emulator.token}\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000\r\n\r\n{".encode()
    )
    return reader, writer


async def unfinished_head(emulator: Emulator) -> Connection:
    reader, writer = await asyncio.open_connection(*address_of(emulator))
    writer.write(b"GET / HTTP/1.1\r\nHos")
    return reader, writer


async def delayed(emulator: Emulator) -> Connection:
    emulator.faults.add(Fault.delay(3600))
    return await plain(emulator)


async def dripping(emulator: Emulator) -> Connection:
    emulator.faults.add(Fault.drip(3600))
    return await plain(emulator)


async def too_large(emulator: Emulator) -> Connection:
    reader, writer = await asyncio.open_connection(*address_of(emulator))
    writer.write(
        f"POST /organizations/{emulator.organization_id}/access-keys HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: AccessKey {emulator.token}\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000000\r\n\r\n{".encode()
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    return reader, writer


async def plain(emulator: Emulator) -> Connection:
    reader, writer = await asyncio.open_connection(*address_of(emulator))
    writer.write(
        f"GET /organizations/{emulator.organization_id}/access-keys HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: AccessKey {emulator.token}\r\n\r\n".encode()
    )
    return reader, writer


def address_of(emulator: Emulator) -> tuple[str, int]:
    url = urlsplit(emulator.base_url)
    assert url.hostname is not None
    assert url.port is not None
    return url.hostname, url.port


async def test_a_request_under_way_is_answered_before_the_stop() -> None:
    async with Emulator() as emulator:
        emulator.faults.add(Fault.delay(0.05))
        reader, writer = await plain(emulator)
        while not len(emulator.journal):  # noqa: ASYNC110 - what is waited for is the journal itself
            await asyncio.sleep(0)

    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
    writer.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "client", [unfinished_body, unfinished_head, delayed, dripping, too_large], ids=lambda c: c.__name__
)
async def test_no_client_can_hold_up_the_stop(client: Callable[[Emulator], Awaitable[Connection]]) -> None:
    emulator = Emulator()
    async with emulator:
        reader, writer = await client(emulator)
        await make_a_round_trip(emulator)
        began = time.monotonic()

    assert time.monotonic() - began < 2
    assert await reader.read() is not None
    writer.close()


async def make_a_round_trip(emulator: Emulator) -> None:
    """Return when a later request was answered: by then the earlier one has been taken up."""
    reader, writer = await asyncio.open_connection(*address_of(emulator))
    writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
