from __future__ import annotations

import json
import resource
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accesskeys_async.audit.reports import FORMATS
from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.emulator import Emulator, Fault

pytestmark = pytest.mark.slow

Call = Callable[..., Any]


@pytest.fixture
def inventory(service: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two organizations, each with a token of its own, and none for the command itself."""
    monkeypatch.delenv("ACCESSKEYS_TOKEN")
    path = tmp_path / "fleet.csv"
    rows = ["organization_id,credential,labels"]
    for number, organization in enumerate(service.organizations):
        monkeypatch.setenv(f"TOKEN_{number}", organization.token)
        rows.append(f"{organization.id},env:TOKEN_{number},prod")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def lenient(tmp_path: Path) -> Path:
    """A policy that finds nothing."""
    path = tmp_path / "lenient.toml"
    rules = [
        f"AK{number:03}" for number in (1, 2, 3, 4, 10, 11, 12, 13, 14, 15, 16, 21, 22, 23, 24, 25, 27, 28)
    ] + [f"AK{number:03}" for number in (30, 31, 32, 34)]
    path.write_text("".join(f"[rules.{rule}]\nenabled = false\n" for rule in rules))
    return path


def test_an_audit_says_what_was_read_what_was_found_and_why_it_ends_as_it_does(
    service: Emulator, call: Call
) -> None:
    done = call("audit", service.organization_id)

    assert done.code == ExitCode.FINDINGS
    assert "Audit of 1 organization, 250 keys, in " in done.out
    assert "coverage  100 %, 1 of 1 read whole" in done.out
    assert "AK003  rotation overdue" in done.out
    assert service.organization_id in done.out.partition("Worst organizations")[2]
    assert "findings at high or worse" in done.out.partition("exit 1: ")[2]
    assert "\x1b" not in done.out
    assert done.err == ""


def test_run_is_what_arguments_without_a_command_mean(service: Emulator, call: Call) -> None:
    short, long = call("audit", service.organization_id), call("audit", "run", service.organization_id)

    assert short.out.splitlines()[1:] == long.out.splitlines()[1:]
    assert call("audit", "--exit-zero").code == 0


def test_the_organization_comes_from_the_environment_too(service: Emulator, call: Call) -> None:
    assert "Audit of 1 organization, 250 keys" in call("audit", "run").out


def test_an_organization_that_is_named_twice_is_audited_once(service: Emulator, call: Call) -> None:
    org = service.organization_id
    assert "Audit of 1 organization, 250 keys" in call("audit", org, org.upper()).out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), ExitCode.FINDINGS),
        (("--fail-on", "critical"), ExitCode.FINDINGS),
        (("--exit-zero",), ExitCode.DONE),
        (("--fail-on", "worst"), ExitCode.USAGE),
    ],
)
def test_findings_decide_the_exit_code(
    service: Emulator, call: Call, options: tuple[str, ...], code: ExitCode
) -> None:
    assert call("audit", service.organization_id, *options).code == code


def test_a_policy_that_finds_nothing_ends_with_zero(service: Emulator, call: Call, lenient: Path) -> None:
    done = call("audit", service.organization_id, "--policy", lenient, "--fail-on", "info")

    assert done.code == 0
    assert "findings  none" in done.out
    assert "exit 0: all was read, and nothing was found at info or worse" in done.out


@pytest.mark.parametrize("place", ["-", "/dev/stdout"])
def test_all_that_was_found_goes_to_stdout_as_lines_and_the_summary_to_stderr(
    service: Emulator, call: Call, tmp_path: Path, place: str
) -> None:
    file = tmp_path / "audit.ndjson"

    done = call("audit", "--output", place, "--output", file)

    assert done.code == ExitCode.FINDINGS
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert rows[-1]["kind"] == "summary"
    assert len([row for row in rows if row["kind"] == "finding"]) > 100
    assert [row for row in rows if row["kind"] == "finding"] == [
        row for row in map(json.loads, file.read_text().splitlines()) if row["kind"] == "finding"
    ]
    assert "exit 1: " in done.err
    assert "Worst findings" in done.err
    assert call("audit", "--output", place, "--quiet").err == ""


def test_an_inventory_brings_tokens_and_labels(service: Emulator, call: Call, inventory: Path) -> None:
    done = call("audit", "--inventory", inventory)

    assert done.code == ExitCode.FINDINGS
    assert "2 of 2 read whole" in done.out
    assert f"{service.organizations[1].id}  prod" in done.out


def test_an_organization_that_cannot_be_read_is_stronger_than_findings(
    service: Emulator, call: Call, inventory: Path
) -> None:
    two = service.organizations[1].id
    service.faults.add(Fault.status(403, organization=two))

    done = call("audit", "--inventory", inventory, "--exit-zero")

    assert done.code == ExitCode.INCOMPLETE
    assert "coverage  50 %, 1 of 2 read whole" in done.out
    assert f"{two} ({inventory}:3): permission: " in " ".join(done.out.split())
    assert "exit 4: 1 of 2 organizations could not be read whole" in done.out


def test_tokens_that_open_nothing_are_told_apart(
    service: Emulator, call: Call, inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_0", "x" * 40)
    monkeypatch.delenv("TOKEN_1")

    done = call("audit", "--inventory", inventory)

    assert done.code == ExitCode.AUTHENTICATION
    assert "exit 3: no organization could be read" in done.out
    assert "x" * 40 not in done.out + done.err


def test_without_any_token_nothing_begins(
    service: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACCESSKEYS_TOKEN")
    before = service.journal.count()

    assert call("audit", service.organization_id).code == ExitCode.AUTHENTICATION
    assert service.journal.count() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("no-uuid",), "ORG"),
        (("--resume",), "--resume needs --checkpoint"),
        (("--journal", "j"), "--journal needs --history"),
        (("--output", "report.txt"), "has no known report extension"),
        (("--output", "missing/a.json"), "could not be written"),
        (("--policy", "missing.toml"), "can't be read"),
        (("--inventory", "missing.csv"), "can't be read"),
        (("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01", "--inventory", "f"), "not both"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    service: Emulator, call: Call, arguments: tuple[str, ...], told: str
) -> None:
    before = service.journal.count()

    refused = call("audit", *arguments)

    assert refused.code == ExitCode.USAGE
    assert told in refused.err
    assert refused.err.count("\n") == 1
    assert service.journal.count() == before


def test_an_inventory_of_nothing_is_refused(service: Emulator, call: Call, tmp_path: Path) -> None:
    empty = tmp_path / "fleet.ndjson"
    empty.write_text("\n")

    refused = call("audit", "--inventory", empty)

    assert refused.code == ExitCode.USAGE
    assert "names no organization" in refused.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[rules.AK001]\nmax_idle_days = 'x'\n", "policy.toml: rules.AK001.max_idle_days: expected a number"),
        ("[rules", "policy.toml: expected TOML"),
    ],
)
def test_a_policy_that_is_refused_is_told_with_the_place(
    service: Emulator, call: Call, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "policy.toml").write_text(text)

    refused = call("audit", service.organization_id, "--policy", tmp_path / "policy.toml")

    assert refused.code == ExitCode.USAGE
    assert told in refused.err


def test_a_rule_that_fails_is_no_pass(service: Emulator, call: Call, tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text(
        "from accesskeys_async.audit import Rule, Severity\n"
        "def judge(snapshot, parameters):\n    raise RuntimeError('ours')\n"
        "RULES = [Rule(id='OURS1', title='ours', severity=Severity.LOW, condition='Never.', judge=judge)]\n"
    )
    (tmp_path / "policy.toml").write_text('rule_files = ["rules.py"]\n')

    done = call("audit", service.organization_id, "--policy", tmp_path / "policy.toml", "--exit-zero")

    assert done.code == ExitCode.INCOMPLETE
    assert "exit 4: 1 rule failed and did not judge everything" in done.out
    assert "OURS1: the rule raised RuntimeError at rules.py:3" in done.out


def test_reports_of_every_form_are_written_at_once(service: Emulator, call: Call, tmp_path: Path) -> None:
    paths = [tmp_path / f"audit{ending}" for ending in FORMATS]
    options = [option for path in paths for option in ("--output", path)]

    done = call("audit", service.organization_id, *options)

    assert done.code == ExitCode.FINDINGS
    assert all(path.stat().st_size > 1000 for path in paths)
    assert [line.strip() for line in done.out.splitlines() if str(tmp_path) in line] == [
        str(path) for path in paths
    ]
    report = json.loads((tmp_path / "audit.json").read_text())
    assert report["summary"]["keys"] == 250


@pytest.mark.parametrize("room", [0, 60, 300])
def test_a_full_disk_under_a_checkpoint_ends_with_four_and_the_same_command_works_later(
    service: Emulator, call: Call, inventory: Path, tmp_path: Path, room: int
) -> None:
    command = (
        "audit",
        "run",
        "--inventory",
        inventory,
        "--checkpoint",
        tmp_path / "checkpoint",
        "--exit-zero",
    )
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limit[1]))
    try:
        failed = call(*command)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert (failed.code, failed.out) == (ExitCode.INCOMPLETE, "")
    assert "checkpoint: can't be written: File too large; see to its disk, then begin it again" in failed.err
    assert call(*command).code == 0


def test_a_checkpoint_is_gone_on_with(service: Emulator, call: Call, inventory: Path, tmp_path: Path) -> None:
    one, two = (organization.id for organization in service.organizations)
    service.faults.add(Fault.status(403, organization=two))
    options = ("--inventory", inventory, "--checkpoint", tmp_path / "checkpoint")
    assert call("audit", *options).code == ExitCode.INCOMPLETE
    before = service.journal.count()

    refused = call("audit", *options)
    assert (refused.code, service.journal.count()) == (ExitCode.USAGE, before)
    assert "resume it, or name another" in refused.err

    done = call("audit", *options, "--resume")
    assert done.code == ExitCode.FINDINGS
    assert "2 of 2 read whole" in done.out
    assert service.journal.count() == before + 3
    assert one in done.out


def test_a_history_tells_what_is_new_and_fixed_since_the_last_time(
    service: Emulator, call: Call, tmp_path: Path
) -> None:
    options = (service.organization_id, "--history", tmp_path / "history.sqlite")

    assert "changes" not in call("audit", *options).out
    again = call("audit", *options, "--output", tmp_path / "a.html")

    assert "changes   0 new, 0 fixed, 0 reopened since 20" in again.out
    key = service.keys(service.organization_id)[0]
    assert call("delete", key.id, "--yes").code == 0
    third = call("audit", *options)
    changes = third.out.partition("changes   ")[2].splitlines()[0]
    assert " 0 fixed" not in changes


def test_keys_that_a_rotation_journal_knows_are_no_surprise(
    service: Emulator, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCESSKEYS_JOURNAL", str(tmp_path / "journal.sqlite"))
    old = service.keys(service.organization_id)[0]
    call("audit", service.organization_id, "--history", tmp_path / "one")
    shutil.copy(tmp_path / "one", tmp_path / "two")
    planned = json.loads(call("rotate", "plan", old.id, "--grace", "0s", "--no-require-idle").out)
    call("rotate", "run", planned["id"], "--to-file", tmp_path / "token", "--yes")

    def find_surprises(*options: object) -> set[str]:
        call("audit", service.organization_id, "--output", tmp_path / "a.json", "--history", *options)
        report = json.loads((tmp_path / "a.json").read_text())
        findings = report["organizations"][0]["findings"]
        return {finding["rule"] for finding in findings} & {"AK102", "AK103"}

    assert find_surprises(tmp_path / "one", "--journal", tmp_path / "journal.sqlite") == set()
    assert find_surprises(tmp_path / "two") == {"AK102", "AK103"}


def test_a_terminal_sees_how_far_it_is(service: Emulator, call: Call) -> None:
    done = call("audit", service.organization_id, terminal=True)

    assert "1/1 organizations, 0 failed, 250 keys, " in done.err
    assert "\x1b[" in done.out
    assert call("audit", service.organization_id, "--quiet", terminal=True).err == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_audit_keeps_what_was_read_and_goes_on_later(
    service: Emulator,
    call: Call,
    inventory: Path,
    tmp_path: Path,
    begin: Callable[..., subprocess.Popen[str]],
    number: signal.Signals,
) -> None:
    checkpoint, report = tmp_path / "checkpoint", tmp_path / "audit.json"
    options = ("--inventory", inventory, "--checkpoint", checkpoint, "--output", report)
    service.faults.add(Fault.delay(30, organization=service.organizations[1].id))
    process = begin("audit", *options)
    until = time.monotonic() + 20
    while not checkpoint.exists() or checkpoint.read_bytes().count(b"\n") < 2:
        assert time.monotonic() < until, "waited in vain"
        select.select([], [], [], 0.02)

    process.send_signal(number)

    assert process.wait(20) == ExitCode.INTERRUPTED
    assert f"interrupted; what was read is in {checkpoint}; continue with --resume" in process.stderr.read()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint", "fleet.csv"]
    done = call("audit", *options, "--resume")
    assert done.code == ExitCode.FINDINGS
    assert report.exists()


def test_roles_are_read_with_a_request_for_every_key_and_their_cost_is_said_before(
    service: Emulator, call: Call
) -> None:
    before = len([entry for entry in service.journal if entry.operation == "get"])
    done = call("audit", service.organization_id, "--roles", "--exit-zero")

    assert len([entry for entry in service.journal if entry.operation == "get"]) - before == 250
    assert done.err == (
        "roles take one request a key more; how many keys there are is known as they are listed\n"
    )
    assert done.code == ExitCode.DONE


def test_roles_that_can_not_be_read_leave_an_audit_incomplete(service: Emulator, call: Call) -> None:
    service.faults.add(Fault.status(403, operation="get", times=3))
    done = call("audit", service.organization_id, "--roles", "--exit-zero")

    assert done.code == ExitCode.INCOMPLETE
    assert "exit 4: the roles of 3 keys in 1 organization could not be read" in done.out
    assert "coverage  0 %, 0 of 1 read whole" in done.out
    assert "Read in part\n  the roles of 3 keys, in 1 organization" in done.out


def test_a_checkpoint_with_roles_does_not_go_on_without(
    service: Emulator, call: Call, tmp_path: Path
) -> None:
    options = ("--checkpoint", tmp_path / "audit.checkpoint", "--exit-zero")
    assert call("audit", service.organization_id, *options, "--roles").code == ExitCode.DONE
    refused = call("audit", service.organization_id, *options, "--resume")

    assert refused.code == ExitCode.USAGE
    assert "is of an audit with roles read, not with roles not read; begin a new one" in refused.err
