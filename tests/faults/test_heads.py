"""Heads, in an own session and in a borrowed one: each header once, and why an answer's did not come."""

from __future__ import annotations

import contextlib
from typing import Literal

import aiohttp
import pytest

from accesskeys_async import AccessKeysClient, AccessKeysError, APIConnectionError
from tests.faults.conftest import MakeClient
from tests.faults.raw_server import KEY_ID, ORGANIZATION, TOKEN, RawServer, Scripted

COMMON = {"host", "accept", "accept-encoding", "authorization", "user-agent"}


async def _call(client: AccessKeysClient, operation: str) -> None:
    # What comes back is not looked at here; a page is not what the server answers.
    with contextlib.suppress(AccessKeysError):
        match operation:
            case "list":
                await client.list(ORGANIZATION).first()
            case "get":
                await client.get(ORGANIZATION, KEY_ID)
            case "create":
                await client.create(ORGANIZATION, name="a", description="b")
            case _:
                await client.update(ORGANIZATION, KEY_ID, name="c")


def _read(head: bytes) -> list[tuple[str, str]]:
    lines = head.decode("latin-1").split("\r\n\r\n", maxsplit=1)[0].split("\r\n")[1:]
    return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


@pytest.mark.parametrize("is_borrowed", [False, True])
@pytest.mark.parametrize("operation", ["list", "get", "create", "update"])
async def test_each_header_is_sent_once_and_none_that_is_not_ours(
    server: RawServer, make_client: MakeClient, operation: str, is_borrowed: bool
) -> None:
    async with aiohttp.ClientSession() as session:
        await _call(make_client(session=session if is_borrowed else None), operation)

    headers = _read(server.heads[0])
    sent = dict(headers)
    has_body = operation in {"create", "update"}
    assert len(sent) == len(headers)
    assert sent.keys() == COMMON | ({"content-type", "content-length"} if has_body else set())
    assert headers[0] == ("host", server.url.removeprefix("http://"))
    assert sent["accept"] == "application/json"
    assert sent["accept-encoding"] == ("gzip, deflate" if operation == "list" else "identity")
    assert sent["authorization"] == f"AccessKey {TOKEN}"
    assert sent["user-agent"].startswith("accesskeys-async/")


@pytest.mark.parametrize("is_borrowed", [False, True])
@pytest.mark.parametrize(
    ("end", "reason"), [("reset", "Connection reset by peer"), ("close", "the server closed it")]
)
async def test_a_connection_that_is_lost_is_told_with_its_reason(
    server: RawServer,
    make_client: MakeClient,
    end: Literal["reset", "close"],
    reason: str,
    is_borrowed: bool,
) -> None:
    server.play(Scripted(then=end))
    async with aiohttp.ClientSession() as session:
        client = make_client(session=session if is_borrowed else None)
        with pytest.raises(APIConnectionError, match=reason):
            await client.get(ORGANIZATION, KEY_ID)
    assert len(server.heads) == 1
