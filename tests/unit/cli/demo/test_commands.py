from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from accesskeys_async import AccessKeysClient
from accesskeys_async.cli.app import run
from accesskeys_async.cli.demo.commands import live_one_life, tell_attempt
from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.output.screen import Screen
from accesskeys_async.emulator import Emulator, Fault
from accesskeys_async.records import Attempt

pytestmark = pytest.mark.slow

SMALL = ("demo", "--organizations", "3", "--keys-per-organization", "120")


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the reports of demos go away with the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_the_demo_does_all_that_it_promises(call: Callable, tmp_path: Path) -> None:
    began = time.monotonic()
    done = call(*SMALL)
    assert (done.code, done.err) == (0, "")
    assert time.monotonic() - began < 15
    for promised in (
        "Streamed 3 organizations at once: 363 keys",
        "Never used",
        "Audit of 3 organizations, 363 keys, in ",
        "coverage  100 %, 3 of 3 read whole",
        "Drew the report: open ",
        "Created a key: demo ",
        "Changed its description: renewed by accesskeys demo",
        "Read it back: demo, renewed by accesskeys demo",
        "Deleted it: reading it answers 404",
        "attempt 1: 429, waited 1.",
        "attempt 2: connection lost, waited ",
        "attempt 3: 200",
        "Rode through",
        "accesskeys emulator",
    ):
        assert promised in done.out
    assert "\x1b" not in done.out
    [report] = tmp_path.glob("accesskeys-demo-*/*")
    assert f"Drew the report: open {report} in a browser" in done.out
    assert "<table" in report.read_text()


def test_the_report_goes_where_it_is_asked_for(call: Callable, tmp_path: Path) -> None:
    done = call(*SMALL, "--report", tmp_path / "audit.html")

    assert done.code == 0
    assert f"open {tmp_path / 'audit.html'} in a browser" in done.out
    assert (tmp_path / "audit.html").stat().st_size > 10_000
    assert not list(tmp_path.glob("**/*.token"))


def test_without_what_draws_reports_the_demo_says_so_and_goes_on(
    call: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)

    done = call(*SMALL)

    assert done.code == 0
    assert "no HTML report: a HTML report needs vl_convert" in done.err
    assert "Audit of 3 organizations" in done.out
    assert "Rode through" in done.out
    assert not list(tmp_path.iterdir())
    assert call(*SMALL, "--report", tmp_path / "audit.html").code == ExitCode.USAGE


def test_a_terminal_sees_a_bar_for_each_organization_and_the_environment_counts_for_nothing(
    make_desk: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCESSKEYS_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("ACCESSKEYS_TOKEN", raising=False)
    data, seen = make_desk(), make_desk(terminal=True)
    assert run([*SMALL, "--seed", "5"], screen=Screen(None, data.stdout, seen.stderr)) == 0
    assert seen.err.count("121/121") >= 3
    assert "\x1b" not in data.out
    assert all(fleet.id in data.out for fleet in Emulator(seed=5, organizations=3).organizations)


async def test_a_key_that_outlives_its_deletion_fails_the_demo(make_desk: Callable) -> None:
    async with (
        Emulator() as emulator,
        AccessKeysClient(emulator.token, base_url=emulator.base_url) as client,
    ):
        emulator.faults.add(Fault.status(204, operation="delete", body=b""))
        with pytest.raises(CommandError, match="still there"):
            await live_one_life(make_desk().screen, client, emulator.organization_id)


@pytest.mark.parametrize(
    ("status", "wait", "told"),
    [(429, 1.204, "429, waited 1.20 s"), (None, 0.5, "connection lost, waited 0.50 s"), (200, 0.0, "200")],
)
def test_an_attempt_is_told_with_its_wait(status: int | None, wait: float, told: str) -> None:
    attempt = Attempt(
        number=1,
        started_at=datetime.now(UTC),
        elapsed=0.1,
        status=status,
        error=None,
        effect_unknown=False,
        wait=wait,
    )
    assert tell_attempt(attempt) == told
