from __future__ import annotations

import asyncio
import csv
import io
import json
import shlex
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rich.cells import cell_len
from rich.text import Text

from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.cli.rotate.commands import rotate
from accesskeys_async.cli.rotate.session import TokenTarget
from accesskeys_async.emulator import Emulator, Fault
from accesskeys_async.rotation import Journal, SinkError

pytestmark = pytest.mark.slow

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def _journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCESSKEYS_JOURNAL", str(tmp_path / "journal.sqlite"))


@pytest.fixture
def old_id(service: Emulator) -> str:
    return service.keys(service.organization_id)[0].id


def _plan(call: Call, key_id: str, *options: object) -> str:
    planned = call("rotate", "plan", key_id, *options)
    assert planned.code == 0, planned.err
    return str(json.loads(planned.out)["id"])


def _go_on_at_once(tmp_path: Path) -> None:
    """Let the grace be over."""
    with sqlite3.connect(tmp_path / "journal.sqlite") as journal:
        journal.execute("UPDATE accesskeys_rotations SET due_at = 0")
    journal.close()


def _begin_a_journal(tmp_path: Path) -> None:
    async def begin() -> None:
        async with Journal(tmp_path / "journal.sqlite"):
            pass

    asyncio.run(begin())


def _key_ids(service: Emulator) -> list[str]:
    return [key.id for key in service.keys(service.organization_id)]


def test_a_key_is_replaced_in_two_calls(service: Emulator, call: Call, tmp_path: Path, old_id: str) -> None:
    rotation = _plan(call, old_id)

    first = call("rotate", "run", rotation, "--to-file", tmp_path / "token")

    assert first.code == 0, first.err
    assert json.loads(first.out)["state"] == "grace"
    assert old_id in _key_ids(service)
    _go_on_at_once(tmp_path)
    second = call("rotate", "run", rotation, "--yes")
    assert second.code == 0, second.err
    assert json.loads(second.out)["state"] == "confirmed"
    token = (tmp_path / "token").read_text().strip()
    assert service.verify(service.organization_id, token) == json.loads(second.out)["newKeyId"]
    assert old_id not in _key_ids(service)


def test_each_step_is_told_on_stderr_and_the_token_nowhere(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)

    ran = call("rotate", "run", rotation, "--to-file", tmp_path / "token")

    assert f"rotation {rotation}: verified, next step due " in ran.err
    assert f"rotation {rotation}: grace, next step due " in ran.err
    assert (tmp_path / "token").read_text().strip() not in ran.out + ran.err


def test_a_key_without_roles_is_told_of(service: Emulator, call: Call, tmp_path: Path) -> None:
    made = call("create", "--name", "bare", "--description", "d", "--token-file", tmp_path / "old")
    rotation = _plan(call, json.loads(made.out)["id"])

    ran = call("rotate", "run", rotation, "--to-file", tmp_path / "token")

    assert ran.code == 0, ran.err
    assert f"rotation {rotation}: the new key has no roles, as the old one had none" in ran.err


def test_planning_says_the_terms(service: Emulator, call: Call, old_id: str) -> None:
    planned = call("rotate", "plan", old_id, "--grace", "36h", "--no-require-idle", "-f", "json")

    [row] = json.loads(planned.out)
    assert (row["keyId"], row["state"], row["graceSeconds"], row["requireIdle"]) == (
        old_id,
        "planned",
        36 * 3600,
        False,
    )
    assert abs(datetime.fromisoformat(row["plannedAt"]) - datetime.now(UTC)).total_seconds() < 60


def test_roles_are_planned_with_their_workspaces(
    service: Emulator, call: Call, old_id: str, tmp_path: Path
) -> None:
    role, other, workspace = (str(UUID(int=number)) for number in (1, 2, 3))

    planned = call("rotate", "plan", old_id, "--role", f"{role}:{workspace}", "--role", other, "-f", "json")

    [row] = json.loads(planned.out)
    assert row["roleRefs"] == [{"id": role, "workspaces": [workspace]}, {"id": other}]
    assert call("rotate", "plan", old_id).code == ExitCode.REFUSED


def test_a_role_that_is_no_id_is_wrong_usage(service: Emulator, call: Call, old_id: str) -> None:
    refused = call("rotate", "plan", old_id, "--role", "admin")

    assert (refused.code, refused.out) == (ExitCode.USAGE, "")
    assert "--role takes ROLE_ID[:WORKSPACE_ID,…]" in refused.err


@pytest.mark.parametrize("grace", ["7", "d", "-1d", "1 day", "1y"])
def test_a_grace_that_cannot_be_read_is_wrong_usage(
    service: Emulator, call: Call, old_id: str, grace: str
) -> None:
    refused = call("rotate", "plan", old_id, f"--grace={grace}")

    assert (refused.code, refused.out) == (ExitCode.USAGE, "")
    assert "it takes a number and a unit, such as 12h or 7d" in refused.err


def test_deleting_asks_first_and_a_no_changes_nothing(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)
    call("rotate", "run", rotation, "--to-file", tmp_path / "token")
    _go_on_at_once(tmp_path)

    refused = call("rotate", "run", rotation, answer="n\n", terminal=True)

    assert refused.code == ExitCode.DECLINED
    assert f"delete what is replaced once its grace is over: {old_id}" in " ".join(refused.err.split())
    assert old_id in _key_ids(service)
    done = call("rotate", "run", rotation, answer="y\n", terminal=True)
    assert done.code == 0, done.err
    assert "confirmed" in done.out
    assert old_id not in _key_ids(service)


@pytest.mark.parametrize("options", [["--wait"], []])
def test_without_a_terminal_nothing_is_deleted_unless_told(
    service: Emulator, call: Call, tmp_path: Path, old_id: str, options: list[str]
) -> None:
    rotation = _plan(call, old_id, "--grace", "0s")

    refused = call("rotate", "run", rotation, "--to-file", tmp_path / "token", *options)

    assert refused.code == ExitCode.USAGE
    assert "say --yes" in refused.err
    assert not (tmp_path / "token").exists()


@pytest.mark.slow
def test_waiting_stays_until_the_rotation_is_over(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id, "--grace", "1s", "--no-require-idle")
    began = time.monotonic()

    done = call("rotate", "run", rotation, "--to-file", tmp_path / "token", "--wait", "--yes")

    assert done.code == 0, done.err
    assert json.loads(done.out)["state"] == "confirmed"
    assert time.monotonic() - began >= 0.9


def test_the_new_token_must_go_somewhere(service: Emulator, call: Call, old_id: str) -> None:
    rotation = _plan(call, old_id)

    refused = call("rotate", "run", rotation)

    assert refused.code == ExitCode.USAGE
    assert "say where the new token goes" in refused.err
    assert len(_key_ids(service)) == 250


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "say where the new token goes"),
        (["--to-command", "sh -c 'cat"], "--to-command can't be read: No closing quotation"),
        (["--to-command", " "], "--to-command names no command"),
        (["--to-file", "token", "--wait"], "say --yes"),
    ],
)
def test_a_retry_that_is_refused_leaves_the_journal_as_it_was(
    service: Emulator, call: Call, tmp_path: Path, old_id: str, options: list[str], told: str
) -> None:
    rotation = _plan(call, old_id)
    service.faults.add(Fault.status(403, operation="create"))
    call("rotate", "run", rotation, "--to-file", tmp_path / "token")
    before = call("rotate", "status").out

    refused = call("rotate", "run", rotation, "--retry", *options)

    assert refused.code == ExitCode.USAGE
    assert told in refused.err
    assert json.loads(before)["state"] == "needs-human"
    assert call("rotate", "status").out == before
    assert len(_key_ids(service)) == 250


def test_the_new_token_goes_to_one_place(service: Emulator, call: Call, tmp_path: Path, old_id: str) -> None:
    rotation = _plan(call, old_id)

    refused = call("rotate", "run", rotation, "--to-file", tmp_path / "a", "--to-env-file", tmp_path / "b")

    assert refused.code == ExitCode.USAGE
    assert "the token goes to one place" in refused.err


def test_an_env_file_gets_a_line_of_the_name_asked_for(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)

    call("rotate", "run", rotation, "--to-env-file", tmp_path / ".env", "--env-name", "BIRD")

    name, _, token = (tmp_path / ".env").read_text().strip().partition("=")
    assert name == "BIRD"
    assert service.verify(service.organization_id, token) is not None


def test_a_command_that_fails_aborts_the_rotation(service: Emulator, call: Call, old_id: str) -> None:
    rotation = _plan(call, old_id)

    aborted = call("rotate", "run", rotation, "--to-command", "sh -c 'echo sealed >&2; exit 1'")

    assert aborted.code == ExitCode.REFUSED
    assert json.loads(aborted.out)["state"] == "aborted"
    assert "the sink failed: the command 'sh' ended with 1: sealed" in aborted.err
    assert len(_key_ids(service)) == 250


@pytest.mark.parametrize("kind", ["--to-command", "--to-dir"])
def test_all_that_is_due_is_resumed(service: Emulator, call: Call, tmp_path: Path, kind: str) -> None:
    made = [call("create", "--name", "n", "--description", "d", "--show-token", "-q") for _ in range(3)]
    key_ids = [json.loads(created.out)["id"] for created in made]
    for key_id in key_ids:
        _plan(call, key_id)
    command = f"sh -c 'cat > {tmp_path}/{{replaced_key_id}}'"

    resumed = call("rotate", "resume", kind, command if kind == "--to-command" else tmp_path)

    assert resumed.code == 0, resumed.err
    assert [json.loads(line)["state"] for line in resumed.out.splitlines()] == ["grace"] * 3
    new_ids = {json.loads(line)["newKeyId"] for line in resumed.out.splitlines()}
    tokens = [(tmp_path / key_id).read_text().strip() for key_id in key_ids]
    assert {service.verify(service.organization_id, token) for token in tokens} == new_ids
    assert call("rotate", "resume").out == ""


@pytest.mark.parametrize("options", [["--to-file", "token"], ["--to-command", "store"]])
def test_several_tokens_do_not_go_to_one_place(service: Emulator, call: Call, options: list[str]) -> None:
    for key in service.keys(service.organization_id)[:2]:
        _plan(call, key.id)

    refused = call("rotate", "resume", *options)

    assert refused.code == ExitCode.USAGE
    assert "2 rotations would write to one place, which holds one token; use --to-dir, or put" in refused.err


def test_one_file_does_not_take_a_second_keys_token_either_one_by_one(
    service: Emulator, call: Call, tmp_path: Path
) -> None:
    first, second = (_plan(call, key.id) for key in service.keys(service.organization_id)[:2])
    call("rotate", "run", first, "--to-file", tmp_path / "token")
    token = (tmp_path / "token").read_text()

    refused = call("rotate", "run", second, "--to-file", tmp_path / "token")

    assert refused.code == ExitCode.REFUSED
    assert f"the sink holds one token and serves rotation {first}" in refused.err
    assert (tmp_path / "token").read_text() == token
    done = call("rotate", "run", second, "--retry", "--to-dir", tmp_path)
    assert json.loads(done.out)["state"] == "grace", done.err


def test_resuming_asks_before_it_deletes(service: Emulator, call: Call, tmp_path: Path, old_id: str) -> None:
    rotation = _plan(call, old_id)
    call("rotate", "run", rotation, "--to-file", tmp_path / "token")
    _go_on_at_once(tmp_path)

    assert call("rotate", "resume").code == ExitCode.USAGE
    assert call("rotate", "resume", "--yes").code == 0
    assert old_id not in _key_ids(service)


def test_status_needs_no_token(
    service: Emulator, call: Call, old_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotation = _plan(call, old_id)
    monkeypatch.delenv("ACCESSKEYS_TOKEN")

    told = call("rotate", "status")

    assert told.code == 0
    assert json.loads(told.out)["id"] == rotation
    assert call("rotate", "status", rotation).out == told.out


def test_status_is_a_table_for_people(service: Emulator, call: Call, tmp_path: Path, old_id: str) -> None:
    rotation = _plan(call, old_id)
    call("rotate", "run", rotation, "--to-file", tmp_path / "token")

    table = call("rotate", "status", "-f", "table").out

    old, new = (service.keys(service.organization_id)[0].suffix, (tmp_path / "token").read_text()[-7:-1])
    heading, row = table.splitlines()
    assert heading.split() == ["ROTATION", "KEYS", "STATE", "DUE", "PROBLEM"]
    assert row.startswith(rotation)
    assert f"…{old} → …{new}" in row
    assert "grace" in row


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_status_on_a_terminal_shows_ids_and_states_whole(
    service: Emulator, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ids = [_plan(call, key.id) for key in service.keys(service.organization_id)[:2]]
    service.faults.add(Fault.status(403, operation="create"))
    call("rotate", "run", ids[0], "--to-file", tmp_path / "token")

    told = Text.from_ansi(call("rotate", "status", terminal=True).out).plain

    assert all(rotation in told for rotation in ids)
    assert "needs-human" in told
    assert "planned" in told
    assert "PROBLEM" in told
    assert max(map(cell_len, told.splitlines())) <= columns, told


def test_status_of_nothing_is_empty_and_valid(service: Emulator, call: Call, tmp_path: Path) -> None:
    _begin_a_journal(tmp_path)

    assert call("rotate", "status", terminal=True).out == ""
    assert call("rotate", "status", "-f", "json").out == "[]\n"
    assert call("rotate", "status", "-f", "ndjson").out == ""


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["resume", "--yes"], ["run", str(UUID(int=1))], ["abort", str(UUID(int=1)), "--yes"]],
)
def test_a_mistyped_journal_is_missed_and_not_created(
    service: Emulator, call: Call, tmp_path: Path, arguments: list[str]
) -> None:
    missed = call("rotate", *arguments, "--journal", tmp_path / "nope.sqlite")

    assert (missed.code, missed.out) == (ExitCode.USAGE, "")
    assert "there is no journal" in missed.err
    assert "nope.sqlite" in missed.err
    assert list(tmp_path.iterdir()) == []


def test_a_journal_whose_server_is_not_there_ends_with_four(call: Call) -> None:
    failed = call("rotate", "status", "--journal", "postgresql://me:hunter2@127.0.0.1:1/keys?sslmode=disable")

    assert (failed.code, failed.out) == (ExitCode.UNREACHABLE, "")
    assert "the journal postgresql://me@127.0.0.1:1/keys failed: " in failed.err
    assert "hunter2" not in failed.err


def test_an_unknown_state_names_its_rotation_and_the_others_go_on(
    service: Emulator, call: Call, tmp_path: Path
) -> None:
    good, bad = (_plan(call, key.id) for key in service.keys(service.organization_id)[:2])
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as journal, journal:
        journal.execute("UPDATE accesskeys_rotations SET state = 'hovering' WHERE id = ?", (bad,))
    told = "its state 'hovering' is not known to this release; use the release that wrote it"

    rows = {row["id"]: row for row in json.loads(call("rotate", "status", "-f", "json").out)}
    assert (rows[good]["state"], rows[good]["problem"]) == ("planned", None)
    assert (rows[bad]["state"], rows[bad]["problem"]) == ("needs-human", told)

    resumed = call("rotate", "resume", "--to-file", tmp_path / "token", "--yes")
    assert resumed.code == ExitCode.UNREACHABLE
    assert f"rotation {bad}: {told}" in resumed.err
    rows = {row["id"]: row for row in json.loads(call("rotate", "status", "-f", "json").out)}
    assert rows[good]["state"] == "grace"
    assert call("rotate", "run", bad).code == ExitCode.UNREACHABLE


def test_status_as_csv_has_a_column_a_field(service: Emulator, call: Call, old_id: str) -> None:
    rotation = _plan(call, old_id)

    heading, row = call("rotate", "status", "-f", "csv").out.splitlines()

    assert heading.startswith("id,organizationId,keyId,suffix,")
    assert row.startswith(f"{rotation},{service.organization_id},{old_id},")


def test_csv_has_yes_and_roles_as_they_are_typed(service: Emulator, call: Call, old_id: str) -> None:
    role, workspace = (str(UUID(int=number)) for number in (1, 2))
    _plan(call, old_id, "--role", f"{role}:{workspace}")

    [row] = csv.DictReader(io.StringIO(call("rotate", "status", "-f", "csv").out))

    assert (row["requireIdle"], row["roleRefs"]) == ("true", f"{role}:{workspace}")


def test_aborting_asks_and_tells(service: Emulator, call: Call, old_id: str) -> None:
    rotation = _plan(call, old_id)

    assert call("rotate", "abort", rotation).code == ExitCode.USAGE
    aborted = call("rotate", "abort", rotation, "--yes")

    assert (aborted.code, json.loads(aborted.out)["state"]) == (0, "aborted")


def test_aborting_too_late_says_what_lives_and_can_be_taken_back(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)
    call("rotate", "run", rotation, "--to-file", tmp_path / "token")

    late = call("rotate", "abort", rotation, "--yes")

    assert late.code == ExitCode.REFUSED
    assert json.loads(late.out)["state"] == "needs-human"
    assert "nothing was deleted" in late.err
    back = call("rotate", "run", rotation, "--retry", "--to-file", tmp_path / "token", "--yes")
    assert json.loads(back.out)["state"] in {"grace", "confirmed"}


def test_what_needs_a_person_ends_with_one_and_says_why(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)
    service.faults.add(Fault.status(403, operation="create"))

    stuck = call("rotate", "run", rotation, "--to-file", tmp_path / "token")

    assert stuck.code == ExitCode.REFUSED
    assert "needs-human" in stuck.err
    assert "403" in stuck.err


def test_a_rotation_in_other_hands_ends_with_four(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)
    later = (int(time.time()) + 600) * 1_000_000
    with sqlite3.connect(tmp_path / "journal.sqlite") as journal:
        journal.execute("UPDATE accesskeys_rotations SET owner = 'other', lease_until = ?", (later,))
    journal.close()

    until = datetime.fromtimestamp(later // 1_000_000, UTC)
    busy = call("rotate", "run", rotation, "--to-file", tmp_path / "token")
    assert busy.code == ExitCode.UNREACHABLE
    by = "held by another worker, or by one that was killed,"
    assert f"{by} until {until:%Y-%m-%dT%H:%M:%SZ} at the latest" in busy.err
    aborted = call("rotate", "abort", rotation, "--yes")
    assert aborted.code == ExitCode.UNREACHABLE
    assert f"{by} until {until:%Y-%m-%d %H:%M:%S}+00:00 at the latest" in aborted.err
    assert f"held until {until:%Y-%m-%dT%H:%M:%SZ}" in call("rotate", "status", "-f", "table").out
    assert json.loads(call("rotate", "status").out)["leaseUntil"] == f"{until:%Y-%m-%dT%H:%M:%SZ}"


def test_a_lease_that_is_over_is_not_shown_as_one(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    _plan(call, old_id)
    with sqlite3.connect(tmp_path / "journal.sqlite") as journal:
        journal.execute("UPDATE accesskeys_rotations SET owner = 'dead', lease_until = 1000000")
    journal.close()

    assert "held until" not in call("rotate", "status", "-f", "table").out


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "resume"])
def test_an_api_that_cannot_be_reached_ends_with_four_and_is_told_once(
    service: Emulator, call: Call, tmp_path: Path, old_id: str, command: str
) -> None:
    rotation = _plan(call, old_id)
    arguments = [rotation] if command == "run" else []
    unreachable = ("--base-url", "http://127.0.0.1:1", "--deadline", "1", "--to-file", tmp_path / "token")

    failed = call("rotate", command, *arguments, *unreachable)

    assert failed.code == ExitCode.UNREACHABLE
    assert failed.err.count("could not connect") == 1
    assert "next step due" in failed.err
    assert json.loads(failed.out)["state"] == "planned"


def test_what_needs_a_person_says_what_to_type_and_is_told_once(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)
    service.faults.add(Fault.status(401, operation="create"))

    stuck = call("rotate", "run", rotation, "--to-file", tmp_path / "token")

    assert stuck.code == ExitCode.REFUSED
    assert stuck.err.count("401") == 1
    token = shlex.quote(str(tmp_path / "token"))
    assert (
        f". Fix the cause, then run: accesskeys rotate run {rotation} --retry --to-file {token}; "
        in stuck.err
    )
    assert stuck.err.endswith(f"or give it up with: accesskeys rotate abort {rotation}\n")
    assert "accesskeys rotate run ROTATION --retry" in call("rotate", "status").err
    again = call("rotate", "run", rotation, "--retry", "--to-file", tmp_path / "token")
    assert (again.code, json.loads(again.out)["state"]) == (0, "grace")
    assert "--retry" not in call("rotate", "status").err


def _read_commands(told: str) -> tuple[list[str], list[str]]:
    """Read the two commands that a message gives, as a shell would."""
    retry, _, abort = told.partition("Fix the cause, then run: ")[2].partition("; or give it up with: ")
    return shlex.split(retry), shlex.split(abort)


@pytest.mark.parametrize("kind", ["--to-file", "--to-dir", "--to-env-file"])
def test_the_commands_that_are_told_work_as_they_are_printed(
    service: Emulator,
    call: Call,
    tmp_path: Path,
    old_id: str,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.delenv("ACCESSKEYS_JOURNAL")
    monkeypatch.delenv("ACCESSKEYS_BASE_URL")
    folder = tmp_path / "it's here"
    folder.mkdir()
    place = folder if kind == "--to-dir" else folder / "token"
    options = ("--journal", folder / "journal", "--base-url", service.base_url)
    named = ("--env-name", "BIRD") if kind == "--to-env-file" else ()
    rotation = _plan(call, old_id, *options)
    service.faults.add(Fault.status(401, operation="create"))

    stuck = call("rotate", "run", rotation, kind, place, *named, *options)

    [program, *retry], abort = _read_commands(stuck.err)
    assert (program, stuck.code) == ("accesskeys", ExitCode.REFUSED)
    done = call(*retry)
    assert json.loads(done.out)["state"] == "grace", done.err
    assert call(*abort[1:], "--yes").code == ExitCode.REFUSED
    if named:
        assert place.read_text().startswith("BIRD=")


def test_a_command_is_told_without_what_may_be_secret(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)
    service.faults.add(Fault.status(401, operation="create"))

    stuck = call("rotate", "run", rotation, "--to-command", "store --password hunter2")

    assert f"accesskeys rotate run {rotation} --retry --to-command COMMAND; " in stuck.err
    assert "hunter2" not in stuck.err


def test_a_command_that_knows_no_sink_says_which_options_to_add(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)
    call("rotate", "run", rotation, "--to-file", tmp_path / "token")
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as journal, journal:
        journal.execute("UPDATE accesskeys_rotations SET state = 'distributed'")

    stuck = call("rotate", "abort", rotation, "--yes")

    places = "--to-file, --to-dir, --to-env-file or --to-command"
    assert f"rotate run {rotation} --retry, with one of {places} for the new token; " in stuck.err


def test_resuming_names_what_is_stuck_though_no_step_is_due(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)
    service.faults.add(Fault.status(403, operation="create"))
    call("rotate", "run", rotation, "--to-file", tmp_path / "token")

    resumed = call("rotate", "resume", "--to-file", tmp_path / "token")

    assert (resumed.code, resumed.out) == (ExitCode.REFUSED, "")
    assert resumed.err.count(f"rotation {rotation}: needs-human; ") == 1
    assert f"accesskeys rotate run {rotation} --retry --to-file " in resumed.err


@pytest.mark.slow
def test_resuming_names_what_waits_after_a_failure_though_no_step_is_due(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)
    call("rotate", "run", rotation, "--to-file", tmp_path / "t", "--base-url", "http://127.0.0.1:1")

    resumed = call("rotate", "resume", "--to-file", tmp_path / "t")

    assert (resumed.code, resumed.out) == (ExitCode.UNREACHABLE, "")
    assert f"rotation {rotation}: planned, next step due " in resumed.err
    assert "could not connect" in resumed.err


def test_resuming_names_what_is_stuck_beside_what_it_ran(
    service: Emulator, call: Call, tmp_path: Path
) -> None:
    stuck, good = (_plan(call, key.id) for key in service.keys(service.organization_id)[:2])
    service.faults.add(Fault.status(403, operation="create"))
    call("rotate", "run", stuck, "--to-dir", tmp_path)

    resumed = call("rotate", "resume", "--to-dir", tmp_path)

    assert resumed.code == ExitCode.REFUSED
    assert (json.loads(resumed.out)["id"], json.loads(resumed.out)["state"]) == (good, "grace")
    assert f"rotation {stuck}: needs-human; " in resumed.err


def test_resuming_is_content_with_what_is_over_or_waits_for_its_grace(
    service: Emulator, call: Call, tmp_path: Path
) -> None:
    over, waiting = (_plan(call, key.id) for key in service.keys(service.organization_id)[:2])
    call("rotate", "run", over, "--to-command", "false")
    call("rotate", "run", waiting, "--to-file", tmp_path / "token")

    resumed = call("rotate", "resume")

    assert (resumed.code, resumed.err) == (0, "no rotation has a step due\n")


def test_of_several_failures_each_is_told_and_a_refusal_decides_the_code(
    service: Emulator, call: Call, tmp_path: Path
) -> None:
    ids = [_plan(call, key.id) for key in service.keys(service.organization_id)[:2]]
    service.faults.add(Fault.status(403, operation="create"))
    service.faults.add(Fault.status(503, operation="create", times=9))

    failed = call("rotate", "resume", "--to-dir", tmp_path, "--deadline", "2")

    assert failed.code == ExitCode.REFUSED
    assert all(rotation in failed.err for rotation in ids)
    assert "403" in failed.err
    assert "503" in failed.err


@pytest.mark.slow
def test_aborting_once_more_closes_it_without_an_error(
    service: Emulator, call: Call, tmp_path: Path, old_id: str
) -> None:
    rotation = _plan(call, old_id)
    call("rotate", "run", rotation, "--to-file", tmp_path / "token")
    first = call("rotate", "abort", rotation, "--yes")

    second = call("rotate", "abort", rotation, "--yes")

    assert (first.code, second.code, second.err) == (ExitCode.REFUSED, 0, "")
    row = json.loads(second.out)
    assert (row["state"], row["stuckAt"]) == ("aborted", None)
    assert f"aborted, and nothing was deleted: the old key {old_id}" in row["problem"]
    assert "retry" not in row["problem"]


def test_resuming_with_nothing_due_says_so(service: Emulator, call: Call, tmp_path: Path) -> None:
    _begin_a_journal(tmp_path)
    resumed = call("rotate", "resume", "-f", "json")

    assert (resumed.code, resumed.out, resumed.err) == (0, "[]\n", "no rotation has a step due\n")


@pytest.mark.parametrize("command", ["run", "status", "abort"])
def test_a_rotation_that_is_no_id_is_told_in_the_command_lines_words(
    service: Emulator, call: Call, tmp_path: Path, command: str
) -> None:
    _begin_a_journal(tmp_path)
    refused = call("rotate", command, "nonsense")

    assert refused.code == ExitCode.USAGE
    assert refused.err == (
        "accesskeys: ROTATION is 'nonsense', which is not a UUID; find it with: accesskeys rotate status\n"
    )


def test_a_key_that_the_command_itself_uses_goes_over_with_its_file(
    service: Emulator, call: Call, tmp_path: Path
) -> None:
    credential = tmp_path / "token"
    credential.write_text(service.token)
    credential.chmod(0o600)
    own = service.verify(service.organization_id, service.token)
    assert own is not None
    options = ("--credential-file", credential)
    rotation = _plan(call, own, "--grace", "0s", "--no-require-idle", *options)

    done = call("rotate", "run", rotation, "--to-file", credential, "--yes", *options)

    assert done.code == 0, done.err
    assert json.loads(done.out)["state"] == "confirmed"
    assert own not in _key_ids(service)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["status", "nonsense"], ExitCode.USAGE, "not a UUID"),
        (["status", "0c0ffee0-0000-4000-8000-000000000bad"], ExitCode.USAGE, "there is no rotation"),
        (["status", "--journal", "mongodb://x/y"], ExitCode.USAGE, "can't be read"),
        (["status", "--journal", "/no/such/folder/journal"], ExitCode.USAGE, "there is no journal"),
        (["status", "--journal", "/"], ExitCode.UNREACHABLE, "the journal / failed: "),
    ],
)
def test_what_cannot_be_read_is_one_line(
    service: Emulator, call: Call, tmp_path: Path, arguments: list[str], code: ExitCode, told: str
) -> None:
    _begin_a_journal(tmp_path)

    refused = call("rotate", *arguments)

    assert (refused.code, refused.out) == (code, "")
    assert told in refused.err
    assert refused.err.count("\n") == 1


def test_a_rotation_that_is_not_there_cannot_be_run(service: Emulator, call: Call, tmp_path: Path) -> None:
    _begin_a_journal(tmp_path)

    refused = call("rotate", "run", "0c0ffee0-0000-4000-8000-000000000bad")

    assert refused.code == ExitCode.USAGE
    assert "there is no rotation" in refused.err


def test_what_waits_to_be_aborted_says_so(service: Emulator, call: Call, tmp_path: Path, old_id: str) -> None:
    rotation = _plan(call, old_id)
    service.faults.add(Fault.reset_before(operation="create"))
    call("rotate", "run", rotation, "--to-file", tmp_path / "token")
    call("rotate", "abort", rotation, "--yes")
    _go_on_at_once(tmp_path)

    waiting = call("rotate", "run", rotation)

    assert f"rotation {rotation}: creating, aborting, next step due " in waiting.err


async def test_a_token_for_which_no_place_was_named_goes_nowhere() -> None:
    delivery: Any = object()

    with pytest.raises(SinkError, match="no place for the token was named"):
        await TokenTarget().make()(delivery)


def test_without_the_extra_the_command_says_what_to_install() -> None:
    program = "import sys; sys.modules['sqlalchemy'] = None; from accesskeys_async.cli.app import run; "

    done = subprocess.run(
        [sys.executable, "-c", program + "sys.exit(run(['rotate', 'status', '--journal', 'x']))"],
        capture_output=True,
        text=True,
    )

    assert done.returncode == ExitCode.USAGE
    assert done.stderr == (
        "accesskeys: rotation needs sqlalchemy: pip install 'accesskeys-async[rotation]'\n"
    )


def test_a_journal_must_be_named(service: Emulator, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCESSKEYS_JOURNAL")

    refused = call("rotate", "status")

    assert refused.code == ExitCode.USAGE
    assert "--journal" in refused.err


def test_only_a_rotation_that_needs_a_person_is_retried(service: Emulator, call: Call, old_id: str) -> None:
    rotation = _plan(call, old_id)

    refused = call("rotate", "run", rotation, "--retry")

    assert refused.code == ExitCode.REFUSED
    assert "there is nothing to retry" in refused.err


def test_every_command_and_option_has_its_help() -> None:
    import typer.main

    group: Any = typer.main.get_command(rotate)
    assert set(group.commands) == {"plan", "run", "resume", "status", "abort"}
    for command in group.commands.values():
        assert command.help
        assert all(getattr(parameter, "help", None) for parameter in command.params)
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--journal" in options
        assert "--token" not in options
