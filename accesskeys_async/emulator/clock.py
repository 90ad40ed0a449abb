"""What time it is: the machine's clock, or one that a test sets."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tell the time that records, `Date` headers and rate limits go by."""

    def now(self) -> datetime:
        """Return the present moment, aware."""
        ...

    def reset(self) -> None:
        """Go back to the moment that the clock was made with, if it had one."""
        ...


class SystemClock:
    """Tell the machine's own time."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)

    def reset(self) -> None:
        """Do nothing: real time cannot be set."""


class ManualClock:
    """Stand still until told otherwise; any thread may move it.

    Raises:
        ValueError: A moment has no time zone.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = _aware(start)
        self._now = self._start
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the moment that was last set."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move by so many seconds; a negative number moves back."""
        with self._lock:
            self._now += timedelta(seconds=seconds)

    def set(self, moment: datetime) -> None:
        """Move to an aware moment."""
        with self._lock:
            self._now = _aware(moment)

    def reset(self) -> None:
        """Go back to the start."""
        with self._lock:
            self._now = self._start


def timestamp(moment: datetime) -> str:
    """Write a moment as the API does: RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("the clock was given a datetime without a time zone; add tzinfo=UTC")
    return moment.astimezone(UTC)
