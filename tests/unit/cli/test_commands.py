from __future__ import annotations

import pytest

from accesskeys_async.cli.app import run
from accesskeys_async.cli.commands import COMMANDS, load

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


@pytest.mark.parametrize("command", CONNECTED)
def test_every_command_that_connects_takes_the_same_settings(command: str) -> None:
    options = {option for parameter in load(command).params for option in parameter.opts}
    settings = "--format --base-url --credential-file --timeout --deadline --quiet --debug"
    assert set(settings.split()) <= options
    assert "--token" not in options
