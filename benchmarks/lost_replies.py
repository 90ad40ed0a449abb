"""Recoverable creates over a network that loses three of ten requests or replies."""

from __future__ import annotations

import asyncio
import time
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from accesskeys_async import AccessKeysClient, CreatedAccessKey, RetryBudget, RetryPolicy, Timeout
from accesskeys_async.emulator import Emulator
from benchmarks.dropping_proxy import DroppingProxy

__all__ = ["LostReplies", "create_over_lossy_network"]

SETTLE: Final = 0.3
"""Seconds; the service on this machine lists a key as soon as it has created it."""


@frozen
class LostReplies:
    """The requested creates, and the result."""

    creates: int
    tasks: int
    requests: int
    dropped_before: int
    dropped_after: int
    keys: int
    """Live keys, without the client's own."""
    usable_tokens: int
    """Tokens that were returned and belong to a live key, each to another."""
    marked: int
    """Keys whose description still ends with a marker."""
    seconds: float

    @property
    def orphans(self) -> int:
        """Live keys whose token nobody has."""
        return self.keys - self.usable_tokens


async def create_over_lossy_network(
    *, creates: int = 1_000, tasks: int = 32, share: float = 0.3, seed: int = 0
) -> LostReplies:
    """Create `creates` keys from `tasks` tasks, and count the results."""
    began = time.perf_counter()
    with Emulator() as emulator:
        port = urlsplit(emulator.base_url).port
        assert port is not None
        async with DroppingProxy(port, share=share, seed=seed).run() as proxy:
            created = await _create(emulator, proxy.base_url, creates=creates, tasks=tasks)
        keys = emulator.keys(emulator.organization_id)
        bearers = {emulator.verify(emulator.organization_id, key.token.reveal()) for key in created}
    return LostReplies(
        creates=creates,
        tasks=tasks,
        requests=proxy.requests,
        dropped_before=proxy.dropped_before,
        dropped_after=proxy.dropped_after,
        keys=len(keys) - 1,
        usable_tokens=len(bearers - {None}),
        marked=sum("[ak:" in (key.description or "") for key in keys),
        seconds=time.perf_counter() - began,
    )


async def _create(emulator: Emulator, base_url: str, *, creates: int, tasks: int) -> list[CreatedAccessKey]:
    numbers = iter(range(creates))
    created: list[CreatedAccessKey] = []
    # Retries are measured here, so only their number is bounded.
    policy = RetryPolicy(max_retries=20, base_delay=0.002, max_delay=0.02, budget=RetryBudget(capacity=1e9))
    client = AccessKeysClient(
        emulator.token, base_url=base_url, retry=policy, timeout=Timeout(attempt=30.0), deadline=None
    )

    async def work() -> None:
        for number in numbers:
            key = await client.create(
                emulator.organization_id,
                name=f"lost-{number % 7}",
                description="one of many similar keys",
                recover=True,
                settle=SETTLE,
            )
            created.append(key)

    async with client, asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())
    return created
