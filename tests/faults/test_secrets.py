"""Nothing that the library says, whatever it meets, has a token in it."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable

import pytest

from accesskeys_async import (
    AccessKeysClient,
    AccessKeysError,
    APIStatusError,
    ConfigurationError,
    RetryPolicy,
    Timeout,
    Token,
)
from accesskeys_async.emulator import Emulator, Fault
from tests.faults.conftest import MakeClient
from tests.faults.raw_server import KEY_ID, ORGANIZATION, RECORD, TOKEN, RawServer, Scripted, answer
from tests.secrets_watch import SecretsWatch

CREATED = "Zz7654321mNbVcXzLkJhGfDsApOiUyTrEw5Q"
Call = Callable[[AccessKeysClient], Awaitable[object]]
CALLS: dict[str, Call] = {
    "get": lambda client: client.get(ORGANIZATION, KEY_ID),
    "create": lambda client: client.create(ORGANIZATION, name="ci", description="deploys"),
    "update": lambda client: client.update(ORGANIZATION, KEY_ID, name="cd"),
    "delete": lambda client: client.delete(ORGANIZATION, KEY_ID),
    "list": lambda client: client.list(ORGANIZATION).collect(),
}


def secret_line(head: bytes) -> bytes:
    return next(line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization"))


def echo_in_status(head: bytes) -> bytes:
    return secret_line(head) + b"\r\n\r\n"


def echo_in_reason(head: bytes) -> bytes:
    return b"HTTP/1.1 500 " + secret_line(head) + b"\r\nContent-Length: 0\r\n\r\n"


def echo_in_bad_header(head: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + secret_line(head).replace(b":", b"") + b"\r\n\r\n"


def echo_in_chunk(head: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secret_line(head) + b"\r\n"


def echo_in_encoding(head: bytes) -> bytes:
    return answer("200 OK", secret_line(head), "Content-Encoding: gzip")


def echo_in_headers(status: str) -> Callable[[bytes], bytes]:
    def echo(head: bytes) -> bytes:
        line = secret_line(head).decode()
        return answer(
            status, b"", line, f"Location: /{line}", f"X-Request-Id: {line}", f"Retry-After: {line}"
        )

    return echo


def echo_cut_off(head: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + secret_line(head) + b"\r\nContent-Length: 999\r\n\r\n" + head


def echo_in_error(head: bytes) -> bytes:
    line = secret_line(head).decode()
    return answer("409 Conflict", {"code": line, "message": line, "details": {line: [line]}})


def echo_escaped(head: bytes) -> bytes:
    line = "".join(f"\\u{ord(character):04x}" for character in secret_line(head).decode())
    body = f'{{"code": "{line}", "message": "{line.upper().replace("U", "u")}", "details": "{line}"}}'
    return answer("409 Conflict", body.encode())


def echo_in_fields(status: str) -> Callable[[bytes], bytes]:
    def echo(head: bytes) -> bytes:
        line = secret_line(head).decode()
        return answer(status, {**RECORD, TOKEN: 1, line: 1, "id": line, "organizationId": TOKEN, "name": 5})

    return echo


def echo_in_names(head: bytes) -> bytes:
    return answer("201 Created", {"accessKey": RECORD, TOKEN: "x", CREATED: CREATED, "twice": CREATED})


def show_token_twice(head: bytes) -> bytes:
    record = {**RECORD, "suffix": CREATED[-6:]}
    return answer("201 Created", {"accessKey": record, "a": CREATED, "b": CREATED})


def show_token_of_another_organization(head: bytes) -> bytes:
    record = {**RECORD, "organizationId": KEY_ID, "suffix": CREATED[-6:]}
    return answer("201 Created", {"accessKey": record, "token": CREATED})


def show_token_in_broken_json(head: bytes) -> bytes:
    return answer("201 Created", json.dumps({"accessKey": RECORD, "token": CREATED}).encode()[:-1] + b"!")


ECHOES: dict[str, Callable[[bytes], bytes]] = {
    "the request itself": lambda head: head,
    "the header as a status line": echo_in_status,
    "the header as a reason": echo_in_reason,
    "the header as a broken header": echo_in_bad_header,
    "the header as a chunk size": echo_in_chunk,
    "the header as gzip": echo_in_encoding,
    "the header in headers of a 200": echo_in_headers("200 OK"),
    "the header in headers of a 302": echo_in_headers("302 Found"),
    "the header in headers of a 429": echo_in_headers("429 Too Many Requests"),
    "the header in headers of a 503": echo_in_headers("503 Service Unavailable"),
    "a reply cut off": echo_cut_off,
    "the header in a refusal": echo_in_error,
    "the header in a refusal, escaped": echo_escaped,
    "the header in the fields of a 200": echo_in_fields("200 OK"),
    "the header in the fields of a 201": echo_in_fields("201 Created"),
    "tokens as names of fields": echo_in_names,
    "a created token twice": show_token_twice,
    "a created token of another organization": show_token_of_another_organization,
    "a created token in broken JSON": show_token_in_broken_json,
    "a body too large": lambda head: answer("200 OK", head * 2000),
}


@pytest.fixture(autouse=True)
def watch(secrets_watch: SecretsWatch, caplog: pytest.LogCaptureFixture) -> SecretsWatch:
    caplog.set_level(logging.DEBUG)
    for token in (TOKEN, CREATED):
        secrets_watch.learn(token)
        secrets_watch.learn(base64.b64encode(token.encode()).decode())
    return secrets_watch


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
async def test_a_token_that_is_echoed_goes_no_further(
    make_client: MakeClient,
    server: RawServer,
    call: Call,
    echo: Callable[[bytes], bytes],
    watch: SecretsWatch,
) -> None:
    server.play(*[Scripted(echo)] * 2)
    events: list[object] = []
    client = make_client(
        retry=RetryPolicy(max_retries=1, base_delay=0), max_response_bytes=100_000, hooks=[events.append]
    )
    try:
        await call(client)
    except AccessKeysError as error:
        watch.inspect(error)
    assert TOKEN not in repr(events)
    assert CREATED not in repr(events)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_cancelled_call_shows_no_token_in_its_traceback(
    make_client: MakeClient, server: RawServer, call: Call, watch: SecretsWatch
) -> None:
    server.play(Scripted(then="hold"), Scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", then="hold"))
    client = make_client()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await call(client)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.status(500, times=2),
        Fault.status(503, times=2, retry_after=0),
        Fault.status(429, times=2, retry_after=0),
        Fault.status(429, times=2, retry_after=3600),
        Fault.status(403),
        Fault.delay(0.5, times=2),
        Fault.reset_before(times=2),
        Fault.reset_after(times=2),
        Fault.cut_headers(times=2),
        Fault.cut_body(times=2),
        Fault.malformed_json(times=2),
        Fault.drip(0.5, times=2),
    ],
    ids=lambda fault: f"{fault.kind} {fault.reply.status if fault.reply else ''}",
)
async def test_no_operation_under_any_fault_shows_a_token(
    emulator: Emulator, fault: Fault, watch: SecretsWatch
) -> None:
    async with AccessKeysClient(
        emulator.token,
        base_url=emulator.base_url,
        retry=RetryPolicy(max_retries=1, base_delay=0),
        timeout=Timeout(attempt=0.1),
        deadline=1.0,
    ) as client:
        made = await client.create(emulator.organization_id, name="a", description="b")
        watch.learn(made.token.reveal())
        for call in CALLS.values():
            emulator.faults.add(fault)
            for _ in range(2):
                try:
                    result = await call(client.with_options())
                    watch.search("a result", repr(result))
                except AccessKeysError as error:
                    watch.inspect(error)
            emulator.faults.clear()
        watch.search("a created key", f"{made} {made!r} {made.token}")


@pytest.mark.parametrize(
    ("token", "options"),
    [
        (TOKEN, {"base_url": "http://example.com"}),
        (TOKEN, {"deadline": -1}),
        (TOKEN, {"max_concurrency": 0}),
        (TOKEN, {"ssl": "/nowhere/bundle.pem"}),
        (TOKEN + "\n", {}),
        ("'" + TOKEN + " '", {}),
    ],
)
def test_a_client_that_refuses_its_settings_does_not_show_its_token(
    token: str, options: dict[str, object], watch: SecretsWatch
) -> None:
    with pytest.raises(ConfigurationError):
        AccessKeysClient(token, **options)


async def test_a_token_that_a_callable_gives_is_not_shown_when_it_is_refused(make_client: MakeClient) -> None:
    async def give() -> str:
        return TOKEN + " and more"

    with pytest.raises(ConfigurationError):
        await make_client(give).get(ORGANIZATION, KEY_ID)


async def test_a_refusal_keeps_what_is_no_token(make_client: MakeClient, server: RawServer) -> None:
    server.play(Scripted(echo_in_error))
    with pytest.raises(APIStatusError) as caught:
        await make_client().get(ORGANIZATION, KEY_ID)
    assert caught.value.message == "Authorization: AccessKey ***"
    assert caught.value.details == {"Authorization: AccessKey ***": ["Authorization: AccessKey ***"]}


async def test_a_token_with_a_slash_is_masked_where_json_escapes_it(
    make_client: MakeClient, server: RawServer
) -> None:
    token = Token('a/b+c"d\\e/0123456789/aBcDeF')
    said = token.reveal().replace("\\", "\\\\").replace('"', '\\"').replace("/", "\\/")
    server.play(answer("409 Conflict", f'{{"message": "not {said}!"}}'.encode()))
    with pytest.raises(APIStatusError) as caught:
        await make_client(token).get(ORGANIZATION, KEY_ID)
    assert caught.value.message == "not ***!"
