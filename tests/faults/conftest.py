from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from accesskeys_async import AccessKeysClient, RetryPolicy, Timeout
from accesskeys_async.emulator import Emulator
from tests.faults.raw_server import TOKEN, RawServer


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    raw = RawServer()
    listener = await asyncio.start_server(raw.serve, "127.0.0.1", 0, limit=2**20)
    raw.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        listener.close()
        await raw.stop()


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as service:
        yield service


MakeClient = Callable[..., AccessKeysClient]


@pytest.fixture
async def make_client(server: RawServer) -> AsyncIterator[MakeClient]:
    """Make a client of the raw server that does not try again and waits for half a second at most."""
    made: list[AccessKeysClient] = []

    def make(token: Any = TOKEN, **options: Any) -> AccessKeysClient:
        defaults: dict[str, Any] = {
            "base_url": server.url,
            "timeout": Timeout(connect=0.5, attempt=0.5),
            "deadline": 2.0,
            "retry": RetryPolicy(max_retries=0, base_delay=0.0),
        }
        made.append(AccessKeysClient(token, **{**defaults, **options}))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
async def client(make_client: MakeClient) -> AccessKeysClient:
    return make_client()
