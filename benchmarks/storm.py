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

__all__ = ["Storm", "rage"]

SETTLE: Final = 0.3
"""Seconds; the service on this machine lists a key as soon as it has made it."""


@frozen
class Storm:
    """What was asked for, and what there is afterwards."""

    creates: int
    tasks: int
    requests: int
    dropped_before: int
    dropped_after: int
    keys: int
    """Living keys, without the one that the creates were made with."""
    usable_tokens: int
    """Tokens in hand that belong to a living key, each to another."""
    marked: int
    """Keys whose description still ends with a mark."""
    seconds: float

    @property
    def orphans(self) -> int:
        """Living keys whose token nobody has."""
        return self.keys - self.usable_tokens


async def rage(*, creates: int = 1_000, tasks: int = 32, share: float = 0.3, seed: int = 0) -> Storm:
    """Make so many creates from so many tasks, and count."""
    began = time.perf_counter()
    with Emulator() as emulator:
        port = urlsplit(emulator.base_url).port
        assert port is not None
        async with DroppingProxy(port, share=share, seed=seed).run() as proxy:
            made = await _create(emulator, proxy.base_url, creates=creates, tasks=tasks)
        keys = emulator.keys(emulator.organization_id)
        bearers = {emulator.verify(emulator.organization_id, key.token.reveal()) for key in made}
    return Storm(
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
    made: list[CreatedAccessKey] = []
    # Retries are what is asked for here, so nothing but their number bounds them.
    policy = RetryPolicy(max_retries=20, base_delay=0.002, max_delay=0.02, budget=RetryBudget(capacity=1e9))
    client = AccessKeysClient(
        emulator.token, base_url=base_url, retry=policy, timeout=Timeout(attempt=30.0), deadline=None
    )

    async def work() -> None:
        for number in numbers:
            key = await client.create(
                emulator.organization_id,
                name=f"storm-{number % 7}",
                description="one of many alike",
                recover=True,
                settle=SETTLE,
            )
            made.append(key)

    async with client, asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())
    return made
