from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from accesskeys_async.cli.error_reporting import perform
from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.output.screen import ReaderGoneError
from accesskeys_async.errors import NotFoundError


def failing(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def test_a_command_that_ends_is_done(make_desk: Callable) -> None:
    desk = make_desk()
    assert perform(lambda: "ignored", screen=desk.screen) is ExitCode.DONE
    assert desk.err == ""


def test_an_error_is_one_line_without_a_traceback(make_desk: Callable) -> None:
    desk = make_desk()
    error = NotFoundError("GET /x", status=404, message="no\nsuch \x1b[2J key")
    assert perform(failing(error), screen=desk.screen) is ExitCode.REFUSED
    assert desk.err.startswith("accesskeys: GET /x: 404")
    assert desk.err.count("\n") == 1
    assert "\x1b" not in desk.err


def test_debug_adds_the_traceback_without_local_variables(make_desk: Callable) -> None:
    desk = make_desk()

    def command() -> None:
        local = "a-secret"
        raise CommandError(f"failed with {len(local)}")

    assert perform(command, screen=desk.screen, debug=True) is ExitCode.USAGE
    assert "Traceback (most recent call last)" in desk.err
    assert desk.err.endswith("accesskeys: failed with 8\n")


def test_debug_shows_the_log_and_takes_it_down_again(make_desk: Callable) -> None:
    desk = make_desk()
    log = logging.getLogger("accesskeys_async")
    before = (log.level, list(log.handlers))
    perform(lambda: log.debug("GET /x 200\x1b"), screen=desk.screen, debug=True)
    assert "DEBUG GET /x 200\\x1b\n" in desk.err
    assert (log.level, log.handlers) == before


def test_the_log_is_not_shown_unless_asked_for(make_desk: Callable) -> None:
    desk = make_desk()
    perform(lambda: logging.getLogger("accesskeys_async").debug("x"), screen=desk.screen)
    assert desk.err == ""


def test_an_error_of_a_task_group_is_told_as_itself(make_desk: Callable) -> None:
    desk = make_desk()
    group = ExceptionGroup("tasks", [ExceptionGroup("more", [CommandError("the one")])])
    assert perform(failing(group), screen=desk.screen) is ExitCode.USAGE
    assert desk.err == "accesskeys: the one\n"


def test_ctrl_c_is_told_in_a_word(make_desk: Callable) -> None:
    desk = make_desk()
    assert perform(failing(KeyboardInterrupt()), screen=desk.screen) is ExitCode.INTERRUPTED
    assert desk.err == "accesskeys: interrupted\n"


def test_a_reader_that_left_is_no_error(make_desk: Callable) -> None:
    desk = make_desk()
    gone = ReaderGoneError("gone", code=ExitCode.DONE)
    assert perform(failing(gone), screen=desk.screen) is ExitCode.DONE
    assert desk.err == ""


@pytest.mark.parametrize(("debug", "hint"), [(False, "; --debug shows where"), (True, "")])
def test_a_fault_of_the_program_says_so(make_desk: Callable, debug: bool, hint: str) -> None:
    desk = make_desk()
    assert perform(failing(ZeroDivisionError("x")), screen=desk.screen, debug=debug) is ExitCode.FAULT
    assert desk.err.endswith(f"accesskeys: a fault in this program, ZeroDivisionError: x{hint}\n")


def test_an_error_without_words_is_told_by_its_name(make_desk: Callable) -> None:
    desk = make_desk()
    perform(failing(TimeoutError()), screen=desk.screen)
    assert desk.err == "accesskeys: TimeoutError\n"
