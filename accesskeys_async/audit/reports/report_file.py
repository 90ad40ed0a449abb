"""The destination of a report: a file that is complete or absent, or a pipe."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from attrs import define, field

from accesskeys_async.errors import AccessKeysError, one_line


class ReportError(AccessKeysError):
    """Raised when a report could not be written. An earlier report at its path is kept."""


@define
class ReportFile:
    """A file beside its final place until `commit` gives it its name; `discard` leaves nothing of it.

    What is no regular file, such as a pipe or `/dev/stdout`, is written to as it comes.
    """

    path: Path
    _file: BinaryIO | None = field(default=None, init=False)
    _temporary: Path | None = field(default=None, init=False)
    _lock: int | None = field(default=None, init=False)
    """Keeps the temporary file locked until it has its name, so that another run sees that it is in use."""

    def open(self) -> None:
        """Begin. Raises ReportError where nothing can be written there."""
        with _explained(self.path):
            if self.path.is_dir():
                raise ReportError(f"{_shown(self.path)} is a folder; name a file in it")
            if _is_stream(self.path):
                self._file = self.path.open("wb")
                return
            _remove_stale(self.path)
            while self._temporary is None:
                temporary = self.path.with_name(f"{_prefix(self.path)}{secrets.token_hex(6)}.part")
                file = temporary.open("xb")
                with contextlib.suppress(OSError):  # without locks, nothing is removed as stale, either
                    fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_nlink == 0:  # removed as stale before it was locked
                    file.close()
                    continue
                self._file, self._temporary, self._lock = file, temporary, os.dup(file.fileno())

    def write(self, data: bytes) -> None:
        """Write on. Raises ReportError."""
        if data and self._file is not None:
            with _explained(self.path):
                self._file.write(data)

    def sync(self) -> None:
        """Bring all that was written to the disk. Raises ReportError."""
        if self._file is not None:
            with _explained(self.path):
                self._file.flush()
                if self._temporary is not None:
                    os.fsync(self._file.fileno())
                self._file.close()

    def commit(self) -> None:
        """Give the file its name, in place of what had it. Raises ReportError."""
        if self._temporary is not None:
            with _explained(self.path):
                self._temporary.replace(self.path)
            self._temporary = None
            self._unlock()

    def discard(self) -> None:
        """Remove what was not kept."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written can't be flushed, either
                self._file.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
            self._temporary = None
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@define
class ReportStream(ReportFile):
    """A report that a function takes piece by piece, such as one that writes to stdout."""

    _take: Callable[[bytes], object]

    def open(self) -> None:
        """Do nothing: the caller has opened the stream."""

    def write(self, data: bytes) -> None:
        """Write on."""
        if data:
            self._take(data)


def _prefix(path: Path) -> str:
    return f".{path.name[:100]}."


def _remove_stale(path: Path) -> None:
    """Remove what runs that were killed left beside a report: it has the report's name, and no lock."""
    name = re.compile(re.escape(_prefix(path)) + r"[0-9a-f]{12}\.part")
    try:
        entries = list(path.parent.iterdir())
    except OSError:  # a folder may be for writing alone
        return
    for found in [entry for entry in entries if name.fullmatch(entry.name) and entry.is_file()]:
        with contextlib.suppress(OSError), found.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.unlink()


def _is_stream(path: Path) -> bool:
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ReportError(f"the report {_shown(path)} could not be written: {reason}") from error


def _shown(path: Path) -> str:
    return one_line(str(path))
