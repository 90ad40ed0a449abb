"""An event loop whose clock jumps to the next timer: latency without waiting, and to the millisecond."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


class _Selector(selectors.SelectSelector):
    """Passes time on instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if timeout and not events:
            self.now += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    """Takes its time from the selector."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(work: Coroutine[object, object, Result]) -> tuple[Result, float]:
    """Run a coroutine, and return its result and the seconds that it would have taken."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        result = runner.run(work)
        return result, runner.get_loop().time()
