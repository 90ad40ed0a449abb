"""One event loop a command, that Ctrl-C, SIGTERM and SIGHUP end by cancelling what runs on it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Final, TypeVar

from accesskeys_async.cli.exits import CommandError, ExitCode

T = TypeVar("T")

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


class TerminatedError(CommandError):
    """SIGTERM or SIGHUP asked the command to end, and it has cleaned up."""


def run(main: Coroutine[object, object, T], *, patience: float = 0.0) -> T:
    """Run a coroutine to its end on uvloop where that is installed, else on asyncio's own loop.

    Ctrl-C cancels it and, once it has cleaned up, raises KeyboardInterrupt; a second Ctrl-C does not wait.
    SIGTERM and SIGHUP cancel it once and raise TerminatedError; the next ones cut neither the cleaning up
    short, nor the end of the process. `patience` is how many seconds it may go on after the first signal
    before it is cancelled.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_terminable(_patient(main, patience) if patience else main))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes uvloop's event loop, or None where it is not installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _patient(main: Coroutine[object, object, T], seconds: float) -> T:
    task = asyncio.ensure_future(main)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()  # what it raised meanwhile is told
        raise


async def _terminable(main: Coroutine[object, object, T]) -> T:
    terminated = False
    task = asyncio.current_task()
    assert task is not None

    def terminate() -> None:
        nonlocal terminated
        if not terminated:
            terminated = True
            task.cancel()

    with _handled(terminate) as ignored:
        try:
            return await main
        except asyncio.CancelledError:
            if terminated and task.uncancel() == 0:
                ignored.update(_ENDING)
                raise TerminatedError("terminated", code=ExitCode.TERMINATED) from None
            raise


@contextlib.contextmanager
def _handled(callback: Callable[[], None]) -> Generator[set[signal.Signals]]:
    # Yields a set: the signals in it are ignored afterwards.
    ignored: set[signal.Signals] = set()
    # Only the main thread may say what a signal does.
    if threading.current_thread() is not threading.main_thread():
        yield ignored
        return
    loop = asyncio.get_running_loop()
    # What is ignored stays ignored: nohup does so with SIGHUP.
    handled = [number for number in _ENDING if signal.getsignal(number) == signal.SIG_DFL]
    for number in handled:
        loop.add_signal_handler(number, callback)
    try:
        yield ignored
    finally:
        # Blocked meanwhile: `remove_signal_handler` restores the default, which ends the process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, handled)
        for number in handled:
            loop.remove_signal_handler(number)
            if number in ignored:
                signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
