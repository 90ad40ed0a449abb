"""A quota that was met: what is known of it, and the queue of those who wait for it."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from accesskeys_async._http.messages import Request, Response
from accesskeys_async._throttle.estimators import AdvertisedQuota, RateEstimator
from accesskeys_async._throttle.fair_queue import Turnstile
from accesskeys_async._throttle.fixed_rate import GRAIN
from accesskeys_async._throttle.rate_limit_headers import Reading
from accesskeys_async._throttle.token_bucket import Bucket
from accesskeys_async.errors import AccessKeysError, DeadlineExceededError

RECENT: Final = 32
"""The latest responses that are judged."""
EVIDENCE: Final = 20
"""Refusals among them from which refusals are the rule: not one in two by chance."""
FORGET: Final = 5.0
"""Seconds without a queue after which a rate is forgotten."""
FIRST_PAUSE: Final = 0.25
"""Seconds for which nothing is sent after the refusal that switches a quota on."""
SHORTEST_PAUSE: Final = 0.05
"""Seconds for which a first pause lasts at least, longer than a round trip."""
LONGEST_PAUSE: Final = 2.0
"""The bound on a pause that the service did not request, in seconds."""
ROUNDED: Final = 1.0
"""The shortest Retry-After that whole seconds can tell, in whose place any shorter one may be meant."""
PAUSED_PERMITS: Final = 3.0
"""How many permits a first pause is worth, so that the service has some in hand again."""
LONGER: Final = 3.0
"""How many times as long the next pause is while nothing but refusals comes."""
STARVED: Final = 20.0
"""Seconds without anything served after which there is no rate to keep to, and calls fail by their policy."""
LEAST_TELLING: Final = 4
"""A bucket that holds fewer is always empty when a response tells of it, however fast it fills."""
SILENT: Final = 8
"""After so many responses in a row that tell nothing, what was told before is out of date."""
DEPTH: Final = 4
"""If a bucket holds fewer than so many times what is in flight, its responses come too late to steer by."""


class LearnedQuota:
    """Hold requests of one quota to what it allows, once that is known.

    It is off at first: nothing waits. Headers that tell of little left switch it on, and so does evidence
    that refusals are the rule. Each request passes `acquire`, `depart` and `release`.
    """

    def __init__(self, *, longest: float, clock: Callable[[], float], draw: Callable[[], float]) -> None:
        self._longest = longest
        self._clock = clock
        self._draw = draw
        self.used_at = now = clock()
        self._lock = threading.RLock()
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._responded_at = -math.inf
        self._advertised: AdvertisedQuota | None = None
        self._estimator: RateEstimator | None = None
        self._bucket = Bucket(0.0, 1.0, now=now)
        self._turnstile = Turnstile(self._take, clock=clock, lock=self._lock)
        self._queue_seconds = 0.0
        self._queued_at = -math.inf
        self._counted_until = now
        self._paused_until = -math.inf
        self._pause = 0.0
        self._refused_at = -math.inf
        self._is_served = True
        self._is_window = False
        self._is_told = False
        self._served_at = now
        self._silent = 0
        self._sequence = 0
        self._pending: dict[int, int] = {}

    @property
    def is_on(self) -> bool:
        """Whether anything may have to wait."""
        return self._advertised is not None or self._estimator is not None

    def is_idle(self, since: float) -> bool:
        """Tell whether it was last used by then, and nothing of it is in flight."""
        return self.used_at <= since and not (self._turnstile or self._pending)

    def switch_on(self, *, organizations: int = 1) -> None:
        """Begin to look for a rate that this number of organizations share."""
        now = self._clock()
        self._estimator = RateEstimator(organizations=organizations)
        self._queue_seconds, self._queued_at, self._counted_until = 0.0, now, now
        self._served_at = now
        self._is_served = False
        self._pause = 0.0
        self._refused_at = -math.inf
        self._bucket.freeze(0.0, now)

    def pass_at_once(self) -> bool:
        """Tell whether a request may go without a question, since nothing of it is known to be short."""
        if self._estimator is not None:
            with self._lock:
                if not self._turnstile and self._clock() - self._queued_at > FORGET:
                    self._estimator = None
                    self._recent.clear()
        return not self.is_on

    async def acquire(self, request: Request) -> None:
        """Wait for a permit. Raise DeadlineExceededError as soon as it is clear that none comes in time."""
        if not self._turnstile.pass_at_once():
            self._check_deadline(request)
            self._count_queue(self._clock(), joining=True)
            await self._turnstile.wait(request, what="the turn in this organization's quota")
        with self._lock:
            self._pending[id(request)] = 0

    def depart(self, request: Request) -> float:
        """Return 0.0 if the request is sent now, else the seconds for which it is not."""
        now = self._clock()
        with self._lock:
            if self._paused_until > now:
                return self._paused_until - now
            self._sequence += 1
            self._pending[id(request)] = self._sequence
            return 0.0

    def release(
        self, request: Request, outcome: Response | AccessKeysError | None, reading: Reading | None
    ) -> None:
        """Learn from an outcome."""
        now = self.used_at = self._clock()
        with self._lock:
            sequence = self._pending.pop(id(request), None)
            if sequence == 0:
                self._bucket.put_back()
            if isinstance(outcome, Response):
                self._count_queue(now)
                sent_at = now - outcome.elapsed
                was_alone = sent_at >= self._responded_at and not self._turnstile
                self._responded_at = now
                if outcome.status == 429:
                    self._recent.append(not was_alone)
                    self._refuse(outcome, now, sent_at, reading)
                else:
                    self._recent.append(False)
                    self._serve(now, sent_at)
                if reading is not None:
                    self._follow(reading, now, sequence)
                    if self._advertised is not None and (
                        outcome.status != 429 or not self._advertised.resets
                    ):
                        self._advertised.count_use(reading, now - outcome.elapsed / 2)
                self._silent = 0 if reading is not None else self._silent + 1
                if self._silent > SILENT:
                    self._advertised = None
            self._turnstile.nudge()

    def _serve(self, now: float, sent_at: float) -> None:
        self._served_at = max(self._served_at, now)
        if self._estimator is not None:
            self._estimator.serve()
        if not self._is_served and sent_at >= self._refused_at:
            self._is_served = True
            if self._estimator is not None:
                self._estimator.resume(
                    self._queue_seconds, pause=self._pause, is_window=self._is_window, told=self._is_told
                )

    def _refuse(self, response: Response, now: float, sent_at: float, reading: Reading | None) -> None:
        if not self.is_on and sum(self._recent) >= EVIDENCE:
            self.switch_on()
        is_used_up = reading is not None and reading.remaining < 1
        asked = response.retry_after or 0.0
        if not (self._estimator is not None or (self.is_on and is_used_up)) or asked > self._longest:
            return  # It is its own call's alone, and so is a pause that nobody waits for.
        if sent_at >= self._refused_at:
            self._refused_at = now
            pause = self._learn_refusal(asked)
        else:
            pause = asked if asked > ROUNDED else 0.0
        self._paused_until = max(self._paused_until, now + pause)
        if asked:
            self._served_at = max(self._served_at, self._paused_until)
        # After the pause one request finds out whether there is anything again.
        self._bucket.freeze(1.0 if self._estimator is not None else 0.0, self._paused_until)

    def _learn_refusal(self, asked: float) -> float:
        """Learn from the first refusal in a round trip, and return for how long to pause."""
        if self._advertised is not None:
            self._advertised.refuse()
        is_first = False
        if self._is_served and self._estimator is not None:
            is_first = True
            rate = self._estimator.refuse(self._queue_seconds)
            self._pause = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, PAUSED_PERMITS / rate))
        else:
            self._pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, LONGER * self._pause))
        self._is_window = not is_first or asked > ROUNDED
        self._is_served = False
        self._is_told = asked > 0
        if not asked or (is_first and asked <= ROUNDED):
            return self._pause
        # A little later than requested, each process by itself, so that they do not all come together.
        return asked + self._draw() * min(1.0, asked / 10)

    def _take(self) -> float:
        now = self._clock()
        self._count_queue(now)
        if self._paused_until > now:
            return self._paused_until - now
        if self._advertised is not None:
            return self._take_advertised(self._advertised, now)
        if self._estimator is None or now - self._served_at > STARVED:
            return 0.0
        self._bucket.rate = self._estimator.rate(self._queue_seconds)
        self._bucket.capacity = max(1.0, self._bucket.rate * GRAIN)
        return self._bucket.take(now)

    def _take_advertised(self, advertised: AdvertisedQuota, now: float) -> float:
        self._bucket.fill(now)
        # While responses are on their way, they tell what there is; only without them it has to be guessed.
        pending = len(self._pending)
        reserve = advertised.reserve if advertised.rate else 0.0
        if not pending and (advertised.take_resets(now) or not (advertised.resets or advertised.rate)):
            # Something is back, and only a response can tell how much.
            self._bucket.level = max(self._bucket.level, 1 + reserve)
        self._bucket.rate = advertised.rate if DEPTH * pending > advertised.limit or not pending else 0.0
        seconds = self._bucket.take(now, reserve=reserve)
        return seconds if pending or not advertised.resets else min(seconds, advertised.resets[0] - now)

    def _count_queue(self, now: float, *, joining: bool = False) -> None:
        """Count the seconds in which requests were queued."""
        if self._turnstile:
            self._queue_seconds += now - self._counted_until
            self._queued_at = now
        elif joining:
            self._queued_at = now
        self._counted_until = now

    def _follow(self, reading: Reading, now: float, sequence: int | None) -> None:
        if self._advertised is None:
            if (reading.limit or reading.remaining) < LEAST_TELLING:
                return
            if not self.is_on and reading.remaining >= (reading.limit or 0.0) / 2:
                return
            self._advertised = AdvertisedQuota(reading, now)
            # How many are in flight that were let go before anything was known is not known either.
            self._bucket.level = reading.remaining / 2 - len(self._pending)
        elif sequence:
            pending = len(self._pending)
            level = self._advertised.follow(reading, now, sequence=sequence, under_way=pending)
            if level is not None:
                self._bucket.freeze(level, max(now, self._paused_until))
        self._bucket.capacity = max(1.0, self._advertised.limit)

    def _check_deadline(self, request: Request) -> None:
        if request.deadline is None:
            return
        now = self._clock()
        pause = max(0.0, self._paused_until - now)
        if now + pause >= request.deadline:
            raise DeadlineExceededError(
                f"{request}: the API requested a pause of {pause:.3g} s more, past the deadline; "
                "allow more, or try again later"
            )
