"""This library; the floors; and aiohttp with cattrs as it comes. Nothing here needs packages of its own."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import aiohttp
import msgspec
import orjson

from accesskeys_async import AccessKeysClient
from benchmarks.models import PlainKey, PlainPage, StructKey, StructPage, make_plain_converter
from benchmarks.raw_socket import Connections
from benchmarks.reading import Contestant, PageReader, Reader
from benchmarks.static_server import PAGE_SIZE, Target

__all__ = ["CONTESTANTS", "keys_path", "page_query"]


class ClientReader(Reader):
    """This library, with everything at its defaults."""

    def __init__(self, client: AccessKeysClient, organization_id: UUID, prefetch: int) -> None:
        self._client = client
        self._organization_id = organization_id
        self._prefetch = prefetch

    async def stream(self, keys: int) -> int:
        count = 0
        async for key in self._client.list(self._organization_id, limit=PAGE_SIZE, prefetch=self._prefetch):
            if key.name:
                count += 1
            if count == keys:
                break
        return count

    async def get(self, key_id: str) -> None:
        await self._client.get(self._organization_id, key_id)


class DictReader(PageReader):
    """aiohttp with orjson, to dicts: no records, no retries, no checks."""

    def __init__(self, session: aiohttp.ClientSession, target: Target) -> None:
        self._session = session
        self._url = target.base_url + keys_path(target)

    async def count_page(self, page_token: str | None) -> tuple[int, str | None]:
        async with self._session.get(self._url, params=page_query(page_token)) as reply:
            page = orjson.loads(await reply.read())
        count = 0
        for key in page["results"]:
            if key["name"]:
                count += 1
        return count, page.get("nextPageToken")

    async def get(self, key_id: str) -> None:
        async with self._session.get(f"{self._url}/{key_id}") as reply:
            orjson.loads(await reply.read())


class PlainReader(PageReader):
    """aiohttp with cattrs as it comes, to frozen attrs records."""

    def __init__(self, session: aiohttp.ClientSession, target: Target) -> None:
        self._session = session
        self._url = target.base_url + keys_path(target)
        self._converter = make_plain_converter()

    async def count_page(self, page_token: str | None) -> tuple[int, str | None]:
        async with self._session.get(self._url, params=page_query(page_token)) as reply:
            page = self._converter.loads(await reply.read(), PlainPage)
        count = 0
        for key in page.results:
            if key.name:
                count += 1
        return count, page.next_page_token

    async def get(self, key_id: str) -> None:
        async with self._session.get(f"{self._url}/{key_id}") as reply:
            self._converter.loads(await reply.read(), PlainKey)


class SocketReader(PageReader):
    """Bare connections with msgspec, to structs."""

    def __init__(self, connections: Connections, target: Target) -> None:
        self._connections = connections
        self._path = keys_path(target)
        self._page = msgspec.json.Decoder(StructPage)
        self._key = msgspec.json.Decoder(StructKey)

    async def count_page(self, page_token: str | None) -> tuple[int, str | None]:
        path = f"{self._path}?{urlencode(page_query(page_token))}"
        page = self._page.decode(await self._connections.get(path))
        count = 0
        for key in page.results:
            if key.name:
                count += 1
        return count, page.next_page_token

    async def get(self, key_id: str) -> None:
        self._key.decode(await self._connections.get(f"{self._path}/{key_id}"))


def keys_path(target: Target) -> str:
    """Return the path of the listing."""
    return f"/organizations/{target.organization_id}/access-keys"


def page_query(page_token: str | None) -> dict[str, str]:
    """Return the query of a page of the listing."""
    query = {"limit": str(PAGE_SIZE)}
    if page_token is not None:
        query["pageToken"] = page_token
    return query


def open_session(target: Target) -> aiohttp.ClientSession:
    """Open a session of bare aiohttp, with the token and room for every read that is under way."""
    return aiohttp.ClientSession(headers={"Authorization": f"AccessKey {target.token}"})


@asynccontextmanager
async def open_client(target: Target, *, prefetch: int = 1) -> AsyncGenerator[Reader]:
    """Open this library's client."""
    async with AccessKeysClient(target.token, base_url=target.base_url) as client:
        yield ClientReader(client, target.organization_id, prefetch)


@asynccontextmanager
async def open_bare(target: Target) -> AsyncGenerator[Reader]:
    """Open bare aiohttp, the yardstick."""
    async with open_session(target) as session:
        yield DictReader(session, target)


@asynccontextmanager
async def open_cattrs(target: Target) -> AsyncGenerator[Reader]:
    """Open aiohttp with cattrs."""
    async with open_session(target) as session:
        yield PlainReader(session, target)


@asynccontextmanager
async def open_socket(target: Target) -> AsyncGenerator[Reader]:
    """Open the raw-socket reader."""
    where = urlsplit(target.base_url)
    assert where.hostname is not None
    assert where.port is not None
    connections = Connections(where.hostname, where.port, token=target.token)
    try:
        yield SocketReader(connections, target)
    finally:
        connections.close()


CONTESTANTS: Final[Mapping[str, Contestant]] = {
    "client": open_client,
    "sequential": functools.partial(open_client, prefetch=0),
    "bare": open_bare,
    "socket": open_socket,
    "cattrs": open_cattrs,
}
