"""The tables in the README and the docs say what the code says."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
import typer.core
import typer.main
from multidict import CIMultiDict

from accesskeys_async import AccessKeysClient, RetryPolicy, Timeout, errors
from accesskeys_async._http.messages import Response
from accesskeys_async._http.retry import Wait, decide
from accesskeys_async.audit.reports import FORMATS
from accesskeys_async.cli.app import app
from accesskeys_async.cli.commands import COMMANDS, load
from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.errors import APIConnectionError, APITimeoutError, status_error

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
REFERENCE: Final = ROOT / "docs" / "reference.md"
CLI_PAGE: Final = ROOT / "docs" / "cli.md"

CODE_SPAN: Final = re.compile(r"\A`([^`]*)`\Z")
"""A cell that is nothing but code."""


def _read_rows(page: Path, *, heading: str) -> dict[str, list[str]]:
    """Return the rows of the table whose first heading this is, by their first cell."""
    lines = iter(page.read_text(encoding="utf-8").splitlines())
    next(line for line in lines if line.startswith(f"| {heading} |"))
    next(lines)
    rows: dict[str, list[str]] = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, *others = [cell.strip() for cell in line.strip("|").split(" | ")]
        rows[CODE_SPAN.sub(r"\1", first)] = others
    return rows


def test_the_table_of_options_has_each_option_with_its_default() -> None:
    options = {
        parameter.name: parameter.default
        for parameter in inspect.signature(AccessKeysClient).parameters.values()
    }
    for record in (Timeout, RetryPolicy):
        for field in attrs.fields(record):
            options[f"{record.__name__}.{field.name}"] = field.default
    rows = _read_rows(REFERENCE, heading="option of `AccessKeysClient`")
    assert {name: ast.literal_eval(cells[0].strip("`")) for name, cells in rows.items()} == options
    assert list(rows) == list(options)


def test_the_table_of_errors_has_each_error_with_what_it_is_and_its_statuses() -> None:
    tree = {
        name: [base.__name__ for base in getattr(errors, name).__bases__]
        for name in errors.__all__
        if name != "AccessKeysError"
    }
    rows = _read_rows(REFERENCE, heading="error")
    assert {name: re.findall(r"`(\w+)`", cells[0]) for name, cells in rows.items()} == tree
    for name, cells in rows.items():
        for status in re.findall(r"\b[1-5]\d\d\b", cells[1]):
            assert status_error(int(status)).__name__ == name


def _response(status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, CIMultiDict(headers or {}), b"")


OUTCOMES: Final[Mapping[str, tuple[Response | APIConnectionError, ...]]] = {
    "not connected, nothing sent": (
        APIConnectionError("refused", sent=False),
        APITimeoutError("no connection in time", sent=False),
    ),
    "429": (_response(429), _response(429, {"Retry-After": "1"})),
    "503 with `Retry-After`": (_response(503, {"Retry-After": "1"}),),
    "500, 502, 503, 504": tuple(_response(status) for status in (500, 502, 503, 504)),
    "sent, then dropped, cut off or timed out": (
        APIConnectionError("dropped", sent=None),
        APITimeoutError("no response in time", sent=None),
    ),
    "any other status": tuple(
        _response(status) for status in range(200, 600) if status not in {429, 500, 502, 503, 504}
    ),
}


@pytest.mark.parametrize("what_happened", OUTCOMES)
def test_the_table_of_retries_says_what_is_decided(what_happened: str) -> None:
    rows = _read_rows(REFERENCE, heading="what happened")
    assert list(rows) == list(OUTCOMES)
    for cell, repeatable in zip(rows[what_happened], (True, False), strict=True):
        for outcome in OUTCOMES[what_happened]:
            decision = decide(
                outcome,
                attempt=1,
                repeatable=repeatable,
                policy=RetryPolicy(),
                remaining=None,
                jitter=0.5,
            )
            assert isinstance(decision, Wait) is cell.startswith("yes"), (cell, outcome)


def test_the_table_of_reports_has_each_form() -> None:
    rows = _read_rows(ROOT / "docs" / "reports.md", heading="ending")
    assert sorted(ending for cell in rows for ending in re.findall(r"\.[a-z.]+", cell)) == sorted(FORMATS)


def test_the_table_of_extras_has_each_of_them_and_all_has_every_one_that_users_need() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(_read_rows(README, heading="extra")) == set(extras)
    [everything] = extras["all"]
    assert set(re.findall(r"\w+", everything.partition("[")[2])) == set(extras) - {"all", "dev"}


def test_the_table_of_exit_codes_has_each_of_them() -> None:
    assert [int(code) for code in _read_rows(REFERENCE, heading="exit code")] == list(ExitCode)


def test_the_table_of_commands_has_each_of_them() -> None:
    rows = _read_rows(README, heading="command")
    assert [row.split()[0] for row in rows] == list(COMMANDS)


def _list_commands() -> Iterator[tuple[str, Any]]:
    """Yield each command by its whole name, those of a group as `rotate plan`."""
    yield "accesskeys", typer.main.get_command(app)
    for name in COMMANDS:
        yield from _list_group(name, load(name))


def _list_group(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for other in getattr(command, "commands", ()):
        yield from _list_group(f"{name} {other}", command.commands[other])


def _list_options(command: Any) -> dict[str, str]:
    """Return a command's options, the longest name first, with the defaults worth showing."""
    options: dict[str, str] = {}
    for parameter in command.params:
        if isinstance(parameter, typer.core.TyperOption) and parameter.name != "help":
            names = sorted([*parameter.opts, *parameter.secondary_opts], key=len, reverse=True)
            told = not (parameter.default is None or parameter.is_flag)
            options[", ".join(f"`{name}`" for name in names)] = f"`{parameter.default}`" if told else ""
    return options


OPTIONS: Final = {name: _list_options(command) for name, command in _list_commands()}


def _read_cli_page() -> dict[str, dict[str, str]]:
    """Return each command's options with their defaults, from the sections that name the command."""
    told: dict[str, dict[str, str]] = {name: {} for name in OPTIONS}
    for section in re.split(r"^## ", CLI_PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading = section.splitlines()[0]
        options = re.findall(r"^\| (`-.*?) \| (.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"`([\w ]+)`", heading):
            told[name].update(options)
        if heading == "Options of every command":
            for name, own in OPTIONS.items():
                if "`--debug`" in own:
                    told[name].update(options)
    return told


@pytest.mark.parametrize("command", OPTIONS)
def test_the_page_of_the_command_line_has_each_option_with_its_default(command: str) -> None:
    assert _read_cli_page()[command] == OPTIONS[command]
