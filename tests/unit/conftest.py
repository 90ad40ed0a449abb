from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from accesskeys_async import AccessKeysClient, AccessKeysError, Request, Response, RetryPolicy

TOKEN = "client-token-GhIjKl"
BASE_URL = "https://api.example"


class Unthrottled:
    """Lets everything through at once."""

    async def acquire(self, request: Request) -> None: ...

    def pause(self, request: Request) -> float:
        return 0.0

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None: ...


@pytest.fixture
async def make_client() -> AsyncIterator[Callable[..., AccessKeysClient]]:
    """Clients that wait for nothing between attempts, and are closed at the end."""
    made: list[AccessKeysClient] = []

    def make(**options: Any) -> AccessKeysClient:
        defaults: dict[str, Any] = {
            "token": TOKEN,
            "base_url": BASE_URL,
            "retry": RetryPolicy(base_delay=0),
            "throttle": Unthrottled(),
        }
        made.append(AccessKeysClient(**(defaults | options)))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
def client(make_client: Callable[..., AccessKeysClient]) -> AccessKeysClient:
    return make_client()
