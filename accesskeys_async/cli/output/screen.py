"""The three streams of a command: data on stdout, everything else on stderr, answers from stdin."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from accesskeys_async._escaping import printable
from accesskeys_async.cli.exits import CommandError, ExitCode

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class OutputError(CommandError):
    """The data could not be written: a full disk, a closed stream."""


class ReaderGoneError(OutputError):
    """The other end of the pipe was closed, which is how `head` says that it has enough."""


def flow(text: str, width: int) -> str:
    """Wrap prose at words, and keep the indentation of each line; a word that is too long stays whole."""
    import textwrap

    lines: list[str] = []
    for line in text.split("\n"):
        margin = " " * (len(line) - len(line.lstrip(" ")))
        wrapped = textwrap.wrap(
            line,
            width,
            subsequent_indent=margin and f"{margin}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += wrapped or [""]
    return "\n".join(lines)


class Screen:
    """Write and ask; a stream that the shell closed is None."""

    # Not one of attrs' classes: loading attrs takes longer than all else that a help text needs.
    __slots__ = ("quiet", "stderr", "stdin", "stdout")

    def __init__(
        self, stdin: TextIO | None, stdout: TextIO | None, stderr: TextIO | None, *, quiet: bool = False
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.quiet = quiet

    @classmethod
    def of_process(cls) -> Screen:
        """Take the process's own streams, set so that no character fails to be written."""
        _fill_closed_descriptors()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return cls(sys.stdin, sys.stdout, sys.stderr)

    @property
    def stdin_is_terminal(self) -> bool:
        """Whether a person can answer."""
        return _is_terminal(self.stdin)

    @property
    def stdout_is_terminal(self) -> bool:
        """Whether a person sees the data."""
        return _is_terminal(self.stdout)

    @property
    def stderr_is_terminal(self) -> bool:
        """Whether a person sees the notices."""
        return _is_terminal(self.stderr)

    @property
    def prose_width(self) -> int | None:
        """How wide prose on stdout may be; None if no terminal shows it."""
        return _find_width(self.stdout)

    @property
    def speaks_unicode(self) -> bool:
        """Whether stdout takes every character as it is."""
        return (getattr(self.stdout, "encoding", None) or "utf-8").lower().startswith("utf")

    def write(self, data: str) -> None:
        """Write data to stdout, whole and at once. Raises OutputError, or ReaderGoneError for a pipe."""
        if self.stdout is None:
            raise OutputError("cannot write the output: stdout is closed", code=ExitCode.UNREACHABLE)
        try:
            self.stdout.write(data)
            self.stdout.flush()
        except OSError as error:
            self._silence_stdout()
            if isinstance(error, BrokenPipeError):
                raise ReaderGoneError("the reader of the output is gone", code=ExitCode.DONE) from error
            message = f"cannot write the output: {error.strerror}; what came until here is incomplete"
            raise OutputError(message, code=ExitCode.UNREACHABLE) from error

    def notice(self, text: str) -> None:
        """Say something to the person on stderr, unless they asked for quiet."""
        if not self.quiet:
            self._say(text)

    def error(self, text: str) -> None:
        """Say on one line of stderr why the command failed."""
        self._say(f"accesskeys: {' '.join(text.split())}")

    def trace(self, line: str) -> None:
        """Write a line of the log or of a traceback to stderr, which `--debug` asked for."""
        self._say(line, wraps=False)

    def ask(self, question: str) -> bool:
        """Ask on stderr and read one line; only `y` and `yes` are a yes, the end of the input is a no."""
        if self.stdin is None:
            return False
        try:
            self._say(f"{question} [y/N]", end=" ")
            answer = self.stdin.readline()
        except KeyboardInterrupt:
            self._say("")
            raise
        if not answer.endswith("\n"):
            self._say("")
        return answer.strip().lower() in {"y", "yes"}

    def console(self, *, on_stderr: bool = False, width: int | None = None) -> Console:
        """Make a Rich console that interprets no markup and heeds `NO_COLOR`, on stdout unless told."""
        from rich.console import Console

        stream = self.stderr if on_stderr else self.stdout
        return Console(
            file=stream or io.StringIO(),
            force_terminal=_is_terminal(stream),
            width=width,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def draw(self, *content: RenderableType, width: int | None = None) -> str:
        """Turn Rich content into text for stdout, a line end after each."""
        console = self.console(width=width)
        with console.capture() as capture:
            for part in content:
                console.print(part)
        # Rich fills the lines of a table up to their width, which a pipe has no use for.
        return "".join(f"{line.rstrip()}\n" for line in capture.get().split("\n")[:-1])

    def _say(self, text: str, *, end: str = "\n", wraps: bool = True) -> None:
        # Nobody is left to tell when stderr itself fails.
        if self.stderr is not None:
            with contextlib.suppress(OSError):
                shown, width = printable(text), _find_width(self.stderr) if wraps else None
                self.stderr.write((shown if width is None else flow(shown, width)) + end)
                self.stderr.flush()

    def _silence_stdout(self) -> None:
        # What is still buffered would fail once more, with a traceback, when the interpreter ends.
        with contextlib.suppress(OSError, ValueError):
            assert self.stdout is not None
            descriptor = self.stdout.fileno()
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, descriptor)
            os.close(null)


def _fill_closed_descriptors() -> None:
    # A socket that is given the number of a closed stdout would get what is meant for it, and libuv aborts
    # when it is asked to close one.
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _find_width(stream: TextIO | None) -> int | None:
    """Return how wide a terminal is; None if the stream is none, or nobody knows."""
    if stream is None or not _is_terminal(stream):
        return None
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:  # also if there is no descriptor
        return None


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()
