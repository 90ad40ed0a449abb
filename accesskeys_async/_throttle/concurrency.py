"""How many requests may be under way: places in front of the connection pool, given out by turns."""

from __future__ import annotations

from accesskeys_async._http.messages import Request
from accesskeys_async._throttle.fair_queue import Line, Waiter
from accesskeys_async.errors import ConfigurationError, DeadlineExceededError


class ConcurrencyLimit:
    """Let at most `limit` requests be under way.

    A higher `priority` goes first; within one, organizations take turns, so that ten thousand requests of one
    do not hold up another's; within an organization, first come, first served. It stands in front of the
    connection pool, so that waiting for a place never counts as connecting.
    """

    __slots__ = ("_active", "_line", "limit")

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ConfigurationError(f"max_concurrency is {limit}; it takes 1 or more")
        self.limit = limit
        self._active = 0
        self._line = Line()

    @property
    def active(self) -> int:
        """How many requests are under way."""
        return self._active

    def take(self) -> bool:
        """Take a place without waiting, where one is free and nobody waits."""
        if self._active < self.limit and not self._line.size:
            self._active += 1
            return True
        return False

    async def acquire(self, request: Request) -> None:
        """Take a place, in turn. Raises DeadlineExceededError where none is free in time."""
        if self.take():
            return
        waiter = Waiter(request)
        alarm = None
        if request.deadline is not None:
            # A bare timer costs a fraction of what asyncio.timeout_at does.
            alarm = waiter.loop.call_at(request.deadline, waiter.wake, False)
        self._line.join(waiter)
        given = False
        try:
            given = await waiter.future
        except BaseException:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.result():
                self.release()  # the place was given just as we left: pass it on
            raise
        finally:
            if alarm is not None:
                alarm.cancel()
            if not given:
                self._line.discard(waiter)
        if not given:
            raise DeadlineExceededError(
                f"{request}: no place among {self.limit} was free before the deadline; "
                "allow more, or raise max_concurrency"
            )

    def release(self) -> None:
        """Give the place to the next in turn, or back."""
        while self._line.size and (waiter := self._line.pop()) is not None:
            if not waiter.future.done():
                waiter.wake()
                return
        self._active -= 1
