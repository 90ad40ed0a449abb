from __future__ import annotations

import asyncio
import json
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accesskeys_async import AccessKeysClient
from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.emulator import Emulator, Fault

pytestmark = pytest.mark.slow

Call = Callable[..., Any]


@pytest.fixture
def plan(service: Emulator, call: Call, tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    made = call("audit", "plan", "--rules", "AK001,AK002", "-o", path)
    assert made.code == 0, made.err
    return path


def _read(plan: Path) -> list[dict[str, Any]]:
    return json.loads(plan.read_text())["keys"]


def _keep(plan: Path, count: int) -> list[str]:
    """Strike all but some keys out of a plan, as a person may, and return their ids."""
    document = json.loads(plan.read_text())
    del document["keys"][count:]
    plan.write_text(json.dumps(document))
    return [key["id"] for key in document["keys"]]


def _key_ids(service: Emulator) -> set[str]:
    return {key.id for key in service.keys(service.organization_id)}


def _journal(plan: Path) -> list[str]:
    lines = plan.with_name("plan.json.journal").read_text().splitlines()
    return [json.loads(line)["act"] for line in lines[1:]]


def test_a_plan_is_made_and_deletes_nothing(service: Emulator, call: Call, tmp_path: Path) -> None:
    before = _key_ids(service)
    path = tmp_path / "plan.json"

    made = call("audit", "plan", service.organization_id, "--rules", " AK001, AK002 ", "--output", path)

    assert (made.code, made.out) == (0, "")
    assert f"{path}: {len(_read(path))} keys to delete" in made.err
    assert len(_read(path)) > 20
    assert all(key["reasons"].keys() <= {"AK001", "AK002"} for key in _read(path))
    assert _key_ids(service) == before
    assert service.journal.count(operation="delete") == 0


def test_a_plan_that_exists_is_never_written_over(service: Emulator, call: Call, plan: Path) -> None:
    reviewed = plan.read_bytes()
    service.journal.clear()

    refused = call("audit", "plan", "--rules", "AK001", "-o", plan)

    assert refused.code == ExitCode.USAGE
    assert f"{plan} exists already and is never written over; name a new file" in refused.err
    assert (plan.read_bytes(), service.journal.count()) == (reviewed, 0)


def test_what_is_left_out_of_a_plan_is_counted(service: Emulator, call: Call, tmp_path: Path) -> None:
    own = next(key for key in service.keys(service.organization_id) if service.token.endswith(key.suffix))
    (tmp_path / "policy.toml").write_text(
        "[rules.AK002]\nmin_age_days = 0\n"
        '[[suppressions]]\nrule = "AK002"\nkey = "glob:*prod*"\nreason = "r"\nowner = "pat"\n'
        "expires = 2999-01-01\n"
    )
    options = ("--rules", "AK002", "-o", tmp_path / "plan.json", "--policy", tmp_path / "policy.toml")

    made = call("audit", "plan", *options)

    assert made.code == 0, made.err
    assert own.id not in {key["id"] for key in _read(tmp_path / "plan.json")}
    assert not any("prod" in key["name"] for key in _read(tmp_path / "plan.json"))
    assert " suppressed" in made.err.partition("left out:")[2]


def test_a_plan_of_what_roles_permit_reads_them_and_says_what_that_takes(
    service: Emulator, call: Call, tmp_path: Path
) -> None:
    before = service.journal.count(operation="get")
    made = call("audit", "plan", service.organization_id, "--rules", "AK036", "-o", tmp_path / "plan.json")

    assert made.code == 0
    assert made.err.startswith("roles take one request a key more; ")
    assert service.journal.count(operation="get") - before == len(service.keys(service.organization_id))


@pytest.mark.parametrize(
    ("rules", "told"),
    [("AK999", "there is no rule AK999"), (",", "needs a rule"), ("AK010", "no single keys")],
)
def test_rules_that_make_no_plan_are_wrong_usage(
    service: Emulator, call: Call, tmp_path: Path, rules: str, told: str
) -> None:
    refused = call("audit", "plan", "--rules", rules, "-o", tmp_path / "plan.json")

    assert refused.code == ExitCode.USAGE
    assert told in refused.err
    assert not (tmp_path / "plan.json").exists()


def test_a_plan_of_what_could_be_read_says_that_it_is_not_whole(
    service: Emulator, call: Call, tmp_path: Path
) -> None:
    one, two = (organization.id for organization in service.organizations)

    made = call("audit", "plan", one, two, "--rules", "AK001", "-o", tmp_path / "plan.json")

    assert made.code == ExitCode.INCOMPLETE
    assert "1 of 2 organizations could not be read whole: the plan is of the others" in made.err
    assert json.loads((tmp_path / "plan.json").read_text())["isComplete"] is False


def test_a_plan_is_applied_and_told(service: Emulator, call: Call, plan: Path) -> None:
    ids = _keep(plan, 3)

    done = call("audit", "apply", plan, "--max-deletes", 10, "--yes")

    assert (done.code, done.out) == (0, "3 deleted\n")
    assert all(f"deleted {key_id} " in done.err for key_id in ids)
    assert not _key_ids(service) & set(ids)
    assert _journal(plan) == ["deleting", "deleted"] * 3
    again = call("audit", "apply", plan, "--max-deletes", 10, "--yes")
    assert again.code == 0
    assert "nothing is left to do" in again.err


def test_a_key_that_was_used_since_or_changed_stays(service: Emulator, call: Call, plan: Path) -> None:
    changed, gone, left = _keep(plan, 3)
    call("update", changed, "--description", "needed after all")
    call("delete", gone, "--yes")

    done = call("audit", "apply", plan, "--max-deletes", 10, "--yes")

    assert done.code == 0
    assert f"changed {changed} " in done.err
    assert f"gone {gone} " in done.err
    assert changed in _key_ids(service)
    assert left not in _key_ids(service)
    assert sorted(done.out.strip().split(", ")) == ["1 changed", "1 deleted", "1 gone"]


def test_applying_asks_first_and_a_no_deletes_nothing(service: Emulator, call: Call, plan: Path) -> None:
    _keep(plan, 3)
    before = _key_ids(service)

    refused = call("audit", "apply", plan, "--max-deletes", 2, answer="n\n", terminal=True)

    assert refused.code == ExitCode.DECLINED
    assert "delete 3 keys of 1 organization, as planned on 20" in refused.err
    assert "at most 2 of them now?" in " ".join(refused.err.split())
    assert _key_ids(service) == before
    done = call("audit", "apply", plan, "--max-deletes", 3, answer="y\n", terminal=True)
    assert done.out == "3 deleted\n"


def test_without_a_terminal_nothing_is_deleted_unless_told(service: Emulator, call: Call, plan: Path) -> None:
    refused = call("audit", "apply", plan, "--max-deletes", 1)

    assert refused.code == ExitCode.USAGE
    assert "use --yes" in refused.err
    assert service.journal.count(operation="delete") == 0


@pytest.mark.parametrize("options", [(), ("--max-deletes", "0")])
def test_how_many_may_be_deleted_must_be_said(
    service: Emulator, call: Call, plan: Path, options: tuple[str, ...]
) -> None:
    assert call("audit", "apply", plan, "--yes", *options).code == ExitCode.USAGE


def test_what_the_bound_left_is_done_by_the_next_call(service: Emulator, call: Call, plan: Path) -> None:
    _keep(plan, 3)

    first = call("audit", "apply", plan, "--max-deletes", 2, "--yes")
    assert (first.code, first.out) == (ExitCode.REFUSED, "2 deleted, 1 left\n")
    assert "--max-deletes is reached, and 1 key left; run the command again to continue" in first.err

    assert call("audit", "apply", plan, "--max-deletes", 2, "--yes").out == "1 deleted\n"


@pytest.mark.parametrize(("status", "code"), [(503, ExitCode.UNREACHABLE), (401, ExitCode.AUTHENTICATION)])
def test_what_failed_is_told_and_tried_again(
    service: Emulator, call: Call, plan: Path, status: int, code: ExitCode
) -> None:
    _keep(plan, 1)
    service.faults.add(Fault.status(status, operation="get", times=20, retry_after=3600))

    failed = call("audit", "apply", plan, "--max-deletes", 1, "--yes")

    assert (failed.code, failed.out) == (code, "1 failed\n")
    assert "could not be read or deleted; " in failed.err
    service.faults.clear()
    assert call("audit", "apply", plan, "--max-deletes", 1, "--yes").out == "1 deleted\n"


def test_the_key_that_asks_and_the_policys_own_are_never_deleted(
    service: Emulator, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def create() -> tuple[str, str, str]:
        async with AccessKeysClient(service.token, base_url=service.base_url) as client:
            org = service.organization_id
            other = await client.create(org, name="other", description="another auditor's")
            spared = await client.create(org, name="spared", description="on the policy's list")
            return str(other.id), other.token.reveal(), str(spared.id)

    other, token, spared = asyncio.run(create())
    all_keys = tmp_path / "all.toml"
    all_keys.write_text("[rules.AK002]\nmin_age_days = 0\n")
    plan = tmp_path / "plan.json"
    call("audit", "plan", "--rules", "AK002", "-o", plan, "--policy", all_keys)
    document = json.loads(plan.read_text())
    document["keys"] = [key for key in document["keys"] if key["id"] in {other, spared}]
    assert len(document["keys"]) == 2
    plan.write_text(json.dumps(document))
    (tmp_path / "own.toml").write_text(f'own_keys = ["{spared}"]\n')
    monkeypatch.setenv("ACCESSKEYS_TOKEN", token)

    done = call("audit", "apply", plan, "--max-deletes", 9, "--yes", "--policy", tmp_path / "own.toml")

    assert (done.code, done.out) == (0, "2 own\n")
    assert {other, spared} <= _key_ids(service)


def test_tokens_come_from_an_inventory(
    service: Emulator, call: Call, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keep(plan, 1)
    monkeypatch.delenv("ACCESSKEYS_TOKEN")
    monkeypatch.setenv("ITS_TOKEN", service.token)
    inventory = tmp_path / "fleet.csv"
    inventory.write_text(f"organization_id,credential\n{service.organization_id},env:ITS_TOKEN\n")

    assert call("audit", "apply", plan, "--max-deletes", 1, "--yes").code == ExitCode.AUTHENTICATION
    done = call("audit", "apply", plan, "--max-deletes", 1, "--yes", "--inventory", inventory)
    assert (done.code, done.out) == (0, "1 deleted\n")


def test_a_plan_of_an_inventory_is_refused_without_it_before_anything_is_sent(
    service: Emulator, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = service.organizations
    monkeypatch.setenv("ONE", one.token)
    monkeypatch.setenv("TWO", two.token)
    inventory, half = tmp_path / "fleet.csv", tmp_path / "half.csv"
    half.write_text(f"organization_id,credential\n{one.id},env:ONE\n")
    inventory.write_text(f"{half.read_text()}{two.id},env:TWO\n")
    plan = tmp_path / "plan.json"
    assert call("audit", "plan", "--inventory", inventory, "--rules", "AK001", "-o", plan).code == 0
    before = service.journal.count()

    refused = call("audit", "apply", plan, "--max-deletes", 3, "--yes")
    assert refused.code == ExitCode.USAGE
    assert (
        f"is of 2 organizations, whose tokens are in an inventory; add --inventory {inventory}" in refused.err
    )
    refused = call("audit", "apply", plan, "--max-deletes", 3, "--yes", "--inventory", half)
    assert refused.code == ExitCode.USAGE
    assert f"the inventory does not have organization {two.id} of the plan" in refused.err
    assert service.journal.count() == before
    assert not plan.with_name("plan.json.journal").exists()

    done = call("audit", "apply", plan, "--max-deletes", 3, "--yes", "--inventory", inventory)
    assert "3 deleted" in done.out


def test_keys_that_the_token_may_not_delete_are_told_with_what_to_check(
    service: Emulator, call: Call, plan: Path
) -> None:
    _keep(plan, 1)
    service.faults.add(Fault.status(403, operation="delete"))

    done = call("audit", "apply", plan, "--max-deletes", 1, "--yes")

    assert "1 key could not be read or deleted; check the tokens and their roles, and then run" in done.err


def test_another_plan_needs_another_journal(
    service: Emulator, call: Call, plan: Path, tmp_path: Path
) -> None:
    _keep(plan, 2)
    call("audit", "apply", plan, "--max-deletes", 1, "--yes")
    _keep(plan, 1)

    refused = call("audit", "apply", plan, "--max-deletes", 1, "--yes")
    assert refused.code == ExitCode.USAGE
    assert "is of another plan; name another with --journal" in refused.err

    done = call("audit", "apply", plan, "--max-deletes", 1, "--yes", "--journal", tmp_path / "other")
    assert done.out == "1 gone\n"


def test_what_is_no_plan_is_refused(service: Emulator, call: Call, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")

    refused = call("audit", "apply", tmp_path / "plan.json", "--max-deletes", 1, "--yes")

    assert refused.code == ExitCode.USAGE
    assert "is not a plan of this version" in refused.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_applying_goes_on_where_it_stood(
    service: Emulator,
    call: Call,
    plan: Path,
    begin: Callable[..., subprocess.Popen[str]],
    number: signal.Signals,
) -> None:
    _keep(plan, 2)
    service.faults.add(Fault.delay(0, operation="delete"), Fault.delay(30, operation="delete"))
    process = begin("audit", "apply", plan, "--max-deletes", 9, "--yes")
    until = time.monotonic() + 20
    while service.journal.count(operation="delete") < 2:
        assert time.monotonic() < until, "waited in vain"
        select.select([], [], [], 0.02)

    process.send_signal(number)

    assert process.wait(20) == ExitCode.INTERRUPTED
    assert process.stdout.read() == "1 deleted\n"
    assert "interrupted; run the same command again to continue" in process.stderr.read()
    assert _journal(plan) == ["deleting", "deleted", "deleting"]
    assert call("audit", "apply", plan, "--max-deletes", 9, "--yes").out == "1 deleted\n"
