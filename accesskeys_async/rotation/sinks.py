"""Sinks that ship with the library: a file, a line of an env file, a command."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Final

from accesskeys_async._subprocess import CompletedCommand, run_command
from accesskeys_async.errors import ConfigurationError, one_line
from accesskeys_async.records import Token
from accesskeys_async.rotation.delivery import Delivery
from accesskeys_async.rotation.failures import SinkError, SinkUnsureError

__all__ = ["CommandSink", "EnvFileSink", "FileSink"]

PRIVATE: Final = 0o600
MAX_REPORT: Final = 200
KEPT_REPORT: Final = 16_384
"""Bytes of a command's stderr that are kept: more than are told, so that a token in them is seen whole."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class FileSink:
    """Keep the token in a file of its own, on one line, readable by its owner alone.

    A reader sees the old file or the new one, whole, also after a crash; where the path is a link, what it
    leads to is replaced. `read` gives the token back, and
    may be a client's `token`: that client then goes over by itself.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    async def __call__(self, delivery: Delivery) -> None:
        """Replace the file. Raises SinkError."""
        await asyncio.to_thread(self._write, delivery.token)

    async def read(self) -> Token:
        """Return the token that the file holds. Raises OSError where there is none."""
        return Token(await asyncio.to_thread(lambda: self._path.read_text(encoding="utf-8").strip()))

    def _write(self, token: Token) -> None:
        with _refusals(self._path):
            _replace(self._path.resolve(), lambda: f"{token.reveal()}\n".encode())


class EnvFileSink:
    """Keep the token as one line `NAME=token` of an env file, and leave its other lines as they are.

    Several may write to one file at once. The file becomes readable by its owner alone.

    Raises:
        ConfigurationError: The name is none that a shell would take.
    """

    def __init__(self, path: str | os.PathLike[str], *, name: str = "ACCESSKEYS_TOKEN") -> None:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"name is {name!r}; it takes letters, digits and _, a letter first")
        self._path = Path(path)
        self._line = re.compile(rb"(?m)^[ \t]*(?:export[ \t]+)?%s[ \t]*=.*$" % name.encode())
        self._name = name

    async def __call__(self, delivery: Delivery) -> None:
        """Replace the line, or add it. Raises SinkError."""
        await asyncio.to_thread(self._write, delivery.token)

    def _write(self, token: Token) -> None:
        path = self._path.resolve()
        with _refusals(path), _locked(path.parent):
            _replace(path, lambda: self._compose(path, token))

    def _compose(self, path: Path, token: Token) -> bytes:
        line = f"{self._name}={_quote(token.reveal())}".encode()
        text = path.read_bytes() if path.exists() else b""
        # A later line of the same name would win over ours, so all of them change.
        text, count = self._line.subn(lambda _: line, text)
        if count:
            return text
        return text + (b"" if not text or text.endswith(b"\n") else b"\n") + line + b"\n"


class CommandSink:
    """Give the token to a command on its standard input, never in its arguments or environment.

    The command acknowledges with exit code 0; any other, and it must have left things as they were. It
    finds the new key's id in ACCESSKEYS_KEY_ID, and ACCESSKEYS_ORGANIZATION, ACCESSKEYS_REPLACED_KEY_ID and
    ACCESSKEYS_ROTATION_ID; this process's own ACCESSKEYS_TOKEN is kept from it.

    `timeout` is in seconds; a command that takes longer is killed with all that it has started, and what it
    did by then is for a person to find out (SinkUnsureError).

    Raises:
        ConfigurationError: There is no command, or the timeout is not above 0.
    """

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        timeout: float = 30.0,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(command, str) or not command:
            raise ConfigurationError("command takes a program and its arguments, as a sequence")
        if not timeout > 0:
            raise ConfigurationError(f"timeout is {timeout!r}; it takes seconds above 0")
        self._command = [os.fspath(part) for part in command]
        self._timeout = timeout
        self._environ = environ

    async def __call__(self, delivery: Delivery) -> None:
        """Run the command. Raises SinkError where it fails, with the end of what it said on stderr."""
        name = self._command[0]
        try:
            with _filled_pipe(delivery.token) as descriptor:
                ended = await run_command(
                    self._command,
                    timeout=self._timeout,
                    keep_errors=KEPT_REPORT,
                    stdin=descriptor,
                    environ=self._make_environment(delivery),
                )
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise SinkUnsureError(
                    f"the command {name!r} took over {self._timeout:g} s and was killed"
                ) from None
            raise SinkError(f"the command {name!r} can't be run: {error.strerror}") from error
        if ended.returncode:
            told = _mask(ended, delivery.token)
            raise SinkError(f"the command {name!r} ended with {ended.returncode}" + (told and f": {told}"))

    def _make_environment(self, delivery: Delivery) -> dict[str, str]:
        environ = dict(os.environ if self._environ is None else self._environ)
        environ.pop("ACCESSKEYS_TOKEN", None)
        return environ | {
            "ACCESSKEYS_KEY_ID": str(delivery.key.id),
            "ACCESSKEYS_ORGANIZATION": str(delivery.key.organization_id),
            "ACCESSKEYS_REPLACED_KEY_ID": str(delivery.replaces),
            "ACCESSKEYS_ROTATION_ID": str(delivery.rotation_id),
        }


@contextlib.contextmanager
def _filled_pipe(token: Token) -> Generator[int]:
    """Give the reading end of a pipe that has the token in it, and then its end.

    A token fits into a pipe's buffer. So nobody has to write while the command runs, and one that ends
    without having read its input is no error.
    """
    reader, writer = os.pipe()
    try:
        with os.fdopen(writer, "wb") as file:
            file.write(f"{token.reveal()}\n".encode())
        yield reader
    finally:
        os.close(reader)


def _mask(ended: CompletedCommand, token: Token) -> str:
    text = ended.errors.decode(errors="replace").replace(token.reveal(), repr(token))
    if ended.errors_cut:
        # It may begin with the rest of a token.
        text = text[len(token.reveal()) :]
    return one_line(text[-MAX_REPORT:])


@contextlib.contextmanager
def _refusals(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise SinkError(f"{path} can't be written: {error.strerror}") from error


@contextlib.contextmanager
def _locked(directory: Path) -> Generator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, compose: Callable[[], bytes]) -> None:
    """Put a new file in the place of an old one, in one step.

    What is secret is composed at the last moment, and no variable here holds it should a traceback be shown.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(compose())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    try:
        _sync_folder(path.parent)
    except OSError as error:
        raise SinkUnsureError(f"{path} may not survive a power cut: {error.strerror}") from error


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quote(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./+=:@%-]*", text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
