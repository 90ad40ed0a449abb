"""A file replaced in one step: readers see the old one or the new one, whole, and alike in owner and mode."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
_MOUNTS: Final = Path("/proc/self/mountinfo")
_UNSUPPORTED: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})


class Commit:
    """The right to take the last step of a replacement, which either side may take first, and only once."""

    def __init__(self) -> None:
        self._taken = threading.Lock()

    def begin(self) -> None:
        """Take it, to replace. Raises OSError if the replacement was given up."""
        if not self._taken.acquire(blocking=False):
            raise OSError(errno.ECANCELED, "the write was given up before its end")

    def give_up(self) -> None:
        """Take it away from whoever wants to replace later. It is too late for one that has begun."""
        self._taken.acquire(blocking=False)


def resolve(path: Path) -> Path:
    """Return the place that a path leads to, through all links."""
    return Path(os.path.realpath(path))


def replace_file(path: Path, compose: Callable[[], bytes], *, commit: Commit, turn: threading.Lock) -> None:
    """Put a new file in the place of an old one, with its owner, group, mode and extended attributes.

    What is secret is composed at the last moment, and no variable here holds it should a traceback be shown.
    One last step at a time is taken under `turn`, so that one that hangs is over before a later one.

    Raises OSError; the old file, if any, is in place then.
    """
    with _draft(path) as (draft, descriptor):
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(compose())
        os.fsync(descriptor)
        with turn:
            commit.begin()
            draft.replace(path)


def check_replaceable(path: Path) -> None:
    """Do all that `replace_file` does, except the replacing. Raises OSError that says what is in the way."""
    with _draft(path) as (_, descriptor):
        os.write(descriptor, b"\n")
        os.fsync(descriptor)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Bring a folder's entries to the disk; a file system that has no such thing is taken at its word."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked_folder(path: Path) -> Generator[None]:
    """Keep other writers that lock the folder away. Raises OSError if its file system has no locks."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            reason = f"its folder can't be locked against other writers: {error.strerror}"
            raise OSError(error.errno, reason) from error
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _draft(path: Path) -> Generator[tuple[Path, int]]:
    """Create a file beside another, alike in owner and mode; it is removed unless it replaces the other."""
    old = _look_at(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    try:
        os.fchmod(descriptor, PRIVATE)  # a umask may have taken bits off
        if old is not None:
            _make_alike(descriptor, path, old)
        yield draft, descriptor
    finally:
        os.close(descriptor)
        draft.unlink(missing_ok=True)


def _look_at(path: Path) -> os.stat_result | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    if path in _mount_points():
        raise OSError(errno.EBUSY, "it is mounted by itself and can't be replaced; mount its folder instead")
    return found


def _mount_points() -> set[Path]:
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # not Linux: what is mounted is then known by the failure of the last step
        return set()
    return {Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split(" ")[4])) for line in lines}


def _make_alike(descriptor: int, path: Path, old: os.stat_result) -> None:
    new = os.fstat(descriptor)
    try:
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        if hasattr(os, "listxattr"):
            for name in os.listxattr(path):
                os.setxattr(descriptor, name, os.getxattr(path, name))
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return
        reason = f"its owner {old.st_uid}, group {old.st_gid} or mode can't be kept: {error.strerror}"
        raise OSError(error.errno, f"{reason}; run as its owner") from error
