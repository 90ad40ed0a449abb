"""What the default throttle is compared with: no throttle at all, and botocore's published one."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable

from accesskeys_async import Throttle
from accesskeys_async._http.messages import Request, Response
from accesskeys_async._throttle.adaptive import Adaptive
from accesskeys_async.errors import AccessKeysError
from tests.simulation.cells import Cell
from tests.simulation.running import Result, simulate

__all__ = ["THROTTLES", "CubicRate", "Plain", "make_adaptive", "try_throttle"]


class Plain:
    """Full-jitter backoff and nothing else: whatever a refusal says, it says to its own call alone."""

    def acquire_nowait(self, request: Request) -> bool:
        return True

    async def acquire(self, request: Request) -> None: ...

    def pause(self, request: Request) -> float:
        return 0.0

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None: ...


class CubicRate:
    """Client-side rate limiting as the AWS SDKs describe their adaptive retry mode.

    One token bucket for the client, switched on by the first refusal. A refusal sets its rate to 0.7 of what
    was sent; a success lets it grow along a cubic curve through the rate at that refusal, to at most twice
    what is really sent.
    """

    BETA = 0.7
    SCALE = 0.4
    LEAST_RATE = 0.5

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._queue = asyncio.Lock()
        self._is_on = False
        self._rate = 0.0
        self._level = 0.0
        self._filled_at = 0.0
        self._last_max = 0.0
        self._refused_at = clock()
        self._measured = 0.0
        self._count = 0
        self._slot = math.floor(clock() * 2) / 2

    async def acquire(self, request: Request) -> None:
        if not self._is_on:
            return
        async with self._queue:
            self._fill()
            while self._level < 1:
                # The rate may change meanwhile.
                await asyncio.sleep(min(0.25, max(0.001, (1 - self._level) / self._rate)))
                self._fill()
            self._level -= 1

    def pause(self, request: Request) -> float:
        return 0.0

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None:
        if not isinstance(outcome, Response):
            return
        now = self._clock()
        self._measure(now)
        if outcome.status == 429:
            sent = min(self._measured, self._rate) if self._is_on else self._measured
            self._last_max = sent
            self._refused_at = now
            rate = sent * self.BETA
            self._is_on = True
        else:
            steady = (self._last_max * (1 - self.BETA) / self.SCALE) ** (1 / 3)
            rate = self.SCALE * (now - self._refused_at - steady) ** 3 + self._last_max
        self._fill()
        self._rate = max(self.LEAST_RATE, min(rate, 2 * self._measured))
        self._level = min(self._level, max(1.0, self._rate))

    def _measure(self, now: float) -> None:
        """Smooth what is sent, over half seconds."""
        self._count += 1
        slot = math.floor(now * 2) / 2
        if slot > self._slot:
            self._measured = 0.8 * (self._count / (slot - self._slot)) + 0.2 * self._measured
            self._count = 0
            self._slot = slot

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(max(1.0, self._rate), self._level + (now - self._filled_at) * self._rate)
        self._filled_at = now


def make_adaptive(clock: Callable[[], float]) -> Throttle:
    """Make the default throttle, with the same draws each time."""
    return Adaptive(clock=clock, draw=random.Random(7).random)


THROTTLES: dict[str, Callable[[Callable[[], float]], Throttle]] = {
    "plain backoff": lambda clock: Plain(),
    "botocore's adaptive": CubicRate,
    "Adaptive": make_adaptive,
}


def try_throttle(name: str, cell: Cell, *, seconds: float | None = None) -> Result:
    """Run a cell with one of the throttles, for its own time or another."""
    return simulate(THROTTLES[name], cell.make_service, cell.load, seconds=seconds or cell.seconds)
