"""When a request may go: what a throttle is, and the middleware that asks it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import evolve

from accesskeys_async._http.messages import Middleware, Next, Request, Response
from accesskeys_async._public import public
from accesskeys_async._throttle.concurrency import ConcurrencyLimit
from accesskeys_async.errors import AccessKeysError, DeadlineExceededError


@public()
class Throttle(Protocol):
    """Decide when a request may go. One object may serve many clients, loops and threads.

    Around each attempt it is asked in this order: `acquire`, which may wait, then `pause`, when a place in
    front of the connection pool is taken, then `release`. All three are passed the same request object.

    One that mostly lets requests pass may have `acquire_nowait(request) -> bool` as well. It is asked first,
    and does what `acquire` does where that need not wait, else returns False. Where it returned True and a
    place is free as well, the request is sent without another question.
    """

    async def acquire(self, request: Request) -> None:
        """Return when the request may be sent. Raise DeadlineExceededError at once where that is too late."""

    def pause(self, request: Request) -> float:
        """Return the seconds for which it must not be sent after all; 0.0: it is sent now.

        A place was waited for since `acquire`, and an answer may have come that changes things. Where it must
        wait, the place is given back, `release` is told that nothing was sent, and after so many seconds it
        begins again with `acquire`.
        """
        ...

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None:
        """Learn from the outcome; once for each `acquire` that returned. None: cancelled, or never sent."""


class Throttled:
    """The middleware that waits for the throttle and for a place, around one attempt.

    A request that the throttle holds up holds no place, so one organization's quota never slows another.
    """

    def __init__(
        self,
        limit: ConcurrencyLimit,
        throttle: Throttle,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._limit = limit
        self._throttle = throttle
        self._acquire_nowait = getattr(throttle, "acquire_nowait", _never)
        self._clock = clock
        self._sleep = sleep

    async def __call__(self, request: Request, call_next: Next) -> Response:
        """Pass the request on when both let it go. Raises DeadlineExceededError where that is too late."""
        acquired = self._acquire_nowait(request)
        if not acquired or not self._limit.take():
            return await self._wait_and_pass_on(request, call_next, acquired=acquired)
        outcome: Response | AccessKeysError | None = None
        try:
            outcome = await call_next(request)
            return outcome
        except AccessKeysError as error:
            outcome = error
            raise
        finally:
            self._limit.release()
            self._throttle.release(request, outcome)

    async def _wait_and_pass_on(self, request: Request, call_next: Next, *, acquired: bool) -> Response:
        throttle, limit = self._throttle, self._limit
        outcome: Response | AccessKeysError | None = None
        placed = False
        if not acquired:
            await throttle.acquire(request)
            acquired = True
        try:
            await limit.acquire(request)
            placed = True
            while (seconds := throttle.pause(request)) > 0:
                limit.release()
                placed = False
                throttle.release(request, None)
                acquired = False
                await self._wait(request, seconds)
                await throttle.acquire(request)
                acquired = True
                await limit.acquire(request)
                placed = True
            outcome = await call_next(request)
            return outcome
        except AccessKeysError as error:
            outcome = error
            raise
        finally:
            if placed:
                limit.release()
            if acquired:
                throttle.release(request, outcome)

    async def _wait(self, request: Request, seconds: float) -> None:
        if request.deadline is not None and self._clock() + seconds >= request.deadline:
            raise DeadlineExceededError(
                f"{request}: the API asked for a pause of {seconds:.3g} s more, past the deadline; "
                "allow more, or try again later"
            )
        await self._sleep(seconds)


def _never(request: Request) -> bool:  # noqa: ARG001 - in the place of a method
    return False


def make_prioritize(priority: int) -> Middleware:
    """Make a middleware that gives every request a priority."""

    async def prioritize(request: Request, call_next: Next) -> Response:
        return await call_next(evolve(request, priority=priority))

    return prioritize
