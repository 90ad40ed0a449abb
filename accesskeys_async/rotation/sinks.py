"""Sinks that ship with the library: a file, a folder of files, a line of an env file, a command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from accesskeys_async._atomic_file import (
    Commit,
    check_replaceable,
    locked_folder,
    replace_file,
    resolve,
    sync_folder,
)
from accesskeys_async._subprocess import CompletedCommand, run_command
from accesskeys_async.errors import ConfigurationError, one_line
from accesskeys_async.records import Token
from accesskeys_async.rotation.delivery import Delivery
from accesskeys_async.rotation.failures import SinkError, SinkUnsureError

MAX_REPORT: Final = 200
KEPT_REPORT: Final = 16_384
"""Bytes of a command's stderr that are kept: more than are told, so that a token in them is seen whole."""
REPLACED_KEY_ID: Final = "{replaced_key_id}"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class FileSink:
    """Keep the token of one key in a file of its own, on one line.

    A reader sees the old file or the new one, whole, also after a crash. A new file is readable by its owner
    alone; one that is replaced keeps its owner, group and mode; what a link leads to is replaced. `read`
    gives the token back, and may be a client's `token`: that client then goes over by itself.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self.lock = threading.Lock()
        """Held while the file is replaced."""

    async def __call__(self, delivery: Delivery) -> None:
        """Replace the file. Raises SinkError; SinkUnsureError."""
        await _write(lambda commit: self._replace(delivery.token, commit))

    def target(self, replaces: UUID) -> str:  # noqa: ARG002 - the same for every key
        """Return what names the file, whatever key it is for."""
        return f"file:{resolve(self._path)}"

    async def check(self, replaces: UUID) -> None:  # noqa: ARG002 - the same for every key
        """Try all but the replacing. Raises SinkError."""
        await asyncio.to_thread(self._check)

    async def read(self) -> Token:
        """Return the token that the file holds. Raises OSError where there is none."""
        return Token(await asyncio.to_thread(lambda: self._path.read_text(encoding="utf-8").strip()))

    def _check(self) -> None:
        with _refusals(self._path):
            check_replaceable(resolve(self._path))

    def _replace(self, token: Token, commit: Commit) -> None:
        with _refusals(self._path):
            path = resolve(self._path)
            replace_file(path, lambda: f"{token.reveal()}\n".encode(), commit=commit, turn=self.lock)
            _sync(path)


class DirectorySink:
    """Keep the tokens of many keys in a folder: each in a file with the id of the key that is replaced."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self.lock = threading.Lock()

    async def __call__(self, delivery: Delivery) -> None:
        """Replace that key's file. Raises SinkError; SinkUnsureError."""
        await self._sink(delivery.replaces)(delivery)

    def target(self, replaces: UUID) -> str:
        """Return what names the key's file."""
        return self._sink(replaces).target(replaces)

    async def check(self, replaces: UUID) -> None:
        """Try all but the replacing. Raises SinkError."""
        await self._sink(replaces).check(replaces)

    def _sink(self, key_id: UUID) -> FileSink:
        sink = FileSink(self._folder / str(key_id))
        sink.lock = self.lock  # one for all keys: each call creates another FileSink
        return sink


class EnvFileSink:
    """Keep the token of one key as one line `NAME=token` of an env file; its other lines stay as they are.

    Several may write to one file at once, each its own name. The line keeps its `export`, the file its owner,
    group and mode; a new file is readable by its owner alone.

    Raises:
        ConfigurationError: The name is none that a shell would take.
    """

    def __init__(self, path: str | os.PathLike[str], *, name: str = "ACCESSKEYS_TOKEN") -> None:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"name is {name!r}; it takes letters, digits and _, a letter first")
        self._path = Path(path)
        self._line = re.compile(rb"(?m)^([ \t]*(?:export[ \t]+)?)%s[ \t]*=.*?(\r?)$" % name.encode())
        self._name = name
        self.lock = threading.Lock()

    async def __call__(self, delivery: Delivery) -> None:
        """Replace the line, or add it. Raises SinkError; SinkUnsureError."""
        await _write(lambda commit: self._replace(delivery.token, commit))

    def target(self, replaces: UUID) -> str:  # noqa: ARG002 - the same for every key
        """Return what names the line, whatever key it is for."""
        return f"env:{self._name}:{resolve(self._path)}"

    async def check(self, replaces: UUID) -> None:  # noqa: ARG002 - the same for every key
        """Try all but the replacing. Raises SinkError."""
        await asyncio.to_thread(self._check)

    def _check(self) -> None:
        path = resolve(self._path)
        with _refusals(path), locked_folder(path.parent):
            self._compose(path, Token("-"))
            check_replaceable(path)

    def _replace(self, token: Token, commit: Commit) -> None:
        path = resolve(self._path)
        with _refusals(path), locked_folder(path.parent):
            replace_file(path, lambda: self._compose(path, token), commit=commit, turn=self.lock)
            _sync(path)

    def _compose(self, path: Path, token: Token) -> bytes:
        line = f"{self._name}={_quote(token.reveal())}".encode()
        text = path.read_bytes() if path.exists() else b""
        # A later line of the same name would win over ours, so all of them change.
        text, count = self._line.subn(lambda found: found[1] + line + found[2], text)
        if count:
            return text
        return text + (b"" if not text or text.endswith(b"\n") else b"\n") + line + b"\n"


class CommandSink:
    """Give the token to a command on its standard input, never in its arguments or environment.

    The command acknowledges with exit code 0; any other, and it must have left things as they were. It
    finds the new key's id in ACCESSKEYS_KEY_ID, and ACCESSKEYS_ORGANIZATION, ACCESSKEYS_REPLACED_KEY_ID and
    ACCESSKEYS_ROTATION_ID; this process's own ACCESSKEYS_TOKEN is kept from it.

    A command keeps the token of one key. One that keeps those of many has `{replaced_key_id}` among its
    arguments, which stands for the id of the key that is replaced.

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
        command = self._fill_in(delivery.replaces)
        try:
            with _filled_pipe(delivery.token) as descriptor:
                ended = await run_command(
                    command,
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

    def target(self, replaces: UUID) -> str:
        """Return the command line."""
        return f"command:{shlex.join(self._fill_in(replaces))}"

    async def check(self, replaces: UUID) -> None:  # noqa: ARG002 - the same for every key
        """Look for the program. Raises SinkError."""
        path = (os.environ if self._environ is None else self._environ).get("PATH")
        if await asyncio.to_thread(shutil.which, self._command[0], path=path) is None:
            raise SinkError(f"the command {self._command[0]!r} is not there, or can't be run")

    def _fill_in(self, replaces: UUID) -> list[str]:
        return [part.replace(REPLACED_KEY_ID, str(replaces)) for part in self._command]

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
    without having read its input is no error. Raises SinkError if it does not fit.
    """
    reader, writer = os.pipe()
    try:
        try:
            os.set_blocking(writer, False)
            text = f"{token.reveal()}\n".encode()
            if os.write(writer, text) < len(text):
                raise SinkError(f"the token of {len(text) - 1} bytes does not fit into a pipe; use FileSink")
        finally:
            os.close(writer)
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


async def _write(act: Callable[[Commit], None]) -> None:
    """Write on a thread; once the call is given up, the thread no longer replaces anything."""
    commit = Commit()
    try:
        await asyncio.to_thread(act, commit)
    finally:
        commit.give_up()


def _sync(path: Path) -> None:
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise SinkUnsureError(f"{path} may not survive a power cut: {error.strerror}") from error


def _quote(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_./+=:@%-]*", text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
