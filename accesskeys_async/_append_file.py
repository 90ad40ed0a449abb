"""A file of lines that one process appends to, each on the disk before the next step."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from accesskeys_async._resources import Resource


class AppendFile(Resource):
    """Lines that are appended and never changed. Only a crash leaves a torn line, at the end.

    Methods raise OSError.
    """

    __slots__ = ("_descriptor", "path", "size")

    def __init__(self, path: Path, *, exclusive: bool = False) -> None:
        self.path = path
        self.size = 0
        """How many bytes of whole lines there are."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | (os.O_EXCL if exclusive else 0)
        self._descriptor = os.open(path, flags, 0o600)

    @property
    def is_regular(self) -> bool:
        """Whether it is a file on a disk, and no device or pipe."""
        return stat.S_ISREG(os.fstat(self._descriptor).st_mode)

    def lock(self) -> None:
        """Lock the file until it is closed. Raises OSError if another process has locked it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def read(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield each line with its number, from 1, and its offset; the last may be torn.

        A torn line has no line feed. It is cut off once the iteration is over, and stays if that is left
        early.
        """
        whole = 0
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, whole, line
                if line.endswith(b"\n"):
                    whole += len(line)
        os.ftruncate(self._descriptor, whole)
        self.size = whole

    def read_at(self, offset: int, length: int) -> bytes:
        """Return a part of the file."""
        return os.pread(self._descriptor, length, offset)

    def append(self, lines: bytes) -> None:
        """Write lines, and return when they are on the disk; a failure leaves nothing of them."""
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(lines)

    def close(self) -> None:
        """Close the file, and unlock it. Closing twice is harmless."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
