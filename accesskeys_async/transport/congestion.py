"""How many requests at a time a service bears, learned from what they take and how they fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["Congestion"]

LEAST_SAMPLE: Final = 32
"""Outcomes in a window, or as many as are under way where that is more: a round trip."""
LEAST_OF_A_KIND: Final = 8
"""Latencies of one operation that say something together."""
CALM_SAMPLE: Final = 128
"""Outcomes in a window while no bound is known."""
FAILING: Final = 0.1
"""The share of failures over which fewer requests are let go at a time."""
PATIENCE: Final = 0.1
"""Seconds that even the quickest answer of a window must be late before it counts as a queue.

Less than that is this machine's own work, or the network's mood."""
DECREASE: Final = 0.7
DRIFT: Final = 0.05
"""How much of a lasting change of latency becomes the new normal in each window."""


class _Latency:
    """One operation's quickest answer: as it is normally, and in this window."""

    __slots__ = ("count", "least", "normal")

    def __init__(self, elapsed: float) -> None:
        self.normal = elapsed
        self.least = elapsed
        self.count = 0

    def conclude(self) -> float:
        """Return normal latency by the window's: 1.0 where all is well, less where requests queue."""
        gradient = 1.0
        if self.count >= LEAST_OF_A_KIND:
            if self.least > 2 * self.normal + PATIENCE:
                gradient = 2 * self.normal / self.least
            drifted = self.normal + DRIFT * (self.least - self.normal)
            self.normal = min(self.least, drifted)
        self.count = 0
        return gradient


class Congestion:
    """Bound the requests under way once a service shows that it has too many. None: no bound is known.

    A window of outcomes in which more than a tenth fail makes the bound smaller, and so does one in which
    even the quickest answer was twice as slow as normal: where requests queue, all of them do, and where
    latency is only noisy, some do not. A window without either makes it a little larger, until it is again
    what it was when the trouble began, and no bound is kept. It starts with none.
    """

    __slots__ = (
        "_began",
        "_clock",
        "_count",
        "_failures",
        "_latencies",
        "_relief",
        "_total",
        "limit",
    )

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self.limit: int | None = None
        self._clock = clock
        self._relief = 0
        self._latencies: dict[str, _Latency] = {}
        self._count = 0
        self._failures = 0
        self._total = 0.0
        self._began: float | None = None

    def note(self, operation: str, elapsed: float, *, failed: bool, weight: int = 1) -> bool:
        """Take an outcome in, or one that stands for several; True where the bound has changed by it."""
        now = self._clock()
        if self._began is None:
            self._began = now - elapsed
        self._count += weight
        self._total += weight * elapsed
        if failed:
            self._failures += weight
        else:
            latency = self._latencies.get(operation)
            if latency is None:
                latency = self._latencies[operation] = _Latency(elapsed)
            if not latency.count or elapsed < latency.least:
                latency.least = elapsed
            latency.count += 1
        if self._count < (CALM_SAMPLE if self.limit is None else max(LEAST_SAMPLE, self.limit)):
            return False
        # Twice around, so that the window sees what the last one's decision led to.
        under_way = self._total / max(now - self._began, 1e-6)
        if self._count < 2 * under_way:
            return False
        return self._conclude(under_way)

    def _conclude(self, under_way: float) -> bool:
        before = self.limit
        gradient = min((latency.conclude() for latency in self._latencies.values()), default=1.0)
        if self._failures > FAILING * self._count:
            gradient = min(gradient, DECREASE)
        if gradient < 1:
            if self.limit is None:
                self._relief = max(1, round(under_way))
            reached = min(under_way, self.limit or under_way)
            self.limit = max(1, int(reached * max(gradient, DECREASE)))
        elif self.limit is not None:
            self.limit = self.limit + 1 + self.limit // 8 if self.limit < self._relief else None
        self._count, self._failures, self._total, self._began = 0, 0, 0.0, None
        return self.limit != before
