"""How fast a quota may be used: found from refusals alone, or followed as the responses tell it."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from accesskeys_async.transport.quota_headers import Reading

__all__ = ["AdvertisedQuota", "RateEstimator"]


class RateEstimator:
    """Find a rate from refusals, if they are all that the service tells.

    A service that refuses has nothing left. What it served between two refusals is therefore what it allows
    in that time. After a refusal about that rate is held for a while, and then exceeded in growing steps
    until the next one. Time is counted in seconds in which requests were queued.
    """

    __slots__ = (
        "_held",
        "_hold",
        "_is_measured",
        "_marks",
        "_paused",
        "_refused_at",
        "_served",
        "_since",
        "_starting",
    )

    FIRST_RATE: Final = 8.0
    """Requests a second to begin with, doubled each second until the first refusal."""
    SLOWEST: Final = 0.1
    BACK_OFF: Final = 0.95
    """The most of the refused rate that is held afterwards."""
    CLIMB: Final = 1.05
    """The most of the measured rate that is held."""
    ENOUGH: Final = 16
    """Requests served between two refusals that make a measurement."""
    ENOUGH_SECONDS: Final = 1.0
    MEMORY: Final = 40.0
    """Seconds over which the rate is measured, if the quota was refused several times in them."""
    SHRUNK: Final = 0.6
    """The last measurement counts alone if it is below this share of what was measured over all that time."""
    STEP: Final = 0.01
    """How much the rate grows in the first unit after the hold; four times that by the end of the second."""
    UNIT: Final = 25.0
    """How many requests make a unit of growth; it takes from one to five seconds."""
    HOLD: Final = 2.0
    """Seconds for which a rate is held at least."""
    HOLD_SILENT: Final = (60.0, 20.0)
    """How many requests a rate is held for, and the most seconds, after a silent refusal."""
    HOLD_TOLD: Final = (150.0, 60.0)
    """The same after one with Retry-After, whose pause costs more."""
    HOLD_PER_PAUSE: Final = 1.5
    """How long the rate is held, in lengths of the time in which nothing was served."""
    HOLD_DECAY: Final = 0.6
    LONGEST_HOLD: Final = 60.0

    def __init__(self) -> None:
        self._held = self.FIRST_RATE
        self._starting = True
        self._is_measured = False
        self._since = 0.0
        self._hold = 0.0
        self._refused_at = 0.0
        self._served = 0
        self._paused = 0.0
        self._marks = deque([(0.0, 0, 0.0)])
        """Earlier refusals: when, what was served and how long was paused by then."""

    def rate(self, now: float) -> float:
        """Return the requests a second to try now."""
        since = now - self._since
        if self._starting:
            return self._held * 2 ** min(since, 30.0)
        over = (since - self._hold) / min(5.0, max(1.0, self.UNIT / self._held))
        return self._held * (1 + self.STEP * over * over) if over > 0 else self._held

    def serve(self) -> None:
        """Count a request that was served."""
        self._served += 1

    def refuse(self, now: float, *, pause: float) -> None:
        """Learn from the first refusal after something was served; a pause of the throttle's own follows."""
        rate = self.rate(now)
        marks = self._marks
        while len(marks) > 1 and marks[0][0] < now - self.MEMORY:
            marks.popleft()
        # The last measurement follows a change at once; several together are right about windows.
        long, last = self._measure(now, marks[0]), self._measure(now, marks[-1])
        measured = last if 0 < last < self.SHRUNK * long else max(long, last)
        self._is_measured = measured > 0
        self._held = max(self.SLOWEST, min(rate * self.BACK_OFF, (measured or rate / 2) * self.CLIMB))
        if now - marks[-1][0] >= self.ENOUGH_SECONDS:
            marks.append((now, self._served, self._paused))
        self._paused += pause
        self._since = self._refused_at = now
        self._starting = self._starting and not self._is_measured

    def wait(self, now: float) -> None:
        """Keep the rate as it is: another refusal came, and nothing was served before it."""
        self._since = now

    def resume(self, now: float, *, told: bool) -> None:
        """Begin to hold the rate: something is served again. `told`: the refusal told how long to wait."""
        self._since = now
        if not self._is_measured:
            self._hold = self.HOLD
            return
        requests, most = self.HOLD_TOLD if told else self.HOLD_SILENT
        self._hold = min(
            self.LONGEST_HOLD,
            max(
                self.HOLD,
                min(most, requests / self._held),
                self.HOLD_PER_PAUSE * (now - self._refused_at),
                self.HOLD_DECAY * self._hold,
            ),
        )

    def _measure(self, now: float, mark: tuple[float, int, float]) -> float:
        """Return what was served a second since an earlier refusal; 0.0 if that was too little to tell."""
        since, served, paused = mark
        elapsed, served = now - since, self._served - served
        if served < self.ENOUGH or elapsed < self.ENOUGH_SECONDS:
            return 0.0
        return served / max(elapsed - (self._paused - paused), 1e-3)


class AdvertisedQuota:
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
