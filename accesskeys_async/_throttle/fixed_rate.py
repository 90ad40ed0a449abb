"""A rate that is known beforehand: so many requests in so many seconds, for each organization."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, TypeAlias

from accesskeys_async._http.messages import Request, Response
from accesskeys_async._public import public
from accesskeys_async._throttle.fair_queue import Turnstile
from accesskeys_async._throttle.permits import SOON, Permits
from accesskeys_async._throttle.token_bucket import Bucket
from accesskeys_async.errors import AccessKeysError, ConfigurationError, DeadlineExceededError

QuotaKey: TypeAlias = Callable[[Request], Hashable]
"""What has a quota of its own: requests of one key share it."""

GRAIN: Final = 0.01
"""Seconds that a wait may come out longer than asked for, on a busy loop."""
MAX_QUOTAS: Final = 10_000


def organization(request: Request) -> Hashable:
    """Give every organization a quota of its own."""
    return request.organization_id.int


def check_rate(requests: float, per: float, burst: int | None) -> tuple[float, int]:
    """Return requests a second and the burst. Raises ConfigurationError."""
    for name, value in (("requests", requests), ("per", per)):
        if not (value > 0 and math.isfinite(value)):
            raise ConfigurationError(f"{name} is {value!r}; it takes a number above 0")
    if burst is not None and burst < 1:
        raise ConfigurationError(f"burst is {burst!r}; it takes 1 or more")
    rate = requests / per
    return rate, burst if burst is not None else max(1, math.ceil(rate * GRAIN))


@public()
class FixedRate:
    """Let `requests` go in any `per` seconds, for each organization.

    In any window of w seconds at most `requests * w / per + burst` are let go. A higher `priority` goes
    first, then first come, first served. `burst` is how many may go together after a rest; left out, what
    ten milliseconds bring and at least 1, so that timers that come a little late cost no quota.

    Args:
        requests: How many, above 0.
        per: In how many seconds.
        key: What has a quota of its own; None makes one quota for all requests.
        burst: 1 or more.
        clock: What time it is, in seconds; the event loops' own by default.

    Raises:
        ConfigurationError: A number is out of its bounds.
    """

    def __init__(
        self,
        requests: float,
        per: float = 1.0,
        *,
        key: QuotaKey | None = organization,
        burst: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._burst = check_rate(requests, per, burst)
        self._key = key
        self._clock = clock
        self._gates: OrderedDict[Hashable, _Gate] = OrderedDict()
        self._lock = threading.Lock()

    async def acquire(self, request: Request) -> None:
        """Wait for a permit. Raise DeadlineExceededError at once where none comes in time."""
        gate = self._find(request)
        if gate.turnstile.pass_at_once():
            gate.permits.add(request)
            return
        soonest = gate.estimate(request)
        if request.deadline is not None and self._clock() + soonest > request.deadline:
            raise DeadlineExceededError(
                f"{request}: the rate of {self._rate:g} a second lets it go in {soonest:.3g} s, past the "
                "deadline; allow more, or ask for less at a time"
            )
        await gate.turnstile.wait(request, what=f"the turn at {self._rate:g} a second")
        gate.permits.add(request)

    def pause(self, request: Request) -> float:
        """Ask for a permit again where the one there was went stale in front of a busy pool.

        Permits that piled up there are thereby never used all at once.
        """
        return self._find(request).depart(request)

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None:  # noqa: ARG002 - the protocol's
        """Void the permit of a request that was not sent."""
        self._find(request).permits.discard(request)

    def _find(self, request: Request) -> _Gate:
        key = None if self._key is None else self._key(request)
        with self._lock:
            gate = self._gates.get(key)
            if gate is None:
                gate = self._gates[key] = _Gate(self._rate, self._burst, clock=self._clock)
                self._shrink()
            else:
                self._gates.move_to_end(key)
            return gate

    def _shrink(self) -> None:
        """Forget the quotas that were not used for longest, once they are as new."""
        while len(self._gates) > MAX_QUOTAS and next(iter(self._gates.values())).is_idle():
            self._gates.popitem(last=False)


class _Gate:
    """One key's permits, and the line for them."""

    def __init__(self, rate: float, burst: int, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._bucket = Bucket(rate, burst, now=clock())
        self.turnstile = Turnstile(self._take, clock=clock)
        self.permits = Permits(clock)

    def _take(self) -> float:
        return self._bucket.take(self._clock())

    def estimate(self, request: Request) -> float:
        """Return the seconds after which a request that joins now is let go, at the soonest."""
        self._bucket.fill(self._clock())
        return max(0.0, self.turnstile.count_ahead(request) + 1 - self._bucket.level) / self._bucket.rate

    def depart(self, request: Request) -> float:
        return 0.0 if self.permits.use(request) or self.turnstile.pass_at_once() else SOON

    def is_idle(self) -> bool:
        self._bucket.fill(self._clock())
        return not self.turnstile and not self.permits and self._bucket.level >= self._bucket.capacity
