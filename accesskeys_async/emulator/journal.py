"""What was asked of the service, and how it was answered; never with a token."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import attrs

from .routes import Operation

__all__ = ["Journal", "JournalEntry"]

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


@attrs.frozen
class JournalEntry:
    """One request; `status` is None while it is unanswered, and stays so when its reply was cut.

    `headers` has lower-case names, and neither Authorization, Proxy-Authorization nor Cookie.
    """

    at: datetime
    method: str
    path: str
    query: str
    operation: Operation | None
    organization_id: str | None
    headers: Mapping[str, str]
    status: int | None = None


class Journal:
    """Keep the last requests in the order of their arrival; any thread may read.

    An entry is there before the request has any effect, and its status before the reply is sent.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"journal_size is {size}; it takes 1 or more")
        self._entries: deque[list[JournalEntry]] = deque(maxlen=size)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[JournalEntry]:
        with self._lock:
            return iter([entry for (entry,) in self._entries])

    def count(self, *, operation: Operation | None = None, status: int | None = None) -> int:
        """Return how many entries are of an operation, or have a status; of both if both are given."""
        return sum(
            (operation is None or entry.operation == operation) and (status is None or entry.status == status)
            for entry in self
        )

    def clear(self) -> None:
        """Forget every entry."""
        with self._lock:
            self._entries.clear()

    reset = clear

    def open(self, entry: JournalEntry) -> list[JournalEntry]:
        """Note a request that has arrived; give what this returns to `close`."""
        line = [entry]
        with self._lock:
            self._entries.append(line)
        return line

    def close(self, line: list[JournalEntry], status: int) -> None:
        """Note the status that a request is about to be answered with."""
        line[0] = attrs.evolve(line[0], status=status)


def without_secrets(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers with lower-case names, less those that carry secrets."""
    lowered = ((name.lower(), value) for name, value in headers)
    return {name: value for name, value in lowered if name not in _SECRET_HEADERS}
