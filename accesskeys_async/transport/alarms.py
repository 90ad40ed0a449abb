"""Time limits for many tasks at once, at the cost of one timer."""

from __future__ import annotations

import asyncio
import math

__all__ = ["Alarm", "Alarms"]


class Alarm:
    """One task's time limit; `stop` it on the way out, whatever happened."""

    __slots__ = ("_armed", "_cancelling", "_rung", "_task", "when")

    def __init__(self, armed: set[Alarm], task: asyncio.Task[object], when: float) -> None:
        self._armed = armed
        self._task = task
        self._cancelling = task.cancelling()
        self._rung = False
        self.when = when

    def ring(self) -> None:
        """Cancel the task."""
        self._rung = True
        self._task.cancel()

    def stop(self) -> bool:
        """Switch it off, and tell whether it rang while nobody else cancelled the task."""
        self._armed.discard(self)
        if not self._rung:
            return False
        self._rung = False
        return self._task.uncancel() <= self._cancelling


class Alarms:
    """Ring alarms when their time has come.

    What `asyncio.timeout_at` does, at a fraction of its cost: a request that ends in time, as nearly all
    do, leaves no timer behind to be made, sorted and cancelled. One timer stands at the earliest time of
    all, and is set anew only when it fires or an earlier time comes in.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._armed: set[Alarm] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf

    def arm(self, when: float | None) -> Alarm:
        """Cancel the running task at a time on the loop's clock; never, where it is None.

        Raises RuntimeError outside of a task.
        """
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a call must be awaited from within a task")
        alarm = Alarm(self._armed, task, math.inf if when is None else when)
        if when is not None:
            self._armed.add(alarm)
            if when < self._next:
                self._set_timer(when)
        return alarm

    def close(self) -> None:
        """Take the timer off the loop."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._next = None, math.inf

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = when
        self._timer = self._loop.call_at(when, self._ring_due)

    def _ring_due(self) -> None:
        # What it was set for is due, though the loop's clock may read a grain less.
        now = max(self._loop.time(), self._next)
        self._timer, self._next = None, math.inf
        for alarm in [alarm for alarm in self._armed if alarm.when <= now]:
            self._armed.discard(alarm)
            alarm.ring()
        if self._armed:
            self._set_timer(min(alarm.when for alarm in self._armed))
