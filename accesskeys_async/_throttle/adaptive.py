"""The default throttle: none at all, until responses show that there is a quota, and what it allows."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from typing import Final

from accesskeys_async._http.messages import Request, Response
from accesskeys_async._public import public
from accesskeys_async._throttle.learned_quota import EVIDENCE, LearnedQuota
from accesskeys_async._throttle.rate_limit_headers import Reading, read_quota
from accesskeys_async._throttle.shared_quota import SharedQuotaDetector
from accesskeys_async.errors import AccessKeysError

SAMPLED: Final = 4
"""One in so many responses is read for quota headers while there were none, which costs next to nothing."""
SILENT: Final = 64
"""So many responses in a row without quota headers: the service is not one that sends them."""
IDLE: Final = 60.0
"""Seconds after which a quota that was not used is forgotten."""
SWEEP_EVERY: Final = 10.0
MAX_QUOTAS: Final = 10_000


@public()
class Adaptive:
    """Go as fast as the service allows. No limit is known at the start, and none is invented.

    Nothing waits until there is evidence of a quota: a header that tells that less than half is left, or
    refusals (429) that are the rule among requests sent at the same time. From then on requests of that
    organization are held to what its quota turns out to be, for as long as requests are queued; others are
    not. If the last response to most organizations was a refusal, all are held to one quota together.

    Args:
        longest: The longest pause that a service may request, in seconds; a call that is asked for a longer
            one fails by itself.
        clock: What time it is, in seconds; the event loops' own by default.
        draw: A random number from 0 to 1.
    """

    def __init__(
        self,
        *,
        longest: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._longest = longest
        self._clock = clock
        self._draw = draw
        self._quotas: dict[int, LearnedQuota] = {}
        self._shared: LearnedQuota | None = None
        self._detector = SharedQuotaDetector()
        self._swept_at = -math.inf
        self._lock = threading.Lock()
        self._skipped = 0
        self._silent = 0

    def acquire_nowait(self, request: Request) -> bool:
        """Tell whether nothing is known to be short for this request."""
        if not self._quotas and self._shared is None:
            return True
        quota = self._find(request)
        return quota is None or quota.pass_at_once()

    async def acquire(self, request: Request) -> None:
        """Wait for what is known to be short. Raise DeadlineExceededError if that takes too long."""
        quota = self._find(request)
        if quota is not None and not quota.pass_at_once():
            await quota.acquire(request)

    def pause(self, request: Request) -> float:
        """Return for how long the request must not be sent after all; 0.0 if it may."""
        quota = self._find(request)
        return 0.0 if quota is None or not quota.is_on else quota.depart(request)

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None:
        """Learn from the status and the headers of a response."""
        reading = None
        refused = False
        if isinstance(outcome, Response):
            refused = outcome.status == 429
            may_skip = not self._quotas and self._shared is None
            if not refused and self._silent >= SILENT and self._skipped < SAMPLED and may_skip:
                self._skipped += 1
                return
            self._skipped = 1
            reading = read_quota(outcome.headers)
            self._silent = 0 if reading is not None else self._silent + 1
        if refused or reading is not None or self._quotas or self._shared is not None:
            with self._lock:
                self._learn(request, outcome, reading)

    def _find(self, request: Request) -> LearnedQuota | None:
        if self._shared is not None:
            if not self._shared.pass_at_once():
                return self._shared
            self._shared = None
        return self._quotas.get(request.organization_id.int)

    def _learn(
        self, request: Request, outcome: Response | AccessKeysError | None, reading: Reading | None
    ) -> None:
        now = self._clock()
        if now - self._swept_at >= SWEEP_EVERY or len(self._quotas) > MAX_QUOTAS:
            self._sweep(now)
        organization = request.organization_id.int
        quota = self._quotas.get(organization)
        if isinstance(outcome, Response):
            refused = outcome.status == 429
            is_short = reading is not None and reading.remaining < (reading.limit or 0.0) / 2
            if quota is None and (refused or is_short):
                quota = self._quotas[organization] = self._make_quota()
            if self._detector.note(organization, refused=refused):
                self._share(quota)
        if self._shared is not None:
            self._shared.release(request, outcome, reading)
            outcome = reading = None  # of its own quota it tells nothing
        if quota is not None:
            quota.release(request, outcome, reading)

    def _share(self, quota: LearnedQuota | None) -> None:
        """Hold all organizations to one quota, unless this one's own explains its refusals."""
        if self._shared is None and (quota is None or not quota.is_on):
            self._shared = self._make_quota()
            self._shared.switch_on(organizations=EVIDENCE)

    def _make_quota(self) -> LearnedQuota:
        return LearnedQuota(longest=self._longest, clock=self._clock, draw=self._draw)

    def _sweep(self, now: float) -> None:
        """Forget what was not used for a minute; and past the bound, what was not used for longest."""
        self._swept_at = now
        for organization in [o for o, quota in self._quotas.items() if quota.is_idle(now - IDLE)]:
            del self._quotas[organization]
        if not self._quotas:
            self._detector.clear()
        if len(self._quotas) > MAX_QUOTAS:
            idle = sorted((o for o, quota in self._quotas.items() if quota.is_idle(now)), key=self._used_at)
            for organization in idle[: max(1, MAX_QUOTAS // 10)]:
                del self._quotas[organization]

    def _used_at(self, organization: int) -> float:
        return self._quotas[organization].used_at
