"""An event loop on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")


class LoopThread:
    """Run an event loop until `stop`; for callers that have none, or another kind."""

    def __init__(self, name: str) -> None:
        ready: Future[asyncio.AbstractEventLoop] = Future()
        # A daemon, so that a program that forgets to stop it can still end.
        self._thread = threading.Thread(target=_serve, args=(ready,), name=name, daemon=True)
        self._thread.start()
        self._loop = ready.result()

    def run(self, coroutine: Coroutine[object, object, _T]) -> _T:
        """Return what a coroutine returns on that loop; waits for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def stop(self) -> None:
        """Cancel what still runs, and wait for the thread's end."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def _serve(ready: Future[asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        ready.set_result(loop)
        loop.run_forever()
