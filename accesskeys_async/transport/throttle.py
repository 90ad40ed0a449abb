"""How fast to go: a bound on what is under way, and a pause that all who share it keep."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from accesskeys_async.errors import AccessKeysError, ConfigurationError, DeadlineExceededError
from accesskeys_async.transport.exchange import Next, Request, Response

__all__ = ["ConcurrencyLimit", "SharedPause", "Throttle", "Throttled"]


class Throttle(Protocol):
    """Decide when a request may go. One object may serve many clients, loops and threads."""

    async def acquire(self, request: Request) -> None:
        """Return when the request may be sent. Raise DeadlineExceededError where that is too late for it."""

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None:
        """Learn from the outcome of a request that `acquire` let go; None where it was cancelled."""


class SharedPause:
    """Keep still after a 429, all tasks together, for as long as the API asks.

    `default` is the pause in seconds after a 429 without Retry-After, `longest` the bound on any. Each
    task leaves the pause at its own moment within a tenth of it (at most a second), not all at once.
    """

    def __init__(
        self,
        *,
        default: float = 0.25,
        longest: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._default = default
        self._longest = longest
        self._clock = clock
        self._sleep = sleep
        self._draw = draw
        self._until = 0.0
        self._spread = 0.0

    async def acquire(self, request: Request) -> None:
        """Wait until no pause is on. Raise DeadlineExceededError at once where it outlasts the deadline."""
        while self._until > (now := self._clock()):
            until = self._until
            if request.deadline is not None and until >= request.deadline:
                raise DeadlineExceededError(
                    f"{request}: the API asked for a pause of {until - now:.3g} s more, past the deadline; "
                    "allow more, or try again later"
                )
            seconds = until - now + self._draw() * self._spread
            if request.deadline is not None:
                seconds = min(seconds, request.deadline - now)
            await self._sleep(seconds)

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None:  # noqa: ARG002 - the protocol's
        """Begin a pause, or make it longer, where the API answered 429."""
        if not isinstance(outcome, Response) or outcome.status != 429:
            return
        asked = outcome.retry_after
        seconds = min(self._longest, self._default if asked is None else asked)
        self._until = max(self._until, self._clock() + seconds)
        self._spread = min(1.0, seconds / 10)


class ConcurrencyLimit:
    """Let at most `limit` requests be under way, first come, first served.

    It stands in front of the connection pool, so that waiting for a place never counts as connecting.
    """

    __slots__ = ("_active", "_waiters", "limit")

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ConfigurationError(f"max_concurrency is {limit}; it takes 1 or more")
        self.limit = limit
        self._active = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def active(self) -> int:
        """How many requests are under way."""
        return self._active

    async def acquire(self, request: Request) -> None:
        """Take a place, in turn. Raises DeadlineExceededError where none is free in time."""
        if self._active < self.limit and not self._waiters:
            self._active += 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout_at(request.deadline):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self.release()  # the place was given just as we left: pass it on
            else:
                with contextlib.suppress(ValueError):  # `release` may have dropped it already
                    self._waiters.remove(waiter)
            if not isinstance(error, TimeoutError):
                raise
        else:
            return
        raise DeadlineExceededError(
            f"{request}: no place among {self.limit} was free before the deadline; "
            "allow more, or raise max_concurrency"
        )

    def release(self) -> None:
        """Give the place to the next in turn, or back."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._active -= 1


class Throttled:
    """The middleware that asks both, around one attempt."""

    def __init__(self, limit: ConcurrencyLimit, throttle: Throttle) -> None:
        self._limit = limit
        self._throttle = throttle

    async def __call__(self, request: Request, call_next: Next) -> Response:
        """Pass the request on when both let it go."""
        outcome: Response | AccessKeysError | None = None
        await self._limit.acquire(request)
        try:
            await self._throttle.acquire(request)
            try:
                outcome = await call_next(request)
            except AccessKeysError as error:
                outcome = error
                raise
            finally:
                self._throttle.release(request, outcome)
        finally:
            self._limit.release()
        return outcome
