"""A bucket of permits that fills as time goes by."""

from __future__ import annotations

import math

HAIR = 1e-9
"""What rounding leaves of a wait that was long enough."""


class Bucket:
    """Hold at most `capacity` permits, `rate` more each second; it starts full.

    In any window of w seconds it gives at most rate * w + capacity permits, while both stay as they are.
    """

    __slots__ = ("_since", "capacity", "level", "rate")

    def __init__(self, rate: float, capacity: float, *, now: float) -> None:
        self.rate = rate
        self.capacity = capacity
        self.level = capacity
        self._since = now

    def fill(self, now: float) -> None:
        """Add what has come since the last time."""
        if now > self._since:
            self.level = min(self.capacity, self.level + (now - self._since) * self.rate)
            self._since = now

    def freeze(self, level: float, until: float) -> None:
        """Set the level, and let nothing come before then."""
        self.level = level
        self._since = until

    def take(self, now: float, *, reserve: float = 0.0) -> float:
        """Take a permit and return 0.0, or the seconds until one is there; `reserve` stays in the bucket."""
        self.fill(now)
        short = 1 + min(reserve, self.capacity - 1) - self.level
        if short <= HAIR:
            self.level -= 1
            return 0.0
        # Never a wait so short that the clock can't show it, which would be asked again without end.
        return max(short / self.rate, HAIR) if self.rate > 0 else math.inf

    def put_back(self) -> None:
        """Return a permit that was not used."""
        self.level = min(self.capacity, self.level + 1)
