"""Pytest fixtures: the emulator, fresh for each test, and a client of it.

Registered as a plugin by the package itself, and cheap until a fixture is asked for. Both fixtures are
synchronous, so they serve tests under pytest-asyncio in either mode, under anyio on asyncio, and tests that
run no loop or their own. Under pytest-xdist each worker has its own emulator.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from accesskeys_async._http.messages import Next, Request, Response
    from accesskeys_async.client import AccessKeysClient
    from accesskeys_async.emulator import Emulator


@pytest.fixture(scope="session")
def _accesskeys_emulator_service() -> Iterator[Emulator]:
    from accesskeys_async.emulator import Emulator

    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def accesskeys_emulator(_accesskeys_emulator_service: Emulator) -> Emulator:
    """A running emulator with one organization, in the same fresh state for every test.

    The server itself lasts as long as the test session, on a thread of its own.
    """
    _accesskeys_emulator_service.reset()
    return _accesskeys_emulator_service


@pytest.fixture
def accesskeys_client(accesskeys_emulator: Emulator) -> Iterator[AccessKeysClient]:
    """A client with the token of the emulator's organization, closed for you.

    It belongs to the event loop of its first call, as every client does.
    """
    from accesskeys_async.client import AccessKeysClient

    closer = _Closer()
    client = AccessKeysClient(
        accesskeys_emulator.token, base_url=accesskeys_emulator.base_url, middlewares=(closer,)
    )
    closer.client = client
    yield client
    closer.close()


class _Closer:
    """Close a client on its own loop, whichever ends first: the loop or the test.

    A synchronous fixture may be torn down when the loop is closed already, and then its connections could
    not be closed any more. So the first call, which is the first to know the loop, leaves an async generator
    there; every runner (asyncio's, pytest-asyncio's, anyio's) finishes those before it closes its loop.
    """

    client: AccessKeysClient

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: AsyncGenerator[None, None] | None = None

    async def __call__(self, request: Request, call_next: Next) -> Response:
        """Note the loop of the first call; the client's middleware."""
        if self._waiting is None:
            self._loop = asyncio.get_running_loop()
            self._waiting = self._wait()
            await anext(self._waiting)
        return await call_next(request)

    async def _wait(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.client.aclose()

    def close(self) -> None:
        """Close now, if the loop outlives the test."""
        if self._loop is not None and self._waiting is not None and not self._loop.is_closed():
            self._loop.run_until_complete(self._waiting.aclose())
