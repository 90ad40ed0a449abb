"""Tokens in files: one read as the credential, one written as what `create` made."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final, NoReturn, Self

from attrs import define

from accesskeys_async._atomic_file import sync_folder
from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.records import Token

_LONGEST: Final = 4096


def read_token(path: Path) -> Token:
    """Read a token from the first and only line of a file. Raises CommandError when there is none.

    A pipe will do as well as a file, so that `--credential-file <(...)` works.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
    except OSError as error:
        _refuse_credential(f"cannot read the credential file {path}: {error.strerror}", error)
    if len(content) > _LONGEST:
        _refuse_credential(f"the credential file {path} is over {_LONGEST} bytes; a token is one line")
    text = content.decode("utf-8", errors="replace").strip()
    if not text:
        _refuse_credential(f"the credential file {path} is empty; it should hold the token on one line")
    if not text.isascii() or not text.isprintable() or " " in text:
        _refuse_credential(f"the credential file {path} holds something else than one line of a token")
    return Token(text)


def is_open_to_others(path: Path) -> bool:
    """Tell whether users other than the owner may read a regular file."""
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _refuse_credential(message: str, cause: OSError | None = None) -> NoReturn:
    raise CommandError(message, code=ExitCode.AUTHENTICATION) from cause


@define
class TokenFile:
    """Make a new file of mode 0600 that waits for a token; nothing that exists is ever written over.

    Leaving its block closes it, and removes it unless the whole token was written.
    """

    path: Path
    _descriptor: int
    _is_written: bool = False

    @classmethod
    def create(cls, path: Path) -> TokenFile:
        """Make the file, empty. Raises CommandError where the path is taken, if only by a link."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o600)
            # A umask may have taken bits off.
            os.fchmod(descriptor, 0o600)
        except FileExistsError as error:
            message = f"the token file {path} exists already and is never written over; name a new one"
            raise CommandError(message) from error
        except OSError as error:
            raise CommandError(f"cannot make the token file {path}: {error.strerror}") from error
        return cls(path, descriptor)

    def write(self, token: Token) -> None:
        """Write the token and a line end, and wait until they are on the disk. Raises OSError."""
        data = memoryview(f"{token.reveal()}\n".encode())
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)
        sync_folder(self.path.parent)
        self._is_written = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if not self._is_written:
                self._remove()
        finally:
            os.close(self._descriptor)

    def _remove(self) -> None:
        # Another file may have taken its place since.
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(self._descriptor), self.path.lstat()):
                self.path.unlink()
