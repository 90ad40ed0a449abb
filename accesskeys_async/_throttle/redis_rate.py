"""A rate that many processes and hosts keep to together, counted in Redis."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Literal, Protocol

from accesskeys_async._http.messages import Request, Response
from accesskeys_async._public import public
from accesskeys_async._resources import AsyncResource
from accesskeys_async._throttle.fair_queue import Turnstile
from accesskeys_async._throttle.fixed_rate import MAX_QUOTAS, QuotaKey, check_rate
from accesskeys_async._throttle.permits import SOON, STALE, Permits
from accesskeys_async.errors import AccessKeysError, APIConnectionError, ConfigurationError

logger: Final = logging.getLogger("accesskeys_async")

OUTAGE: Final = 1.0
"""Seconds for which Redis is left alone after it failed."""

RESERVE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local due = tonumber(redis.call('GET', KEYS[1]) or now)
local waits = {}
for i = 1, count do
  local at = math.max(now, due - (burst - 1) * interval)
  due = math.max(due, at) + interval
  waits[i] = math.ceil(at - now)
end
local kept = math.ceil((due - now) / 1000) + 1000
redis.call('SET', KEYS[1], string.format('%.3f', due), 'PX', string.format('%d', kept))
return waits
"""
"""Reserve permits, by Redis' own clock, and return the microseconds until each is due."""


def organization_name(request: Request) -> Hashable:
    """Give every organization a quota of its own, under its id."""
    return str(request.organization_id)


class _Script(Protocol):
    """What redis-py makes of a script."""

    def __call__(self, *, keys: list[str], args: list[float]) -> Awaitable[list[int]]: ...


class _Redis(Protocol):
    """What is needed of a `redis.asyncio.Redis`, which may not be installed."""

    def register_script(self, script: str) -> _Script: ...

    async def aclose(self) -> None: ...


@public()
class RedisRate(AsyncResource):
    """Let `requests` go in any `per` seconds, for each organization, from all processes that share a Redis.

    Each process reserves permits for those of its requests that wait, at most `batch` in one call, and gives
    them out by priority. Time is Redis' own, so hosts' clocks may differ. A permit is used no earlier than it
    is due; one that is not used within 50 ms of that is void.

    Where Redis does not answer, it is asked again after a second, and until then `fail` decides: "open" lets
    everything go, "closed" raises APIConnectionError with `sent` False, which the retry policy treats as
    every request that was not sent. It belongs to the event loop of its first call; close it with `aclose`,
    or use it as `async with RedisRate(...) as throttle`. Needs the extra `redis`.

    Args:
        redis: A URL such as `redis://host:6379/0`, or a `redis.asyncio.Redis` to borrow, never closed.
        requests: How many, above 0.
        per: In how many seconds.
        key: What has a quota of its own; None makes one quota for all requests.
        burst: How many may go together after a rest, 1 or more; left out, what ten milliseconds bring.
        fail: What to do without Redis.
        batch: How many permits to reserve in one call at most, 1 or more.
        patience: Seconds to wait for Redis.
        prefix: What the names of the keys in Redis begin with.
        clock: What time it is, in seconds; the event loop's own by default.

    Raises:
        ConfigurationError: A number is out of its bounds, or redis-py is not installed.
    """

    def __init__(
        self,
        redis: str | _Redis,
        requests: float,
        per: float = 1.0,
        *,
        key: QuotaKey | None = organization_name,
        burst: int | None = None,
        fail: Literal["open", "closed"] = "open",
        batch: int = 10,
        patience: float = 0.5,
        prefix: str = "accesskeys:rate:",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._burst = check_rate(requests, per, burst)
        if batch < 1:
            raise ConfigurationError(f"batch is {batch!r}; it takes 1 or more")
        if fail not in {"open", "closed"}:
            raise ConfigurationError(f"fail is {fail!r}; it takes 'open' or 'closed'")
        client = _connect(redis, patience) if isinstance(redis, str) else redis
        self._owned = client if isinstance(redis, str) else None
        self._ledger = _Ledger(
            client.register_script(RESERVE),
            terms=(1e6 / self._rate, self._burst),
            fail=fail,
            batch=batch,
            patience=patience,
            clock=clock,
        )
        self._key = key
        self._prefix = prefix
        self._clock = clock
        self._lines: OrderedDict[Hashable, _Reserved] = OrderedDict()

    async def aclose(self) -> None:
        """Close the connections to Redis. Twice is fine; a borrowed client stays open."""
        if self._owned is not None:
            await self._owned.aclose()

    async def acquire(self, request: Request) -> None:
        """Wait for a permit. Raise DeadlineExceededError as soon as it is clear that none comes in time."""
        line = self._find(request)
        if not line.turnstile.pass_at_once():
            await line.turnstile.wait(request, what=f"the turn at {self._rate:g} a second")
        line.permits.add(request)

    def pause(self, request: Request) -> float:
        """Ask for a permit again where the one there was went stale in front of a busy pool."""
        line = self._find(request)
        return 0.0 if line.permits.use(request) or line.turnstile.pass_at_once() else SOON

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None:  # noqa: ARG002 - the protocol's
        """Void the permit of a request that was not sent."""
        self._find(request).permits.discard(request)

    def _find(self, request: Request) -> _Reserved:
        key = "" if self._key is None else self._key(request)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Reserved(self._ledger, f"{self._prefix}{key}", clock=self._clock)
            while len(self._lines) > MAX_QUOTAS and next(iter(self._lines.values())).is_idle():
                self._lines.popitem(last=False)
        else:
            self._lines.move_to_end(key)
        return line


class _Ledger:
    """Reserve permits in Redis, and know whether it can be asked at all."""

    def __init__(
        self,
        script: _Script,
        *,
        terms: tuple[float, int],
        fail: Literal["open", "closed"],
        batch: int,
        patience: float,
        clock: Callable[[], float],
    ) -> None:
        self._script = script
        self._terms = terms
        self._fail = fail
        self._batch = batch
        self._patience = patience
        self._clock = clock
        self._back_at = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether everything goes, since Redis does not answer."""
        return self._fail == "open" and self._clock() < self._back_at

    async def reserve(self, key: str, count: int) -> list[float]:
        """Return when the permits reserved are due. Raises APIConnectionError where it fails closed."""
        if self._clock() >= self._back_at:
            try:
                async with asyncio.timeout(self._patience):
                    waits = await self._script(keys=[key], args=[*self._terms, min(count, self._batch)])
            except Exception as error:  # noqa: BLE001 - whatever Redis and the way to it may raise
                self._back_at = self._clock() + OUTAGE
                logger.warning("the shared rate fails %s; Redis: %s", self._fail, type(error).__name__)
            else:
                # Counted from when the answer came: late by its way, and never early.
                now = self._clock()
                return [now + wait / 1e6 for wait in waits]
        if self._fail == "closed":
            raise APIConnectionError(
                "the shared rate's Redis does not answer, and nothing is sent without it; "
                'bring it back, or use fail="open"',
                sent=False,
            )
        return []


class _Reserved:
    """One key's permits that this process has reserved, and the line for them."""

    def __init__(self, ledger: _Ledger, key: str, *, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._key = key
        self._clock = clock
        self._due: deque[float] = deque()
        self.turnstile = Turnstile(self._take, clock=clock, refill=self._refill)
        self.permits = Permits(clock)

    def is_idle(self) -> bool:
        return not (self.turnstile or self.permits)

    def _take(self) -> float:
        if self._ledger.is_open:
            return 0.0
        now = self._clock()
        while self._due and self._due[0] < now - STALE:
            self._due.popleft()
        if not self._due:
            return math.inf
        if self._due[0] > now:
            return self._due[0] - now
        self._due.popleft()
        return 0.0

    async def _refill(self) -> None:
        self._due.extend(await self._ledger.reserve(self._key, len(self.turnstile)))


def _connect(url: str, patience: float) -> _Redis:
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise ConfigurationError(
            "RedisRate needs redis-py; install the extra, accesskeys-async[redis]"
        ) from None
    try:
        return Redis.from_url(
            url, socket_timeout=patience, socket_connect_timeout=patience, retry=Retry(NoBackoff(), 0)
        )
    except ValueError:
        pass
    # Not the URL itself: it may have a password in it.
    raise ConfigurationError("redis is no URL that redis-py takes; it takes redis://, rediss:// or unix://")
