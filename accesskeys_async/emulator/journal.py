"""What was asked of the service, and how it was answered; never with a token."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import attrs

from .routes import Operation

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


@attrs.define
class Line:
    """An entry in the making; its status comes later."""

    entry: JournalEntry
    status: int | None = None


class Journal:
    """Keep the last requests in the order of their arrival; any thread may read.

    An entry is there before the request has any effect, and its status before the reply is sent.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"journal_size is {size}; it takes 1 or more")
        self._lines: deque[Line] = deque(maxlen=size)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[JournalEntry]:
        with self._lock:
            lines = tuple(self._lines)
        return (attrs.evolve(line.entry, status=line.status) for line in lines)

    def count(self, *, operation: Operation | None = None, status: int | None = None) -> int:
        """Return how many entries are of an operation, or have a status; of both if both are given."""
        return sum(
            (operation is None or entry.operation == operation) and (status is None or entry.status == status)
            for entry in self
        )

    def clear(self) -> None:
        """Forget every entry."""
        with self._lock:
            self._lines.clear()

    reset = clear

    def open(self, entry: JournalEntry) -> Line:
        """Note a request that has arrived; give what this returns to `close`."""
        line = Line(entry)
        with self._lock:
            self._lines.append(line)
        return line

    def close(self, line: Line, status: int) -> None:
        """Note the status that a request is about to be answered with."""
        line.status = status


def without_secrets(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers with lower-case names, less those that carry secrets.

    Bytes that are not UTF-8 are written out with backslashes, so that every value is text.
    """
    lowered = ((name.lower(), value) for name, value in headers)
    return {name: _printable(value) for name, value in lowered if name not in _SECRET_HEADERS}


def _printable(value: str) -> str:
    if value.isascii():
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
