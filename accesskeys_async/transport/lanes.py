"""A quota that was met: its pauses, its permits, and the line of those who wait for them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

from accesskeys_async.errors import AccessKeysError, DeadlineExceededError
from accesskeys_async.transport.buckets import Bucket
from accesskeys_async.transport.exchange import Request, Response
from accesskeys_async.transport.permits import SOON, Permits
from accesskeys_async.transport.quota import Picture, Probe
from accesskeys_async.transport.quota_headers import Reading
from accesskeys_async.transport.rates import GRAIN
from accesskeys_async.transport.turns import Turnstile

__all__ = ["Lane"]

FIRST_PAUSE: Final = 0.25
"""Seconds to keep still after a 429 that does not say how long; doubled while nothing else comes."""
LEAST_TELLING: Final = 4
"""A bucket that holds fewer is always empty when an answer tells of it, however fast it fills."""
SILENT: Final = 8
"""After so many answers in a row that tell nothing, what was told before is out of date."""
DEPTH: Final = 4
"""Where a bucket holds fewer than so many times what is under way, its answers come too late to steer by."""


class Lane:
    """Hold requests of one quota to the rate that is learned on the way, and to the pauses it asks for.

    Each request takes a permit (`acquire`), is sent (`depart`), and brings an outcome (`release`).
    """

    def __init__(self, *, longest: float, clock: Callable[[], float], draw: Callable[[], float]) -> None:
        self._longest = longest
        self._clock = clock
        self._draw = draw
        self.used_at = now = clock()
        self._lock = threading.RLock()
        self._probe = Probe()
        self._picture: Picture | None = None
        self._bucket = Bucket(self._probe.rate, 1.0, now=now)
        self._turnstile = Turnstile(self._take, clock=clock, lock=self._lock)
        self._paused_until = -math.inf
        self._refused_at = -math.inf
        self._refusals = 0
        self._waited_since: float | None = None
        self._silent = 0
        self._sequence = 0
        self._permits = Permits(clock)
        self._sent: dict[int, int] = {}

    def is_idle(self, since: float) -> bool:
        """Tell whether it was last used by then, and nothing of it is under way."""
        return self.used_at <= since and not (self._turnstile or self._permits or self._sent)

    async def acquire(self, request: Request) -> None:
        """Wait for a permit. Raise DeadlineExceededError as soon as it is clear that none comes in time."""
        if not self._turnstile.pass_at_once():
            self._check_deadline(request)
            await self._turnstile.wait(request, what="the turn in this organization's quota")
        with self._lock:
            self._permits.add(request)

    def depart(self, request: Request) -> float:
        """Return 0.0 where the request goes now, else the seconds for which it does not."""
        now = self._clock()
        with self._lock:
            if self._paused_until > now:
                return self._paused_until - now
            # What the answers tell has permits already counted, however old they are.
            is_told = self._picture is not None
            if not self._permits.use(request, stale_too=is_told) and not self._turnstile.pass_at_once():
                return SOON
            self._sequence += 1
            self._sent[id(request)] = self._sequence
            return 0.0

    def release(
        self, request: Request, outcome: Response | AccessKeysError | None, reading: Reading | None
    ) -> None:
        """Learn from an outcome."""
        now = self.used_at = self._clock()
        with self._lock:
            sequence = self._sent.pop(id(request), None)
            if self._permits.discard(request):
                self._bucket.put_back()
            if isinstance(outcome, Response):
                if outcome.status == 429:
                    self._refuse(outcome, now)
                else:
                    self._refusals = 0
                    self._probe.serve()
                if reading is not None:
                    self._follow(reading, now, sequence)
                self._silent = 0 if reading is not None else self._silent + 1
                if self._silent > SILENT:
                    self._picture = None
            self._turnstile.nudge()

    def _take(self) -> float:
        now = self._clock()
        if self._paused_until > now:
            self._waited_since = None
            return self._paused_until - now
        if self._picture is None:
            return self._take_by_probe(now)
        picture = self._picture
        if picture.reset_at <= now:
            # The window is over, and only an answer can tell what the new one holds.
            self._bucket.level = max(self._bucket.level, 1 + picture.reserve)
            picture.reset_at = math.inf
        self._bucket.fill(now)
        # While answers are on their way, they tell what there is; only without them it has to be guessed.
        under_way = len(self._sent) + len(self._permits)
        self._bucket.rate = picture.rate if DEPTH * under_way > picture.limit or not under_way else 0.0
        seconds = self._bucket.take(now, reserve=picture.reserve)
        return seconds if seconds <= 0 else min(seconds, max(picture.reset_at - now, 1e-3))

    def _advance_probe(self, now: float) -> None:
        if self._waited_since is not None:
            self._probe.wait(min(1.0, now - self._waited_since))
            self._waited_since = now
        self._bucket.rate = self._probe.rate
        self._bucket.capacity = max(1.0, self._bucket.rate * GRAIN)

    def _take_by_probe(self, now: float) -> float:
        self._advance_probe(now)
        seconds = self._bucket.take(now)
        self._waited_since = now if seconds > 0 or len(self._turnstile) > 1 else None
        return seconds

    def _refuse(self, response: Response, now: float) -> None:
        asked = response.retry_after
        is_first = now - response.elapsed >= self._refused_at
        if is_first:
            self._refusals += 1
        pause = min(self._longest, FIRST_PAUSE * 2 ** min(self._refusals - 1, 20) if asked is None else asked)
        if is_first:
            self._refused_at = now
            self._probe.refuse(now, pause=pause)
            self._waited_since = None
            if self._picture is not None:
                self._picture.refuse()
            # A little later than asked for, each process by itself, so that they do not all come together.
            pause += self._draw() * min(1.0, pause / 10)
        self._paused_until = max(self._paused_until, now + min(self._longest, pause))
        # What comes meanwhile is not counted on: the quota may be another one by now.
        self._bucket.freeze(-float(len(self._permits)), self._paused_until)

    def _follow(self, reading: Reading, now: float, sequence: int | None) -> None:
        if self._picture is None:
            if (reading.limit or reading.remaining) < LEAST_TELLING:
                return
            self._picture = Picture(reading, now)
            # How many are under way that were let go before anything was known is not known either.
            self._bucket.level = reading.remaining / 2 - len(self._permits)
        elif sequence is not None:
            under_way = len(self._sent) + len(self._permits)
            level = self._picture.follow(reading, now, sequence=sequence, under_way=under_way)
            if level is not None:
                self._bucket.freeze(level, max(now, self._paused_until))
        self._bucket.capacity = max(1.0, self._picture.limit)

    def _check_deadline(self, request: Request) -> None:
        if request.deadline is None:
            return
        now = self._clock()
        pause = max(0.0, self._paused_until - now)
        if now + pause >= request.deadline:
            raise DeadlineExceededError(
                f"{request}: the API asked for a pause of {pause:.3g} s more, past the deadline; "
                "allow more, or try again later"
            )
