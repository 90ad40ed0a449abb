"""How a command ends: its errors become one line and an exit code."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Callable, Generator
from typing import Final

from accesskeys_async.cli.exits import ExitCode, exit_code
from accesskeys_async.cli.output.screen import ReaderGoneError, Screen

_TYPED: Final = {
    "org": "ORG",
    "key": "KEY",
    "rotation": "ROTATION",
    "rotation_id": "ROTATION",
    "name": "--name",
    "description": "--description",
    "page_token": "--page-token",
    "nonce": "--nonce",
    "max_deletes": "--max-deletes",
}
"""The library's name of an argument -> how it is typed."""


def perform(command: Callable[[], object], *, screen: Screen, debug: bool = False) -> ExitCode:
    """Run a command and report how it ended; `debug` adds the log and the traceback on stderr.

    A command may return its exit code, or nothing where all is done.
    """
    try:
        with _log_shown(screen) if debug else contextlib.nullcontext():
            outcome = command()
    except ReaderGoneError as error:
        return error.code
    except KeyboardInterrupt:
        screen.error("interrupted")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place where an error can become a line
        return _report(_innermost(error), screen=screen, debug=debug)
    return outcome if isinstance(outcome, ExitCode) else ExitCode.DONE


def _report(error: BaseException, *, screen: Screen, debug: bool) -> ExitCode:
    if debug:
        for line in "".join(traceback.format_exception(error)).splitlines():
            screen.trace(line)
    code = exit_code(error)
    told = _name_arguments(error) or type(error).__name__
    attempts = len(getattr(error, "attempts", ()))
    told += f" (tried {attempts} times)" if attempts > 1 else ""
    if code is ExitCode.FAULT:
        told = f"a fault in this program, {type(error).__name__}: {told}"
        told += "" if debug else "; --debug shows where"
    screen.error(told)
    return code


def _name_arguments(error: BaseException) -> str:
    """Return an error's text, with an argument of the library named as it is typed here."""
    argument = getattr(error, "argument", None)
    told = str(error)
    if not isinstance(argument, str) or not told.startswith(argument):
        return told
    return f"{_TYPED.get(argument, argument)}{told.removeprefix(argument)}"


def _innermost(error: BaseException) -> BaseException:
    # A task group wraps what its first failing task raised.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _ScreenLog(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.DEBUG)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            self._screen.trace(line)


@contextlib.contextmanager
def _log_shown(screen: Screen) -> Generator[None]:
    log = logging.getLogger("accesskeys_async")
    handler = _ScreenLog(screen)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
