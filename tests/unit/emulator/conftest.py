from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import attrs
import pytest

from accesskeys_async.emulator import Emulator, ManualClock


@attrs.frozen
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def fields(self) -> set[str]:
        return {detail["field"] for detail in self.json["details"]}


@attrs.define
class Api:
    """Asks an emulator over a real socket, as its first organization unless told otherwise."""

    emulator: Emulator
    session: aiohttp.ClientSession

    @property
    def keys_path(self) -> str:
        return f"/organizations/{self.emulator.organization_id}/access-keys"

    async def ask(
        self, method: str, path: str | None = None, *, token: str | None = None, **options: Any
    ) -> Answer:
        headers = {"Authorization": f"AccessKey {token or self.emulator.token}", **options.pop("headers", {})}
        url = self.emulator.base_url + (self.keys_path if path is None else path)
        async with self.session.request(method, url, headers=headers, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def list(self, **params: str) -> Answer:
        return await self.ask("GET", params=params)

    async def create(self, name: str = "ci", description: str = "deploys", **more: Any) -> Answer:
        return await self.ask("POST", json={"name": name, "description": description, **more})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[Emulator]:
    async with Emulator(organizations=2, keys_per_organization=7, clock=clock, control=True) as emulator:
        yield emulator


@pytest.fixture
async def api(emulator: Emulator) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(emulator, session)


@pytest.fixture
def send_raw(emulator: Emulator) -> Callable[[bytes], Awaitable[bytes]]:
    """Send bytes on a fresh connection and return all that comes back until its end."""

    async def send(wire: bytes) -> bytes:
        url = urlsplit(emulator.base_url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        try:
            writer.write(wire)
            return await asyncio.wait_for(reader.read(), 5)
        finally:
            writer.close()

    return send


@pytest.fixture
def send(
    emulator: Emulator, send_raw: Callable[[bytes], Awaitable[bytes]]
) -> Callable[..., Awaitable[bytes]]:
    """Send one request on a connection of its own, which no client library can resend."""

    async def send(method: str = "GET", path: str = "", body: bytes = b"") -> bytes:
        lines = [
            f"{method} /organizations/{emulator.organization_id}/access-keys{path} HTTP/1.1",
            "Host: emulator",
            f"Authorization: AccessKey {emulator.token}",
            "Connection: close",
            f"Content-Length: {len(body)}",
            *(["Content-Type: application/json"] if body else []),
        ]
        return await send_raw("\r\n".join([*lines, "", ""]).encode() + body)

    return send


@pytest.fixture
def arrived(emulator: Emulator) -> Callable[[], Awaitable[None]]:
    """Return once a request is in the journal; the emulator has no other sign for it."""

    async def arrived() -> None:
        while not len(emulator.journal):  # noqa: ASYNC110 - what is waited for is the journal itself
            await asyncio.sleep(0)

    return arrived
