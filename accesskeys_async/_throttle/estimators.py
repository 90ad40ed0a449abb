"""How fast a quota may be used: found from refusals alone, or followed as the responses tell it."""

from __future__ import annotations

from collections import deque
from typing import Final

from accesskeys_async._throttle.rate_limit_headers import Reading


class RateEstimator:
    """Find a rate from refusals, if they are all that the service tells.

    A service that refuses has nothing left, and nothing more until it serves again. What it served between
    two such moments is therefore what it allows in that time. About that rate is held for a while, and then
    exceeded in growing steps until the next refusal. Time counts only while requests are queued.
    """

    __slots__ = (
        "_held",
        "_hold",
        "_is_starting",
        "_marks",
        "_paused",
        "_refused",
        "_served",
        "_since",
        "_unit",
    )

    FIRST_RATE: Final = 8.0
    """Requests a second to begin with, for each organization; doubled each second until the first refusal."""
    PROBES: Final = 1.0
    """Requests a second while nothing is served."""
    SLOWEST: Final = 0.1
    BACK_OFF: Final = 0.98
    """The most of the refused rate that is held afterwards."""
    BACK_OFF_SOON: Final = 0.92
    """The same where it was refused again before anything could be measured."""
    BACK_OFF_STARTING: Final = 0.5
    """The same while it still doubles."""
    BACK_OFF_GROWN: Final = 0.8
    """How much of the refused rate is held if the quota was raised."""
    CLIMB: Final = 1.05
    """The most of the measured rate that is held after a silent refusal."""
    CLIMB_TOLD: Final = 1.02
    """The same after one with Retry-After, of which fewer are wanted."""
    LEAST: Final = 0.85
    """The least of the last measurement that is held."""
    ENOUGH: Final = 16
    """Requests served between two refusals that make a measurement."""
    ENOUGH_SECONDS: Final = 1.0
    MEMORY: Final = 40.0
    """Seconds over which the rate is measured, if the quota was refused several times in them."""
    SHRUNK: Final = 0.6
    """The last measurement counts alone if it is below this share of what was measured over all that time."""
    GREW: Final = 1.2
    """A quota was raised if the last measurement is this many times the rate that was held."""
    STEP: Final = 0.01
    """How much the rate grows in the first unit after the hold; four times that by the end of the second."""
    UNIT: Final = 25.0
    """How many requests make a unit of growth; it takes from half a second to five seconds."""
    UNITS_PER_WINDOW: Final = 6.0
    """Where the quota is a window, at most so many units of growth fit into the time it was measured over."""
    HOLD: Final = 2.0
    """Seconds for which a rate is held at least."""
    HOLD_SILENT: Final = (90.0, 20.0)
    """How many requests a rate is held for, and the most seconds, after a silent refusal."""
    HOLD_TOLD: Final = (250.0, 180.0)
    """The same after one with Retry-After."""
    LONGEST_WINDOW: Final = 60.0
    """A window is held for as long as it was measured, but for at most so many seconds."""

    def __init__(self, *, organizations: int = 1) -> None:
        self._held = self.FIRST_RATE * organizations
        self._is_starting = True
        self._since: float | None = None
        self._hold = 0.0
        self._unit = 1.0
        self._refused = 0.0
        self._served = 0
        self._paused = 0.0
        self._marks: deque[tuple[float, int, float]] = deque()
        """When it was served again, what was served and how long was paused by then."""

    def rate(self, now: float) -> float:
        """Return the requests a second to try now."""
        if self._since is None:
            return self.PROBES
        since = now - self._since
        if self._is_starting:
            return self._held * 2 ** min(since, 30.0)
        over = (since - self._hold) / self._unit
        return self._held * (1 + self.STEP * over * over) if over > 0 else self._held

    def serve(self) -> None:
        """Count a request that was served."""
        self._served += 1

    def refuse(self, now: float) -> float:
        """Take in the first refusal after something was served, and return the rate that was refused."""
        self._refused = self.rate(now)
        self._since = None
        return self._refused

    def resume(self, now: float, *, pause: float, is_window: bool, told: bool) -> None:
        """Learn from the time up to now: something is served again.

        Args:
            now: The seconds in which requests were queued.
            pause: For how long the throttle itself paused at first.
            is_window: It took longer than that, as where a quota is filled only at the end of a window.
            told: The refusal told how long to wait.
        """
        self._since = now
        if not self._marks:
            self._marks.append((now, self._served, 0.0))
            return
        if not is_window:
            self._paused += pause
        while len(self._marks) > 1 and self._marks[0][0] < now - self.MEMORY:
            self._marks.popleft()
        took = now - self._marks[-1][0]
        is_measured = self._find_rate(now, is_window=is_window, told=told)
        requests, most = self.HOLD_TOLD if told else self.HOLD_SILENT
        self._hold = max(self.HOLD, min(most, requests / self._held) if is_measured else 0.0)
        self._unit = min(5.0, max(0.5, self.UNIT / self._held))
        if is_window:
            window = min(took, self.LONGEST_WINDOW)
            self._hold = max(self._hold, window)
            self._unit = max(self._unit, window / self.UNITS_PER_WINDOW)
        self._is_starting = self._is_starting and not is_measured
        if took >= self.ENOUGH_SECONDS:
            self._marks.append((now, self._served, self._paused))

    def _find_rate(self, now: float, *, is_window: bool, told: bool) -> bool:
        """Set the rate that is held from now on, and tell whether it was measured."""
        # The last measurement follows a change at once; several together are right about windows.
        long, last = self._measure(now, self._marks[0]), self._measure(now, self._marks[-1])
        measured = max(long, last) if is_window or not 0 < last < self.SHRUNK * long else last
        if not is_window and last > self.GREW * self._held and not self._is_starting:
            measured = self._refused * self.BACK_OFF_GROWN
            self._marks.clear()
            self._marks.append((now, self._served, self._paused))
        back_off = (
            self.BACK_OFF if last else self.BACK_OFF_STARTING if self._is_starting else self.BACK_OFF_SOON
        )
        held = self._refused * back_off
        if measured:
            climb = self.CLIMB_TOLD if told else self.CLIMB
            held = max(self.LEAST * last, min(held, measured * climb))
        self._held = max(self.SLOWEST, held)
        return measured > 0

    def _measure(self, now: float, mark: tuple[float, int, float]) -> float:
        """Return what was served a second since an earlier moment; 0.0 if that was too little to tell."""
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
        "_is_probing",
        "_remaining",
        "_sequence",
        "limit",
        "rate",
        "reserve",
        "resets",
    )

    LEAST_TIME: Final = 1.0
    LEAST_USE: Final = 4
    AT_ONCE: Final = 0.5
    """A window is recognized by this share of its limit that is found to be back after a wait."""
    MOST_RESETS: Final = 1_000
    """The latest ones are kept, however large the limit is."""
    RELAX: Final = 0.98
    """How much of an unusual reserve is left each second."""

    def __init__(self, reading: Reading, now: float) -> None:
        self.limit = reading.limit or max(1.0, reading.remaining)
        self.rate = _guess(reading, self.limit)
        self.resets: deque[float] = deque(maxlen=self.MOST_RESETS)
        """For each request that is used up, when it is back at the latest, earliest first."""
        self.reserve = self._least_reserve
        self._sequence = -1
        self._remaining = reading.remaining
        self._is_probing = False
        self._restart(reading, now, 0)

    def _restart(self, reading: Reading, now: float, sequence: int) -> None:
        self._first, self._first_at, self._first_sequence = reading.remaining, now, sequence

    @property
    def _least_reserve(self) -> float:
        """How many requests are left unused, against readings that overtake one another."""
        return min(2.0, self.limit / 50)

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
        limit = reading.limit or max(self.limit, reading.remaining)
        if limit != self.limit:
            self.rate *= limit / self.limit
            self.limit = limit
            self._restart(reading, now, sequence)
        if self._is_probing and reading.remaining - self._remaining >= limit * self.AT_ONCE:
            self.rate = 0.0
            self._restart(reading, now, sequence)
        self._is_probing = False
        self._remaining = reading.remaining
        self._measure(reading, now, sequence)
        return reading.remaining - under_way

    def count_use(self, reading: Reading, used_at: float) -> None:
        """Note when a request that was served at that moment is back at the latest."""
        if reading.reset is None:
            return
        # A reset is told in whole seconds: the earliest one holds for all that was used before it was told.
        reset_at = used_at + reading.reset
        later = 1
        while self.resets and self.resets[-1] > reset_at:
            self.resets.pop()
            later += 1
        self.resets.extend([reset_at] * later)
        while len(self.resets) > max(1.0, self.limit - reading.remaining):
            self.resets.popleft()

    def take_resets(self, now: float) -> bool:
        """Tell whether something is back since this was last called."""
        is_back = False
        while self.resets and self.resets[0] <= now:
            self.resets.popleft()
            is_back = self._is_probing = True
        return is_back

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
