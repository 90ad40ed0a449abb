"""When those leave who have a permit already, but could not use it at once."""

from __future__ import annotations

import math
from typing import Final

from accesskeys_async.transport.exchange import Request

__all__ = ["Departures"]

HAIR: Final = 1e-6
"""Of a ticket: what rounding leaves of a wait that was long enough."""
LONGEST: Final = 1.0
"""Seconds after which to ask again at the latest, or after half of a longer wait: the rate may change."""


class Departures:
    """Space out requests that have their permits, but waited long for a place and would now go together.

    Who can't go at once draws a ticket, and tickets are called at `rate` a second. `slack` is how many may
    go at a time, infinity to let everybody go.
    """

    __slots__ = ("_called", "_drawn", "_since", "_tickets", "rate", "slack")

    def __init__(self, rate: float, slack: float) -> None:
        self.rate = rate
        self.slack = slack
        self._drawn = 0
        self._called = slack
        self._since = -math.inf
        self._tickets: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def depart(self, request: Request, now: float, *, not_before: float = -math.inf) -> float:
        """Return 0.0 where the request goes now, else the seconds after which to ask again."""
        if now < not_before:
            return not_before - now + self._wait(request)
        since = max(self._since, not_before)
        self._called = min(self._drawn + self.slack, self._called + max(0.0, now - since) * self.rate)
        self._since = now
        if self.slack == math.inf:
            self._called = float(self._drawn + 1)
        seconds = self._wait(request)
        if seconds <= 0:
            self.forget(request)
        return seconds

    def _wait(self, request: Request) -> float:
        ticket = self._tickets.get(id(request))
        if ticket is None:
            self._drawn += 1
            ticket = self._tickets[id(request)] = self._drawn
        ahead = ticket - self._called
        seconds = ahead / self.rate if ahead > HAIR else 0.0
        return min(seconds, max(LONGEST, seconds / 2))

    def forget(self, request: Request) -> None:
        """Tear up the ticket of a request that goes, or never does."""
        self._tickets.pop(id(request), None)
