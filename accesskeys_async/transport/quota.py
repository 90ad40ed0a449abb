"""What is learned of a quota that nobody announced: from refusals alone, or from what the answers tell."""

from __future__ import annotations

import math
from typing import Final

from accesskeys_async.transport.quota_headers import Reading

__all__ = ["Picture", "Probe"]


class Probe:
    """Find a rate by trying, where a 429 is all that the service says.

    Whenever it refuses, its bucket is empty. What it served between two refusals is therefore what it
    allows in that time, or less where the bucket ran over meanwhile: a rate that is safe to hold. After a
    hold the rate creeps up, faster and faster, until the next refusal. A refusal costs a pause: where a pause
    loses quota (the bucket is shallow, and the refusal comes as soon as the rate is over it), the hold is
    long against the pause; where the bucket is deep it is short, since what ran in meanwhile is spent later.
    It begins slowly and doubles each second. Only seconds in which requests waited count.
    """

    __slots__ = ("_busy", "_held", "_hold", "_pause", "_served", "_since", "_starting")

    SLOW: Final = 8.0
    """Requests a second to begin with."""
    SLOWEST: Final = 1 / 60
    STEP: Final = 0.02
    SHORT: Final = 3.0
    LONG: Final = 8.0
    """How long the rate is held, in pauses."""
    LONGEST: Final = 30.0
    WIDE: Final = 1.2
    """How far over the rate that was held a refusal must come to show a deep bucket."""

    def __init__(self) -> None:
        self._held = self.SLOW
        self._starting = True
        self._hold = 0.0
        self._busy = 0.0
        self._pause = 0.0
        self._served = 0
        self._since: float | None = None

    @property
    def rate(self) -> float:
        """Requests a second to try now."""
        if self._starting:
            return self._held * 2 ** min(self._busy, 30.0)
        over = self._busy - self._hold
        return self._held * (1 + self.STEP * (2 ** min(over, 30.0) - 1)) if over > 0 else self._held

    def wait(self, seconds: float) -> None:
        """Count time in which requests waited for the rate."""
        self._busy += seconds

    def serve(self) -> None:
        """Count a request that was not refused."""
        self._served += 1

    def refuse(self, now: float, *, pause: float) -> None:
        """Learn from a refusal that is followed by a pause of so many seconds."""
        rate, since, served = self.rate, self._since, self._served
        self._since, self._served = now, 0
        if since is None:
            self._pause = pause
            return
        safe = max(self.SLOWEST, served / max(now - since, 1e-3))
        was_deep = rate > self.WIDE * self._held
        if self._starting or rate > 2 * self._held:
            self._starting = False
            self._held = max(safe, min(rate / 2, 1.5 * safe))
        elif self._busy > self._hold:
            # It bore what was held, and somewhere between that and what was tried it no longer did.
            tried = min(rate, served / max(now - since - self._pause, 1e-3))
            self._held = max(safe, (self._held + tried) / 2)
        elif safe > self._held / 2:
            self._held = safe
        elif self._busy > self._hold / 2:
            self._held *= 0.95
        else:
            self._starting = True
            self._held = safe
        self._pause = pause
        self._hold = min(self.LONGEST, max(1.0, pause * (self.SHORT if was_deep else self.LONG)))
        self._busy = 0.0


class Picture:
    """Follow a service's own bucket from the readings that its answers carry.

    `rate` is how fast it fills, measured: what was used between two readings, and how much more or less
    there is. Others that use the same quota are thereby left their share. A window that is filled only at
    its end shows as a rate of zero until then.
    """

    __slots__ = (
        "_first",
        "_first_at",
        "_first_sequence",
        "_sequence",
        "limit",
        "rate",
        "reserve",
        "reset_at",
    )

    LEAST_TIME: Final = 1.0
    LEAST_USE: Final = 4
    RELAX: Final = 0.98
    """How much of an unusual reserve is left each second."""

    def __init__(self, reading: Reading, now: float) -> None:
        self.limit = reading.limit or max(1.0, reading.remaining)
        self.rate = _guess(reading, self.limit)
        self.reset_at = math.inf
        self.reserve = self._least_reserve
        self._sequence = -1
        self._restart(reading, now, 0)

    def _restart(self, reading: Reading, now: float, sequence: int) -> None:
        self._first, self._first_at, self._first_sequence = reading.remaining, now, sequence

    @property
    def _least_reserve(self) -> float:
        """How many requests are left unused, against readings that overtake one another."""
        return min(2.0, self.limit / 20)

    def refuse(self) -> None:
        """Keep more in reserve: somebody else uses this quota as well, and what is told is old news."""
        self.reserve = min(self.limit / 2, max(1.0, self.reserve) * 2)

    def follow(self, reading: Reading, now: float, *, sequence: int, under_way: int) -> float | None:
        """Take a reading in, and return how many requests may be made now; None where it is stale.

        `sequence` numbers the requests as they were sent. `under_way` is how many are sent or promised, the
        one whose answer this is left out.
        """
        if sequence < self._sequence:
            return None
        self._sequence = sequence
        self.reset_at = math.inf if reading.reset is None else now + reading.reset
        limit = reading.limit or max(self.limit, reading.remaining)
        if limit != self.limit:
            self.rate *= limit / self.limit
            self.limit = limit
            self._restart(reading, now, sequence)
        self._measure(reading, now, sequence)
        return reading.remaining - under_way

    def _measure(self, reading: Reading, now: float, sequence: int) -> None:
        used = sequence - self._first_sequence
        took = now - self._first_at
        if took < self.LEAST_TIME or used < self.LEAST_USE:
            return
        measured = max(0.0, reading.remaining - self._first + used) / took
        ran_over = max(reading.remaining, self._first) >= self.limit - 1
        # What ran over is not seen, so there it was at least as much.
        self.rate = max(self.rate, measured) if ran_over else (self.rate + measured) / 2
        self.reserve = max(self._least_reserve, self.reserve * self.RELAX**took)
        self._restart(reading, now, sequence)


def _guess(reading: Reading, limit: float) -> float:
    if not reading.reset:
        return limit
    return max(limit - reading.remaining, reading.remaining) / reading.reset
