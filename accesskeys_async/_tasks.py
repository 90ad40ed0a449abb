"""How every stream ends the tasks that work ahead of its reader."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


async def stop_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks, and return once all of them have ended.

    Whoever waits may be cancelled meanwhile, once or again and again, as anyio's cancel scopes do: that is
    raised when nothing runs any more. Where nothing does, it waits for nothing: so a loop that closes many
    generators at its end, one inside the other, finds none of them running.
    """
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while left:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = error
        left = [task for task in left if not task.done()]
    if cancelled is not None:
        raise cancelled
