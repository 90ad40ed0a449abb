"""Permits that were given and not used yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from accesskeys_async._http.messages import Request

STALE: Final = 0.05
"""Seconds after which a permit is void. Those who wait longer for a place would all use theirs together."""
SOON: Final = 0.001
"""Seconds after which to ask for another one."""


class Permits:
    """Know which requests have a permit, and since when."""

    __slots__ = ("_clock", "_given")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._given: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._given)

    def add(self, request: Request) -> None:
        """Note that a request was given a permit."""
        self._given[id(request)] = self._clock()

    def use(self, request: Request, *, stale_too: bool = False) -> bool:
        """Take a request's permit away, and tell whether it was good."""
        given_at = self._given.pop(id(request), None)
        return given_at is not None and (stale_too or self._clock() - given_at <= STALE)

    def discard(self, request: Request) -> bool:
        """Void a request's permit, and tell whether it had one."""
        return self._given.pop(id(request), None) is not None
