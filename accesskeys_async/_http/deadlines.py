"""Time limits for many tasks at once, at the cost of one timer."""

from __future__ import annotations

import asyncio
import math
from typing import Final, TypeAlias

MAX_GRACE: Final = 1.0
"""Seconds that the loop gets at most to read what came while it was blocked."""

TimeLimit: TypeAlias = object
"""One task's time limit, to be told apart from all others that are running."""


class DeadlineTimer:
    """Ring timer when their time has come, on one event loop.

    What `asyncio.timeout_at` does, at a fraction of its cost: a request that ends in time, as nearly all
    do, leaves no timer behind to be made, sorted and cancelled. One timer stands at the earliest time of
    all, and is set anew only when it fires or an earlier time comes in.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time
        """What time it is, in seconds on the loop's clock."""
        self._loop = loop
        self._running: dict[TimeLimit, tuple[float, asyncio.Task[object], int]] = {}
        self._expired: set[TimeLimit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf

    def start(self, when: float | None, *, within: float | None = None) -> TimeLimit:
        """Cancel the running task at a time on the loop's clock, or within so many seconds; never, for None.

        Returns the time limit: `cancel` it at the end in any case. Raises RuntimeError outside a task.
        """
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a call must be awaited from within a task")
        if within is not None:
            bound = self.now() + within
            when = bound if when is None or bound < when else when
        # The task itself will do, unless it has one already: a call for a token, in the midst of a call.
        time_limit: TimeLimit = object() if task in self._running else task
        self._running[time_limit] = (math.inf if when is None else when, task, task.cancelling())
        if when is not None and when < self._next:
            self._set_timer(when)
        return time_limit

    def cancel(self, time_limit: TimeLimit) -> bool:
        """Switch it off, and tell whether it rang while nobody else cancelled the task. Twice is fine."""
        running = self._running.pop(time_limit, None)
        if running is None or time_limit not in self._expired:
            return False
        self._expired.discard(time_limit)
        _, task, cancelling = running
        return task.uncancel() <= cancelling

    def expire(self, time_limit: TimeLimit) -> None:
        """Cancel the task of a time limit that is running."""
        _, task, cancelling = self._running[time_limit]
        self._running[time_limit] = (math.inf, task, cancelling)
        self._expired.add(time_limit)
        task.cancel()

    def close(self) -> None:
        """Take the timer off the loop."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._next = None, math.inf

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = when
        self._timer = self._loop.call_at(when, self._await_input)

    def _await_input(self) -> None:
        """Let the loop read what lies in its sockets, for as long as it was late; then ring what is due.

        A loop that was blocked learns of a response and of the time at once, and the response counts.
        """
        # What it was set for is due, though the loop's clock may read a grain less.
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
