"""A throttle that is told nothing beforehand, and learns how fast to go from what comes back."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from typing import Final

from accesskeys_async.errors import AccessKeysError, APIConnectionError
from accesskeys_async.transport.congestion import Congestion
from accesskeys_async.transport.exchange import Request, Response
from accesskeys_async.transport.lanes import Lane
from accesskeys_async.transport.quota_headers import Reading, read_quota
from accesskeys_async.transport.scope import Scope
from accesskeys_async.transport.turns import Turnstile

__all__ = ["Adaptive"]

OVERLOADED: Final = frozenset({502, 503, 504})
SAMPLED: Final = 4
"""One in so many outcomes is looked at while all is well, so that it costs next to nothing."""
SILENT: Final = 64
"""So many answers in a row that say nothing of a quota: the service is not one that tells."""
IDLE: Final = 60.0
"""Seconds after which a quota that was not used is forgotten."""
SWEEP_EVERY: Final = 10.0
MAX_LANES: Final = 10_000


class Adaptive:
    """Go as fast as the service allows. No limit is known at the start, and none is made up.

    Rate: an organization whose quota comes into sight (a 429, or a header that says less than half is left)
    is held to what its quota turns out to be, and keeps still for as long as a 429 asks; others go on. Where
    refusals show that all organizations share one quota, all are held to it together.

    Concurrency: where a service fails, or answers late because too much is under way, less is let go at a
    time, and more again as it recovers.

    Args:
        longest: The bound on any pause, in seconds.
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
        self._lanes: dict[int, Lane] = {}
        self._everyone: Lane | None = None
        self._scope = Scope()
        self._swept_at = -math.inf
        self._lock = threading.Lock()
        self._congestion = Congestion(clock=clock)
        self._entered: set[int] = set()
        self._skipped = 0
        self._silent = 0
        self._gate = Turnstile(self._enter, clock=clock)

    def acquire_nowait(self, request: Request) -> bool:  # noqa: ARG002 - the protocol's
        """Tell whether nothing is known to be short."""
        return not self._lanes and self._everyone is None and self._congestion.limit is None

    async def acquire(self, request: Request) -> None:
        """Wait for what is known to be short. Raise DeadlineExceededError where that takes too long."""
        lane: Lane | None = None
        if self._everyone is not None or self._lanes:
            lane = self._everyone or self._lanes.get(request.organization_id.int)
            if lane is not None:
                await lane.acquire(request)
        if self._congestion.limit is not None:
            try:
                await self._pass_gate(request)
            except BaseException:
                if lane is not None:
                    lane.release(request, None, None)
                raise

    async def _pass_gate(self, request: Request) -> None:
        if not self._gate.pass_at_once():
            await self._gate.wait(request, what="room at a service under strain")
        self._entered.add(id(request))

    def pause(self, request: Request) -> float:
        """Return how long the request's quota asks to keep still; 0.0 where there is no such thing."""
        if self._everyone is not None or self._lanes:
            lane = self._everyone or self._lanes.get(request.organization_id.int)
            if lane is not None:
                return lane.depart(request)
        return 0.0

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None:
        """Learn from the status, the headers and the latency of an answer, or from its absence."""
        if isinstance(outcome, Response) and outcome.status != 429 and self._may_skip():
            self._skipped += 1
            return
        weight, self._skipped = self._skipped + 1, 0
        reading = None
        refused = changed = False
        if isinstance(outcome, Response):
            reading = read_quota(outcome.headers)
            self._silent = 0 if reading is not None else self._silent + weight
            refused = outcome.status == 429
            failed = outcome.status in OVERLOADED
            changed = self._congestion.note(request.operation, outcome.elapsed, failed=failed, weight=weight)
        elif isinstance(outcome, APIConnectionError):
            changed = self._congestion.note(request.operation, 0.0, failed=True, weight=weight)
        if refused or reading is not None or self._lanes or self._scope.is_alert:
            with self._lock:
                self._learn(request, outcome, reading)
        if changed or self._entered:
            self._entered.discard(id(request))
            self._gate.nudge()

    def _may_skip(self) -> bool:
        """Tell whether an outcome may go by unseen, since all is well and others are looked at."""
        return (
            self._skipped < SAMPLED - 1
            and self._silent >= SILENT
            and self._congestion.limit is None
            and self._everyone is None
            and not (self._lanes or self._entered or self._scope.is_alert)
        )

    def _learn(
        self, request: Request, outcome: Response | AccessKeysError | None, reading: Reading | None
    ) -> None:
        now = self._clock()
        if now - self._swept_at >= SWEEP_EVERY or len(self._lanes) > MAX_LANES:
            self._sweep(now)
        organization = request.organization_id.int
        lane = self._everyone or self._lanes.get(organization)
        if isinstance(outcome, Response):
            is_short = reading is not None and reading.remaining < (reading.limit or 0.0) / 2
            if outcome.status == 429:
                began = now - outcome.elapsed
                shared = self._scope.refuse(
                    organization, now, began=began, is_known=organization in self._lanes
                )
                lane = self._choose(shared, lane)
            elif self._scope.is_alert:
                self._scope.accept(organization)
            if lane is None and (outcome.status == 429 or is_short):
                lane = self._lanes[organization] = self._make_lane()
        if lane is not None:
            lane.release(request, outcome, reading)

    def _choose(self, shared: bool, lane: Lane | None) -> Lane | None:
        """Return the lane that a refusal is put down to; None for a new one of the organization's own."""
        if shared and self._everyone is None:
            self._everyone = lane = self._make_lane()
            self._lanes.clear()
        elif not shared and self._everyone is not None:
            self._everyone = lane = None
        return lane

    def _make_lane(self) -> Lane:
        return Lane(longest=self._longest, clock=self._clock, draw=self._draw)

    def _sweep(self, now: float) -> None:
        """Forget what was not used for a minute; and past the bound, what was not used for longest."""
        self._swept_at = now
        for organization in [o for o, lane in self._lanes.items() if lane.is_idle(now - IDLE)]:
            del self._lanes[organization]
        if self._everyone is not None and self._everyone.is_idle(now - IDLE):
            self._everyone = None
        if self._everyone is None:
            self._scope.calm(now)
        if len(self._lanes) > MAX_LANES:
            idle = sorted((o for o, lane in self._lanes.items() if lane.is_idle(now)), key=self._used_at)
            for organization in idle[: max(1, MAX_LANES // 10)]:
                del self._lanes[organization]

    def _used_at(self, organization: int) -> float:
        return self._lanes[organization].used_at

    def _enter(self) -> float:
        limit = self._congestion.limit
        return math.inf if limit is not None and len(self._entered) >= limit else 0.0
