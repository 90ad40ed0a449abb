"""Where an organization's token is to be had: an environment variable, a file, a program."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from attrs import field, frozen

from accesskeys_async._subprocess import run_command
from accesskeys_async.errors import ConfigurationError
from accesskeys_async.records import Token

LONGEST: Final = 4096
SECONDS: Final = 30.0


@frozen
class Credential:
    """A reference to a token. It is looked up when its organization's turn comes, and never kept."""

    kind: Literal["env", "file", "cmd"]
    target: str
    """The variable, the path, or the command line."""
    _directory: Path = field(factory=Path, repr=False)
    """What a relative path is relative to."""

    def __str__(self) -> str:
        # A command line may hold more than its program's name should tell.
        shown = shlex.split(self.target)[0] if self.kind == "cmd" else self.target
        return f"{self.kind}:{shown}"

    async def resolve(
        self, *, environment: Mapping[str, str] | None = None, seconds: float = SECONDS
    ) -> Token:
        """Return the token. Raises ConfigurationError that names the reference, and never what it held.

        `environment` is where variables are looked up, None for this process's. A program has `seconds`,
        no input, and is killed after that; the token is its one line on stdout.
        """
        match self.kind:
            case "env":
                content = (os.environ if environment is None else environment).get(self.target, "").encode()
            case "file":
                content = await asyncio.to_thread(self._read_file)
            case "cmd":
                content = await self._run(seconds)
        text = content[: LONGEST + 1].decode("utf-8", errors="replace").strip()
        if not text:
            raise ConfigurationError(f"{self} gives no token; it should give one line")
        if len(content) > LONGEST or not all("!" <= character <= "~" for character in text):
            raise ConfigurationError(f"{self} gives something else than one line of a token")
        return Token(text)

    def _read_file(self) -> bytes:
        try:
            with (self._directory / self.target).open("rb") as file:
                return file.read(LONGEST + 1)
        except OSError as error:
            raise ConfigurationError(f"{self} can't be read: {error.strerror}") from None

    async def _run(self, seconds: float) -> bytes:
        try:
            ended = await run_command(
                shlex.split(self.target), timeout=seconds, max_output=LONGEST, directory=self._directory
            )
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise ConfigurationError(f"{self} took longer than {seconds:g} s and was killed") from None
            raise ConfigurationError(f"{self} can't be run: {error.strerror}") from None
        if ended.returncode and len(ended.output) <= LONGEST:
            raise ConfigurationError(f"{self} ended with exit code {ended.returncode}")
        return ended.output


def read_credential(text: str, *, directory: Path | None = None) -> Credential:
    """Read `env:NAME`, `file:PATH` or `cmd:COMMAND LINE`; a file is relative to `directory`.

    Raises ValueError that says what is expected, without the text: it may be a token put there by mistake.
    """
    expected = "expected env:NAME, file:PATH or cmd:PROGRAM"
    kind, colon, target = text.partition(":")
    if not colon or not target.strip():
        raise ValueError(f"{expected}; a token itself has no place here")
    target = target.strip()
    directory = directory or Path()
    match kind.strip():
        case "env":
            return Credential("env", target, directory)
        case "file":
            return Credential("file", target, directory)
        case "cmd":
            try:
                words = shlex.split(target)
            except ValueError:
                words = []
            if not words:
                raise ValueError(f"{expected}; the command line's quotes do not match")
            return Credential("cmd", target, directory)
        case _:
            raise ValueError(f"{expected}; a token itself has no place here")
