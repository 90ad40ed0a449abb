from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from accesskeys_async._version import __version__
from accesskeys_async.cli.app import run
from accesskeys_async.cli.commands import COMMANDS


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"accesskeys {__version__}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {command} " in shown for command in COMMANDS)


def test_short_names_show_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["-V"], ["version"]):
        assert run(arguments) == 0
        assert capsys.readouterr().out == f"accesskeys {__version__}\n"
    helps = []
    for arguments in (["list", "-h"], ["list", "--help"], ["help", "list"]):
        assert run(arguments) == 0
        helps.append(capsys.readouterr().out)
    assert helps[0].startswith("Usage: accesskeys list")
    assert helps == [helps[0]] * 3


@pytest.mark.parametrize("group", ["rotate", "audit", "audit policy"])
def test_a_group_without_a_command_is_wrong_usage_and_shows_its_help_as_help(
    make_desk: Callable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    group: str,
) -> None:
    monkeypatch.delenv("ACCESSKEYS_ORGANIZATION", raising=False)
    assert run([*group.split(), "--help"]) == 0
    whole = capsys.readouterr().out
    desk = make_desk()
    assert run(group.split(), screen=desk.screen) == 2
    assert desk.err == whole
    assert desk.out == ""


@pytest.mark.parametrize(
    ("command", "meant"), [("lst", "list"), ("audit pln", "plan"), ("audit policy chekc", "check")]
)
def test_a_command_that_is_nearly_right_gets_a_hint(make_desk: Callable, command: str, meant: str) -> None:
    desk = make_desk()
    assert run(command.split(), screen=desk.screen) == 2
    assert f"Did you mean '{meant}'?" in desk.err


def test_nothing_at_all_is_wrong_usage_and_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage: accesskeys" in captured.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lst"], "No such command 'lst'"),
        (["list", "--frm"], "No such option: --frm"),
        (["list", "--limit", "0"], "--limit"),
        (["list", "--limit", "101"], "--limit"),
        (["list", "--format", "xml"], "--format"),
        (["list", "a", "b"], "unexpected extra argument"),
        (["list", "--limit"], "--limit"),
        (["create", "--name", "x"], "--description"),
        (["list", "--limit", "0"], "it takes at least 1"),
        (["list", "--max-items", "x"], "it takes a whole number"),
        (["list", "--timeout", "x"], "it takes a number"),
        (["list", "--format", "xml"], "': 'xml' is not one of 'table', 'json', 'ndjson', 'csv'"),
        (["list", "\x1b[2J", "\x1b[2J"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_one_line_that_says_where_to_look(
    make_desk: Callable, arguments: list[str], said: str
) -> None:
    desk = make_desk()
    assert run(arguments, screen=desk.screen) == 2
    assert said in desk.err
    assert desk.err.startswith("accesskeys: ")
    assert desk.err.endswith(" --help)\n")
    assert desk.err.count("\n") == 1
    assert "\x1b" not in desk.err
    assert desk.out == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (EOFError(), 130), (OSError(28, "No space left on device"), 4)],
)
def test_what_goes_wrong_outside_of_a_command_has_its_code(
    make_desk: Callable, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    class Failing(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    monkeypatch.setattr(sys, "stdout", Failing())
    assert run(["--version"], screen=make_desk().screen) == code


def test_a_token_on_the_command_line_is_not_taken(make_desk: Callable) -> None:
    desk = make_desk()
    assert run(["list", "--token", "s3cret"], screen=desk.screen) == 2
    assert "s3cret" not in desk.err
