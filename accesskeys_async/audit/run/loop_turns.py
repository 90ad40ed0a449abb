"""Whose turn it is to be decoded and judged, where the answers of many organizations come at once."""

from __future__ import annotations

import asyncio


class Turns:
    """Give each organization a round of the event loop of its own.

    Were all answers that have come decoded in one round, all their keys would be alive before the caller
    sees, and lets go of, the first: so many that the garbage collector goes through them again and again,
    and that the processor's caches hold none of them any more.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        """Wait for a turn. It ends with the round, so that no other waits for what is awaited in it."""
        await self._lock.acquire()
        asyncio.get_running_loop().call_soon(self._lock.release)
