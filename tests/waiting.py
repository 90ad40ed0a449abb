"""Waiting for what a test needs to have happened, and for no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Let everybody else run until it holds. Raises TimeoutError after ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of it
            await asyncio.sleep(0)


async def let_run() -> None:
    """Let every task and socket go as far as it can without being waited for."""
    for _ in range(50):
        await asyncio.sleep(0)
