"""The simplest throttle: after a 429, nothing is sent for as long as the API asks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from accesskeys_async._http.messages import Request, Response
from accesskeys_async._public import public
from accesskeys_async.errors import AccessKeysError, DeadlineExceededError


@public()
class SharedPause:
    """Keep still after a 429, all tasks and organizations together, and learn nothing from it.

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

    def pause(self, request: Request) -> float:  # noqa: ARG002 - the protocol's
        """Return what is left of a pause that began since `acquire`."""
        left = self._until - self._clock()
        return left + self._draw() * self._spread if left > 0 else 0.0

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None:  # noqa: ARG002 - the protocol's
        """Begin a pause, or make it longer, where the API answered 429."""
        if not isinstance(outcome, Response) or outcome.status != 429:
            return
        asked = outcome.retry_after
        seconds = min(self._longest, self._default if asked is None else asked)
        self._until = max(self._until, self._clock() + seconds)
        self._spread = min(1.0, seconds / 10)
