"""A command run to its end: its output is read within bounds, its group is killed if it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import field, frozen

CHUNK: Final = 65_536
MAX_DRAIN: Final = 1 << 20
"""How much is read of what a command that has ended left in a pipe: as much as a pipe can hold."""


@frozen
class CompletedCommand:
    """What a command came to."""

    returncode: int
    output: bytes = field(repr=False)
    """The whole of stdout; longer than `max_output` if the command was killed for writing more."""
    errors: bytes = field(repr=False)
    """The end of stderr."""
    errors_cut: bool
    """Whether stderr had more than that."""


async def run_command(
    arguments: Sequence[str],
    *,
    timeout: float,
    max_output: int = 0,
    keep_errors: int = 0,
    stdin: int = asyncio.subprocess.DEVNULL,
    directory: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> CompletedCommand:
    """Run a command in a session of its own, and return once it has ended.

    It has ended when its own process has: what it left running in the background may keep its pipes, and is
    not waited for. 0 bytes to keep of a stream sends it to /dev/null.

    Raises OSError if the command can't be run; TimeoutError after `timeout` seconds, or whatever ended the
    call, once the command and all that it started in its session is killed.
    """
    output, errors = _Collected(most=max_output), _Collected(last=keep_errors)
    with output.pipe() as stdout, errors.pipe() as stderr:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=directory,
            env=environ,
            start_new_session=True,
        )
        output.start()
        errors.start()
        try:
            async with asyncio.timeout(timeout):
                await _end_or_excess(process, output)
        finally:
            await _kill(process)
        output.drain()
        errors.drain()
    assert process.returncode is not None
    return CompletedCommand(process.returncode, bytes(output.data), bytes(errors.data), errors.is_cut)


async def _end_or_excess(process: asyncio.subprocess.Process, output: _Collected) -> None:
    ended = asyncio.ensure_future(process.wait())
    excess = asyncio.ensure_future(output.is_full.wait())
    try:
        await asyncio.wait((ended, excess), return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.cancel()
        excess.cancel()


async def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        # The whole group: a shell's child would otherwise go on, and may have the token.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


class _Collected:
    """What a command writes to one stream, read as it comes.

    The pipe is ours and not asyncio's: the end of a process then does not wait for the end of its pipes.
    """

    def __init__(self, *, most: int = 0, last: int = 0) -> None:
        self._most = most
        self._last = last
        self._reader = -1
        self._writer = -1
        self._stop: Callable[[], object] = lambda: None
        self.data = bytearray()
        self.is_full = asyncio.Event()
        self.is_cut = False

    @contextlib.contextmanager
    def pipe(self) -> Generator[int]:
        """Open a pipe, give the end to write to, and close it at last."""
        if not self._most and not self._last:
            yield asyncio.subprocess.DEVNULL
            return
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        try:
            yield self._writer
        finally:
            self._stop()
            os.close(self._reader)
            self._close_writer()

    def start(self) -> None:
        """Begin to read; the end to write to is the command's alone from now on."""
        self._close_writer()
        if self._reader >= 0:
            loop, reader = asyncio.get_running_loop(), self._reader
            loop.add_reader(reader, self._take)
            self._stop = lambda: loop.remove_reader(reader)

    def drain(self) -> None:
        """Read what is there already, and no further."""
        left = MAX_DRAIN
        while self._reader >= 0 and left > 0 and (count := self._take()):
            left -= count

    def _take(self) -> int:
        try:
            chunk = os.read(self._reader, CHUNK)
        except BlockingIOError:
            return 0
        if not chunk:
            self._stop()
        self.data += chunk
        if self._most and len(self.data) > self._most:
            del self.data[self._most + 1 :]
            self.is_full.set()
        elif self._last and len(self.data) > self._last:
            del self.data[: -self._last]
            self.is_cut = True
        return len(chunk)

    def _close_writer(self) -> None:
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1
