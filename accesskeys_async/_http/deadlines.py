"""Time limits for many tasks at once, at the cost of one timer."""

from __future__ import annotations

import asyncio
import math
from typing import Final, TypeAlias

MAX_GRACE: Final = 1.0
"""For how many seconds at most a loop that was blocked may read what came meanwhile."""

TimeLimit: TypeAlias = object
"""Identifies one task's time limit among all that are running."""


class DeadlineTimer:
    """Cancel tasks of one event loop when their time limits expire.

    It does what `asyncio.timeout_at` does, at a fraction of its cost. Nearly all requests end in time, and
    they create, sort and cancel no timer. One timer is set to the earliest time limit. It is set again only
    when it fires, or when an earlier time limit starts.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time
        """Returns the time, in seconds on the loop's clock."""
        self._loop = loop
        self._running: dict[TimeLimit, tuple[float, asyncio.Task[object], int]] = {}
        self._expired: set[TimeLimit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf

    def start(self, when: float | None, *, within: float | None = None) -> TimeLimit:
        """Start a time limit of the current task, and return it; `cancel` it at the end in any case.

        It expires at `when` on the loop's clock or in `within` seconds, whichever is earlier; never, if both
        are None. Raises RuntimeError outside a task.
        """
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a call must be awaited from within a task")
        if within is not None:
            bound = self.now() + within
            when = bound if when is None or bound < when else when
        # The task identifies its time limit, unless it has one already: a call within a call, for a token.
        time_limit: TimeLimit = object() if task in self._running else task
        self._running[time_limit] = (math.inf if when is None else when, task, task.cancelling())
        if when is not None and when < self._next:
            self._set_timer(when)
        return time_limit

    def cancel(self, time_limit: TimeLimit) -> bool:
        """End a time limit, and return whether it expired and nobody else cancelled the task.

        To cancel it twice is harmless.
        """
        running = self._running.pop(time_limit, None)
        if running is None or time_limit not in self._expired:
            return False
        self._expired.discard(time_limit)
        _, task, cancelling = running
        return task.uncancel() <= cancelling

    def expire(self, time_limit: TimeLimit) -> None:
        """Cancel the task of a running time limit."""
        _, task, cancelling = self._running[time_limit]
        self._running[time_limit] = (math.inf, task, cancelling)
        self._expired.add(time_limit)
        task.cancel()

    def close(self) -> None:
        """Remove the timer from the loop."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._next = None, math.inf

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = when
        self._timer = self._loop.call_at(when, self._await_input)

    def _await_input(self) -> None:
        """Let the loop read its sockets for as long as it was late, then expire what is due.

        A loop that was blocked finds a response and an expired time limit at once: the response counts.
        """
        # The time that the timer was set to has come, though the loop's clock may show slightly less.
        due = max(self._loop.time(), self._next)
        grace = min(due - self._next, MAX_GRACE)
        self._timer = self._loop.call_at(due + grace, self._expire_until, due)

    def _expire_until(self, due: float) -> None:
        self._timer, self._next = None, math.inf
        for time_limit in [time_limit for time_limit, (when, _, _) in self._running.items() if when <= due]:
            self.expire(time_limit)
        soonest = min((when for when, _, _ in self._running.values()), default=math.inf)
        if soonest < math.inf:
            self._set_timer(soonest)
