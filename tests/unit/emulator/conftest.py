from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import pytest

from accesskeys_async.emulator import Emulator, ManualClock
from tests.unit.emulator.asking import Api, Arrived, Send, SendRaw


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
def send_raw(emulator: Emulator) -> SendRaw:
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
def send(emulator: Emulator, send_raw: SendRaw) -> Send:
    async def send(method: str = "GET", path: str = "", body: bytes = b"") -> bytes:
        lines = [
            f"{method} /organizations/{emulator.organization_id}/access-keys{path} HTTP/1.1",
            "Host: localhost",
            f"Authorization: AccessKey {emulator.token}",
            "Connection: close",
            f"Content-Length: {len(body)}",
            *(["Content-Type: application/json"] if body else []),
        ]
        return await send_raw("\r\n".join([*lines, "", ""]).encode() + body)

    return send


@pytest.fixture
def arrived(emulator: Emulator) -> Arrived:
    """Return once a request is in the journal; the emulator has no other sign for it."""

    async def arrived() -> None:
        while not len(emulator.journal):  # noqa: ASYNC110 - what is waited for is the journal itself
            await asyncio.sleep(0)

    return arrived
