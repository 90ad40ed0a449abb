"""Where a report goes: a file that is whole or not there, or a pipe."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from attrs import define, field

from accesskeys_async.errors import AccessKeysError, one_line


class ReportError(AccessKeysError):
    """Tell that a report could not be written; what was there before is still there."""


@define
class Destination:
    """A file beside its final place until `keep` gives it its name; `discard` leaves nothing of it.

    What is no regular file, such as a pipe or `/dev/stdout`, is written to as it comes.
    """

    path: Path
    _file: BinaryIO | None = field(default=None, init=False)
    _temporary: Path | None = field(default=None, init=False)

    def open(self) -> None:
        """Begin. Raises ReportError where nothing can be written there."""
        with _explained(self.path):
            if self.path.is_dir():
                raise ReportError(f"{_shown(self.path)} is a folder; name a file in it")
            if _is_stream(self.path):
                self._file = self.path.open("wb")
                return
            temporary = self.path.with_name(f".{self.path.name[:100]}.{secrets.token_hex(6)}.part")
            self._file = temporary.open("xb")
            self._temporary = temporary

    def write(self, data: bytes) -> None:
        """Write on. Raises ReportError."""
        if data and self._file is not None:
            with _explained(self.path):
                self._file.write(data)

    def settle(self) -> None:
        """Bring all that was written to the disk. Raises ReportError."""
        if self._file is not None:
            with _explained(self.path):
                self._file.flush()
                if self._temporary is not None:
                    os.fsync(self._file.fileno())
                self._file.close()

    def keep(self) -> None:
        """Give the file its name, in place of what had it. Raises ReportError."""
        if self._temporary is not None:
            with _explained(self.path):
                self._temporary.replace(self.path)
            self._temporary = None

    def discard(self) -> None:
        """Remove what was not kept."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written can't be flushed, either
                self._file.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
            self._temporary = None


@define
class StreamDestination(Destination):
    """A report that a function takes piece by piece, such as one that writes to stdout."""

    _take: Callable[[bytes], object]

    def open(self) -> None:
        """Do nothing: whoever gave the function opened what is behind it."""

    def write(self, data: bytes) -> None:
        """Write on."""
        if data:
            self._take(data)


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
