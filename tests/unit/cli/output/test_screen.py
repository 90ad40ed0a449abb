from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.cli.output.screen import OutputError, ReaderGoneError, Screen, flow


class Failing(io.StringIO):
    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def write(self, text: str) -> int:
        raise OSError(self._number, os.strerror(self._number))


def test_data_goes_to_stdout_and_everything_else_to_stderr(make_desk: Callable) -> None:
    desk = make_desk()
    desk.screen.write("data\n")
    desk.screen.notice("a notice")
    desk.screen.error("an error")
    assert (desk.out, desk.err) == ("data\n", "a notice\naccesskeys: an error\n")


def test_quiet_silences_notices_and_not_errors(make_desk: Callable) -> None:
    desk = make_desk()
    screen = Screen(desk.stdin, desk.stdout, desk.stderr, quiet=True)
    screen.notice("a notice")
    screen.error("an error")
    assert desk.err == "accesskeys: an error\n"


def test_an_error_is_one_line_and_cannot_control_the_terminal(make_desk: Callable) -> None:
    desk = make_desk()
    desk.screen.error("first\nsecond\r\n\tthird \x1b[2J\u202e")
    assert desk.err == "accesskeys: first second third \\x1b[2J\\u202e\n"


def test_a_full_disk_is_an_error_with_its_reason() -> None:
    screen = Screen(None, Failing(errno.ENOSPC), None)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        screen.write("data")
    assert caught.value.code is ExitCode.UNREACHABLE


def test_a_closed_pipe_is_a_quiet_end() -> None:
    screen = Screen(None, Failing(errno.EPIPE), None)
    with pytest.raises(ReaderGoneError) as caught:
        screen.write("data")
    assert caught.value.code is ExitCode.DONE


def test_a_closed_stdout_is_an_error() -> None:
    with pytest.raises(OutputError, match="stdout is closed"):
        Screen(None, None, None).write("data")


def test_a_failing_or_closed_stderr_is_borne(make_desk: Callable) -> None:
    Screen(None, None, Failing(errno.ENOSPC)).error("nobody hears this")
    Screen(None, None, None).error("nor this")


@pytest.mark.parametrize("answer", ["y\n", "Y\n", "yes\n", " Yes \n"])
def test_y_and_yes_are_a_yes(make_desk: Callable, answer: str) -> None:
    desk = make_desk(answer)
    assert desk.screen.ask("delete it?")
    assert desk.err == "delete it? [y/N] "


@pytest.mark.parametrize("answer", ["\n", "n\n", "yeah\n", "ja\n"])
def test_anything_else_is_a_no(make_desk: Callable, answer: str) -> None:
    assert not make_desk(answer).screen.ask("delete it?")


def test_the_end_of_the_input_is_a_no_on_a_line_of_its_own(make_desk: Callable) -> None:
    desk = make_desk("")
    assert not desk.screen.ask("delete it?")
    assert desk.err == "delete it? [y/N] \n"


def test_a_closed_stdin_is_a_no() -> None:
    assert not Screen(None, None, None).ask("delete it?")


def test_a_question_cannot_control_the_terminal(make_desk: Callable) -> None:
    desk = make_desk("n\n")
    desk.screen.ask("delete \x1b[2J?")
    assert "\x1b" not in desk.err


def test_the_screen_knows_what_is_a_terminal(make_desk: Callable) -> None:
    screen = make_desk(terminal=True).screen
    assert screen.stdin_is_terminal
    assert screen.stdout_is_terminal
    assert screen.stderr_is_terminal
    assert not make_desk().screen.stdout_is_terminal
    assert not Screen(None, None, None).stdin_is_terminal


@pytest.mark.parametrize(("encoding", "speaks"), [("utf-8", True), ("UTF-16", True), ("latin-1", False)])
def test_the_screen_knows_what_its_output_can_say(make_desk: Callable, encoding: str, speaks: bool) -> None:
    assert make_desk(encoding=encoding).screen.speaks_unicode is speaks


def test_the_console_takes_no_markup_and_heeds_no_color(
    make_desk: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    desk = make_desk(terminal=True)
    desk.screen.console().print("[red]:smile: text[/red]", style="red")
    assert "[red]:smile: text[/red]" in desk.out
    assert "\x1b[31m" not in desk.out


@pytest.mark.slow
def test_the_process_has_streams_that_take_every_character() -> None:
    code = (
        "from accesskeys_async.cli.output.screen import Screen\n"
        "screen = Screen.of_process(); screen.write('\\U0001f642\\n'); screen.notice('\\U0001f642')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("\\U0001f642\n", "\\U0001f642\n")


def test_prose_is_wrapped_at_words_and_keeps_its_indentation() -> None:
    text = "AK001 unused\n  The key was last used longer ago than 45 days.\n"

    assert flow(text, 30) == "AK001 unused\n  The key was last used longer\n    ago than 45 days.\n"
    assert flow(f"{'x' * 40} y", 30) == f"{'x' * 40}\ny"


def test_notices_and_questions_are_wrapped_on_a_terminal_alone(
    make_desk: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    for terminal, end in ((True, "\n"), (False, " ")):
        desk = make_desk("y\n", terminal=terminal)
        desk.screen.notice("see to its problem, then go on with this")
        assert desk.screen.ask("delete this key for ever and ever?")
        assert desk.err == (
            f"see to its problem, then go on{end}with this\ndelete this key for ever and{end}ever? [y/N] "
        )
