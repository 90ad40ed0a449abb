from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from accesskeys_async.audit.history import History
from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.emulator import Emulator

pytestmark = pytest.mark.slow

Call = Callable[..., Any]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


def _begin_a_history(history: Path) -> None:
    async def begin() -> None:
        async with History(history):
            pass

    asyncio.run(begin())


@pytest.fixture
def deleted(service: Emulator, call: Call, history: Path) -> str:
    """Two audits in the history, with a key deleted, one created and one renamed between them."""
    oldest, other, *_ = service.keys(service.organization_id)
    call("audit", "run", "--history", history)
    assert call("delete", oldest.id, "--yes").code == 0
    assert call("update", other.id, "--name", "=renamed").code == 0
    assert call("create", "--name", "fresh", "--description", "made between", "--show-token").code == 0
    call("audit", "run", "--history", history)
    return str(oldest.id)


def test_the_difference_of_the_last_two_audits_is_shown(
    service: Emulator, call: Call, history: Path, deleted: str
) -> None:
    done = call("audit", "diff", "--history", history, "--format", "json")

    assert done.code == 0
    rows = json.loads(done.out)
    assert {row["change"] for row in rows} >= {"fixed", "new", "key gone", "key appeared", "key edited"}
    [gone] = [row for row in rows if row["change"] == "key gone"]
    assert (gone["keyId"], gone["organizationId"]) == (deleted, service.organization_id)
    assert [row["name"] for row in rows if row["change"] == "key appeared"] == ["fresh"]
    fixed = [row for row in rows if row["change"] == "fixed"]
    assert all(row["rule"] and row["severity"] and row["since"] for row in fixed)
    assert deleted in {row["keyId"] for row in fixed}


def test_a_person_sees_a_table_with_the_counts_above(
    service: Emulator, call: Call, history: Path, deleted: str
) -> None:
    done = call("audit", "diff", "--history", history, "--format", "table")

    head, counts, *rows = done.out.splitlines()
    assert head.startswith("Run ")
    assert head.endswith(", 1 organization compared")
    assert "keys: 1 appeared, 1 gone, 1 edited" in counts
    assert rows[0].split()[:3] == ["CHANGE", "SEVERITY", "RULE"]


def test_a_spreadsheet_gets_no_formula(service: Emulator, call: Call, history: Path, deleted: str) -> None:
    done = call("audit", "diff", "--history", history, "-f", "csv")

    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert "'=renamed" in {row["name"] for row in rows}


def test_runs_are_compared_by_their_numbers(
    service: Emulator, call: Call, history: Path, deleted: str
) -> None:
    one, two = (
        json.loads(line)["run"] for line in call("audit", "trend", "--history", history).out.splitlines()
    )

    named = call("audit", "diff", one, two, "--history", history)

    assert named.out == call("audit", "diff", "--history", history).out
    swapped = call("audit", "diff", two, one, "--history", history)
    assert swapped.code == ExitCode.USAGE
    assert "swap them" in swapped.err


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        (("1",), "give two runs, the earlier first"),
        (("1", "99999"), "there is no run 99999"),
        ((), "fewer than two"),
    ],
)
def test_what_cannot_be_compared_is_wrong_usage(
    service: Emulator, call: Call, history: Path, runs: tuple[str, ...], told: str
) -> None:
    call("audit", "run", "--history", history)

    refused = call("audit", "diff", *runs, "--history", history)

    assert refused.code == ExitCode.USAGE
    assert told in refused.err


def test_an_organization_that_was_not_read_twice_is_named(
    service: Emulator, call: Call, history: Path
) -> None:
    one, two = (organization.id for organization in service.organizations)
    call("audit", one, two, "--history", history)
    call("audit", one, "--history", history)

    assert f"not compared: {two}: " in call("audit", "diff", "--history", history).err


def test_runs_under_different_policies_are_told_apart(
    service: Emulator, call: Call, history: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[rules.AK003]\nenabled = false\n")
    call("audit", "run", "--history", history)
    other = call("audit", "run", "--history", history, "--policy", policy)
    call("audit", "run", "--history", history, "--policy", policy)
    hashes = [
        json.loads(line)["policyHash"]
        for line in call("audit", "trend", "--history", history).out.splitlines()
    ]

    assert f"the policy was another then, {hashes[0]}" in " ".join(other.out.split())
    assert " 0 new, 0 fixed, 0 reopened" in other.out
    differing = call("audit", "diff", 1, 2, "--history", history)
    assert f"the runs had different policies: {hashes[0]}, then {hashes[1]}" in differing.err
    assert call("audit", "diff", 2, 3, "--history", history).err == ""
    assert "the policy changed with run 2: " in call("audit", "trend", "--history", history).err
    assert call("audit", "trend", "--last", 2, "--history", history).err == ""


def test_the_trend_is_the_audits_of_the_past(
    service: Emulator, call: Call, history: Path, deleted: str
) -> None:
    rows = json.loads(call("audit", "trend", "--history", history, "-f", "json").out)

    assert [row["keys"] for row in rows] == [250, 250]
    assert rows[0]["startedAt"] <= rows[1]["startedAt"]
    assert rows[1]["fixed"] >= 1
    assert rows[0]["critical"] > 0
    assert len(call("audit", "trend", "--last", 1, "--history", history).out.splitlines()) == 1
    table = call("audit", "trend", "--history", history, "-f", "table").out.splitlines()
    assert table[0].split()[:4] == ["RUN", "BEGAN", "(UTC)", "READ"]
    assert len(table) == 3


def test_a_history_of_nothing_has_an_empty_trend(call: Call, history: Path) -> None:
    _begin_a_history(history)

    done = call("audit", "trend", "--history", history, "--format", "table")

    assert (done.code, done.out) == (0, "")


def test_old_audits_are_forgotten_when_the_person_says_yes(
    service: Emulator, call: Call, history: Path, deleted: str
) -> None:
    options = ("audit", "prune", "--older-than", "0s", "--history", history)

    assert call(*options).code == ExitCode.USAGE
    refused = call(*options, answer="n\n", terminal=True)
    assert (refused.code, "forget what was read before" in refused.err) == (ExitCode.DECLINED, True)
    assert len(call("audit", "trend", "--history", history).out.splitlines()) == 2

    done = call(*options, answer="y\n", terminal=True)
    assert (done.code, "forgot 1 reading\n" in done.err) == (0, True)
    assert "forgot 0 readings" in call(*options, "--yes").err


@pytest.mark.parametrize("command", [["diff"], ["trend"], ["prune", "--older-than", "1d", "--yes"]])
def test_a_mistyped_history_is_missed_and_not_created(call: Call, history: Path, command: list[str]) -> None:
    missed = call("audit", *command, "--history", history)

    assert (missed.code, missed.out) == (ExitCode.USAGE, "")
    assert "there is no history" in missed.err
    assert not history.exists()


@pytest.mark.parametrize("command", [["trend"], ["run"]])
def test_the_database_of_another_program_is_no_history(
    service: Emulator, call: Call, history: Path, command: list[str]
) -> None:
    with closing(sqlite3.connect(history)) as other:
        other.executescript("CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT)")
    before = history.read_bytes()

    refused = call("audit", *command, "--history", history)

    assert (refused.code, refused.out) == (ExitCode.USAGE, "")
    assert "history.sqlite is the database of another program, and no history" in refused.err
    assert history.read_bytes() == before


def test_an_audit_does_not_take_a_missing_journal_for_an_empty_one(
    service: Emulator, call: Call, history: Path, tmp_path: Path
) -> None:
    missed = call("audit", "run", "--history", history, "--journal", tmp_path / "nope.sqlite")

    assert (missed.code, missed.out) == (ExitCode.USAGE, "")
    assert "there is no journal" in missed.err
    assert not (tmp_path / "nope.sqlite").exists()


def test_another_database_is_refused_as_wrong_usage(call: Call) -> None:
    refused = call("audit", "trend", "--history", "mysql://me:hunter2@db/keys")

    assert (refused.code, refused.out) == (ExitCode.USAGE, "")
    assert "begins with 'mysql' and can't be read" in refused.err
    assert "hunter2" not in refused.err


def test_a_history_that_cannot_be_opened_is_one_line(call: Call, history: Path) -> None:
    history.write_bytes(b"no database" * 1_000)

    done = call("audit", "trend", "--history", history)

    assert done.code == ExitCode.UNREACHABLE
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("command", [("trend",), ("diff",), ("run",)])
def test_without_what_a_history_needs_it_says_what_to_install(
    service: Emulator,
    call: Call,
    history: Path,
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("accesskeys_async.audit.history")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("accesskeys_async.audit.history", raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)

    refused = call("audit", *command, "--history", history)

    assert refused.code == ExitCode.USAGE
    assert "a history needs sqlalchemy: pip install 'accesskeys-async[history]'" in refused.err


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_difference_is_whole_at_every_width(
    service: Emulator,
    call: Call,
    history: Path,
    deleted: str,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    rows = [
        json.loads(line)
        for line in call("audit", "diff", "--history", history, "-f", "ndjson").out.splitlines()
    ]

    shown = Text.from_ansi(call("audit", "diff", "--history", history, terminal=True).out).plain

    assert all(row["keyId"] is None or row["keyId"] in shown for row in rows)
    assert service.organization_id in shown
    assert all(row["change"] in shown and (row["rule"] or "") in shown for row in rows)
    words = "".join(part for part in shown.split() if part not in {"NAME", "WHAT"})
    assert all("".join(row["name"].split()) in words for row in rows if row["name"])
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_trend_is_whole_at_every_width(
    service: Emulator,
    call: Call,
    history: Path,
    deleted: str,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))

    told = call("audit", "trend", "--history", history, terminal=True).out
    lines = Text.from_ansi(told).plain.splitlines()

    titles = ["RUN", "BEGAN (UTC)", "READ", "KEYS", "CRIT", "HIGH", "MED", "LOW", "INFO", "NEW", "FIXED"]
    assert all(any(title in line for line in lines) for title in titles)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    assert len(lines) == (3 if width >= 80 else 2 * len(titles) + 1)
