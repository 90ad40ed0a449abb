"""Wait until a condition holds, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Let other tasks run until the condition holds. Raises TimeoutError after ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition cannot notify anybody
            await asyncio.sleep(0)


async def let_run() -> None:
    """Let every task and socket proceed as far as it can."""
    for _ in range(50):
        await asyncio.sleep(0)
