from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from accesskeys_async.cli.app import app, run
from accesskeys_async.cli.commands import COMMANDS, load
from accesskeys_async.cli.examples import EXAMPLES

CONNECTED = ["list", "get", "create", "update", "delete"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert f"Usage: accesskeys {command}" in capsys.readouterr().out
    assert all(getattr(parameter, "help", None) for parameter in load(command).params)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_summary_of_a_command_is_the_first_sentence_of_its_help(command: str) -> None:
    _, summary = COMMANDS[command]
    assert load(command).help.partition(".")[0] + "." == summary


def list_all() -> Iterator[tuple[str, Any]]:
    """Yield each command with its whole name."""
    pending = [(f"accesskeys {name}", load(name)) for name in COMMANDS]
    pending.append(("accesskeys", typer.main.get_command(app)))
    while pending:
        name, command = pending.pop()
        yield name, command
        pending += [(f"{name} {inner}", one) for inner, one in getattr(command, "commands", {}).items()]


@pytest.mark.parametrize(("name", "command"), sorted(list_all(), key=lambda one: one[0]))
def test_no_help_has_the_types_of_a_programming_language(
    name: str, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*name.split()[1:], "--help"]) == 0
    shown = capsys.readouterr().out
    assert not re.search(r"<(str|int|float|path|list)\b|int range|\{[A-Z]+\}|None\b", shown)
    if name.startswith("accesskeys rotate"):
        return
    assert all(" else " not in line and not line.strip().startswith("Else ") for line in shown.splitlines())


@pytest.mark.parametrize("group", ["", "audit", "audit policy"])
def test_the_list_of_commands_cuts_no_summary(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*group.split(), "--help"]) == 0
    assert "...\n" not in capsys.readouterr().out.partition("\nCommands:\n")[2]


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in EXAMPLES.items() for line in lines]
)
def test_each_example_is_shown_as_it_is_and_is_understood(
    name: str, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run([*name.split()[1:], "--help"]) == 0
    assert f"  {line}\n" in capsys.readouterr().out
    commands = dict(list_all())
    _, *words = shlex.split(line.partition(" >")[0])
    found = "accesskeys"
    while words and f"{found} {words[0]}" in commands:
        found = f"{found} {words.pop(0)}"
    assert found.startswith(name) or name == "accesskeys"
    if found == "accesskeys audit":
        found = "accesskeys audit run"
    context = commands[found].make_context(found, words)
    assert context.params


def test_the_example_of_create_gives_the_key_a_role() -> None:
    assert all(" --role " in line for line in EXAMPLES["accesskeys create"])


def complete(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setenv("_ACCESSKEYS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", text)
    monkeypatch.setenv("COMP_CWORD", str(len(text.split(" ")) - 1))
    assert run([]) == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("accesskeys audit --inv", ["--inventory"]),
        ("accesskeys audit --inventory fleet.csv --pol", ["--policy"]),
        ("accesskeys audit tr", ["trend"]),
        ("accesskeys audit policy explain AK00", [f"AK{number:03}" for number in range(1, 10)]),
        ("accesskeys list --format nd", ["ndjson"]),
    ],
)
def test_words_are_completed(
    typed: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = complete(typed, monkeypatch, capsys)
    assert found == offered if "AK00" not in typed else set(found) <= set(offered)
    assert found


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("bash", "complete -o default -F"),
        ("zsh", "#compdef accesskeys"),
        ("fish", "complete --command accesskeys"),
    ],
)
def test_completion_is_shown_for_the_shell_that_is_named(
    shell: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--show-completion", shell]) == 0
    shown = capsys.readouterr().out
    assert said in shown
    assert f"complete_{shell}" in shown


def test_completion_is_installed_for_the_shell_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["--install-completion", "fish"]) == 0
    assert "fish completion installed" in capsys.readouterr().out
    assert "complete_fish" in (tmp_path / ".config/fish/completions/accesskeys.fish").read_text()


def test_completion_for_a_shell_that_is_not_known_is_wrong_usage(
    make_desk: Callable[..., Any],
) -> None:
    desk = make_desk()
    assert run(["--show-completion", "tcsh"], screen=desk.screen) == 2
    assert "--show-completion takes a shell (bash, zsh, fish, powershell, pwsh), found 'tcsh'" in desk.err


@pytest.mark.parametrize("command", CONNECTED)
def test_every_command_that_connects_takes_the_same_settings(command: str) -> None:
    options = {option for parameter in load(command).params for option in parameter.opts}
    settings = "--format --base-url --credential-file --proxy --no-proxy --timeout --deadline --quiet --debug"
    assert set(settings.split()) <= options
    assert "--token" not in options


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("audit plan", "Missing: --rules, --output (see: accesskeys audit plan --help)"),
        ("audit apply", "Missing: PLAN, --max-deletes (see: accesskeys audit apply --help)"),
        ("create", "Missing: --name, --description (see: accesskeys create --help)"),
        ("create --name ci", "Missing option '--description' (see: accesskeys create --help)"),
    ],
)
def test_everything_that_is_missing_is_told_at_once(
    typed: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(typed.split()) == 2
    assert capsys.readouterr().err == f"accesskeys: {told}\n"


def test_a_command_that_connects_to_nothing_has_no_option_of_a_connection(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["rotate", "status", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--journal" in shown
    assert "--format" in shown
    for option in ("--base-url", "--credential-file", "--proxy", "--timeout", "--deadline"):
        assert option not in shown
