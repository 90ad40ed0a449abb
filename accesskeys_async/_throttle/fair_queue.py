"""Whose turn it is: a line by priority, fair between organizations, and a turnstile that it waits at."""

from __future__ import annotations

import asyncio
import math
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

from accesskeys_async._http.messages import Request
from accesskeys_async.errors import DeadlineExceededError


class Waiter:
    """One request in a line, and the future that wakes it: True for its turn, False for its deadline."""

    __slots__ = ("future", "loop", "organization", "priority")

    def __init__(self, request: Request) -> None:
        self.priority = request.priority
        self.organization = request.organization_id.int
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[bool] = self.loop.create_future()

    def wake(self, outcome: bool = True) -> None:
        """Resolve the future, where that is still open. On the waiter's own loop."""
        if not self.future.done():
            self.future.set_result(outcome)


class Line:
    """Hold waiters: a higher priority first; in one, organizations in turn; in one of those, as they came."""

    __slots__ = ("_priorities", "_tiers", "size")

    def __init__(self) -> None:
        self._tiers: dict[int, OrderedDict[int, OrderedDict[Waiter, None]]] = {}
        self._priorities: list[int] = []
        self.size = 0
        """How many wait: `len(line)` at less cost."""

    def __len__(self) -> int:
        return self.size

    def join(self, waiter: Waiter) -> None:
        """Put a waiter behind those of its organization."""
        tier = self._tiers.get(waiter.priority)
        if tier is None:
            tier = self._tiers[waiter.priority] = OrderedDict()
            self._priorities = sorted(self._tiers, reverse=True)
        tier.setdefault(waiter.organization, OrderedDict())[waiter] = None
        self.size += 1

    def first(self) -> Waiter | None:
        """Return who is next, without letting it go."""
        if not self.size:
            return None
        tier = self._tiers[self._priorities[0]]
        return next(iter(next(iter(tier.values()))))

    def pop(self) -> Waiter | None:
        """Take out who is next, and send its organization to the end of the round."""
        waiter = self.first()
        if waiter is not None:
            self.discard(waiter)
            tier = self._tiers.get(waiter.priority)
            if tier is not None and waiter.organization in tier:
                tier.move_to_end(waiter.organization)
        return waiter

    def discard(self, waiter: Waiter) -> None:
        """Take a waiter out, wherever it stands; one that is gone already stays gone."""
        tier = self._tiers.get(waiter.priority, OrderedDict())
        own = tier.get(waiter.organization, OrderedDict())
        if waiter not in own:
            return
        del own[waiter]
        self.size -= 1
        if not own:
            del tier[waiter.organization]
        if not tier:
            del self._tiers[waiter.priority]
            self._priorities.remove(waiter.priority)

    def count_ahead(self, request: Request) -> int:
        """Return at least how many go before a request that joins now, should nobody come after it."""
        higher = [tier for priority, tier in self._tiers.items() if priority > request.priority]
        ahead = sum(len(own) for tier in higher for own in tier.values())
        tier = self._tiers.get(request.priority, OrderedDict())
        before = len(tier.get(request.organization_id.int, ()))
        return ahead + sum(min(len(own), before) for own in tier.values())


class Turnstile:
    """Let requests through one at a time, in the order of a line, whenever `take` allows.

    `take` returns 0.0 where it gave what is asked for, else the seconds after which to ask again; infinity
    waits for `nudge`, or for `refill`, which the first in line then calls. It is asked under a lock, for the
    first in line alone. Any loop and thread may wait.
    """

    def __init__(
        self,
        take: Callable[[], float],
        *,
        clock: Callable[[], float],
        lock: AbstractContextManager[object] | None = None,
        refill: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._take = take
        self._refill = refill
        self._clock = clock
        self._line = Line()
        self._lock = lock or threading.RLock()

    def __len__(self) -> int:
        return len(self._line)

    def pass_at_once(self) -> bool:
        """Go through without waiting, where nobody waits and there is something to take."""
        with self._lock:
            return not self._line and self._take() <= 0

    def count_ahead(self, request: Request) -> int:
        """Return at least how many go before a request that joins now."""
        with self._lock:
            return self._line.count_ahead(request)

    async def wait(self, request: Request, *, what: str) -> None:
        """Return when it is this request's turn and it was taken.

        Raises DeadlineExceededError as soon as it is known that this is too late; `what` says for what.
        """
        waiter = Waiter(request)
        with self._lock:
            self._line.join(waiter)
        try:
            while (seconds := self._ask(waiter)) > 0:
                if self._refill is not None and seconds == math.inf and self._is_first(waiter):
                    await self._refill()
                elif not await self._rest(waiter, seconds, request.deadline):
                    raise self._too_late(request, seconds, what)
        finally:
            with self._lock:
                self._line.discard(waiter)
            self.nudge()

    def nudge(self) -> None:
        """Make the first in line ask again."""
        with self._lock:
            waiter = self._line.first()
            if waiter is None:
                return
            if waiter.loop is _running_loop():
                waiter.wake()
            elif not waiter.loop.is_closed():
                waiter.loop.call_soon_threadsafe(waiter.wake)

    def _ask(self, waiter: Waiter) -> float:
        with self._lock:
            if self._line.first() is not waiter:
                return math.inf
            seconds = self._take()
            if seconds <= 0:
                self._line.pop()
            return seconds

    def _is_first(self, waiter: Waiter) -> bool:
        with self._lock:
            return self._line.first() is waiter

    async def _rest(self, waiter: Waiter, seconds: float, deadline: float | None) -> bool:
        """Wait for a nudge, or so long. False where the deadline came, or will come before."""
        now = self._clock()
        until = now + seconds
        if deadline is not None and deadline <= (now if seconds == math.inf else until):
            return False
        alarm: asyncio.TimerHandle | None = None
        if until < math.inf:
            alarm = waiter.loop.call_later(seconds, waiter.wake)
        elif deadline is not None:
            alarm = waiter.loop.call_later(deadline - now, waiter.wake, False)
        try:
            return await waiter.future
        finally:
            if alarm is not None:
                alarm.cancel()
            waiter.future = waiter.loop.create_future()

    def _too_late(self, request: Request, seconds: float, what: str) -> DeadlineExceededError:
        when = f" (in {seconds:.3g} s at the soonest)" if seconds < math.inf else ""
        return DeadlineExceededError(
            f"{request}: {what} comes after the deadline{when}; allow more, or try again later"
        )


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
