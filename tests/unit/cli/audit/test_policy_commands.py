from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accesskeys_async.audit import find_rules, parse_policy
from accesskeys_async.cli.exits import ExitCode

Call = Callable[..., Any]


def test_a_policy_to_begin_with_is_valid_and_written_once(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"

    done = call("audit", "policy", "init", "--output", path)
    assert done.code == 0
    assert f"check it with: accesskeys audit policy check {path}" in done.err
    before = path.read_text()
    assert call("audit", "policy", "check", path).code == 0

    again = call("audit", "policy", "init", "-o", path)
    assert again.code == ExitCode.USAGE
    assert "exists already and is never written over" in again.err
    assert path.read_text() == before == call("audit", "policy", "init").out


def test_a_place_where_nothing_can_be_written_is_told(call: Call, tmp_path: Path) -> None:
    refused = call("audit", "policy", "init", "--output", tmp_path / "missing" / "policy.toml")

    assert refused.code == ExitCode.UNREACHABLE
    assert "No such file or directory" in refused.err


def test_a_valid_policy_is_summed_up_with_its_hash(call: Call, tmp_path: Path) -> None:
    text = "[rules.AK001]\nenabled = false\n"
    (tmp_path / "policy.toml").write_text(text)

    done = call("audit", "policy", "check", tmp_path / "policy.toml")

    on = sum(rule.enabled for rule in find_rules().values()) - 1
    assert done.code == 0
    assert f"is valid: {on} of {len(find_rules())} rules are on, 0 overrides, 0 suppressions" in done.out
    assert parse_policy(text).hash in done.out


def test_what_is_not_valid_is_told_with_its_place(call: Call, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("[rules.AK999]\n")

    refused = call("audit", "policy", "check", tmp_path / "policy.toml")

    assert refused.code == ExitCode.USAGE
    assert "policy.toml: rules.AK999: there is no such rule" in refused.err


@pytest.mark.parametrize(("days", "code"), [(-1, ExitCode.FINDINGS), (1, ExitCode.DONE)])
def test_a_suppression_that_has_expired_is_told(
    call: Call, tmp_path: Path, days: int, code: ExitCode
) -> None:
    expires = (datetime.now(UTC) + timedelta(days=days)).date()
    (tmp_path / "policy.toml").write_text(
        f'[[suppressions]]\nrule = "AK001"\nreason = "r"\nowner = "pat"\nexpires = {expires}\n'
    )

    done = call("audit", "policy", "check", tmp_path / "policy.toml")

    assert done.code == code
    assert ("suppressions #1 expired on" in done.err) is (days < 0)


def test_a_rule_is_explained_as_the_policy_has_it(call: Call, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[rules.AK001]\nseverity = "low"\nmax_idle_days = 400\n')

    done = call("audit", "policy", "explain", "ak001", "--policy", tmp_path / "policy.toml")

    assert done.code == 0
    assert done.out.startswith("AK001 unused (low)\n")
    assert "By default: high" in done.out
    assert "max_idle_days = 400: days since the last use (by default 45)" in done.out
    assert "CIS AWS v3 1.12" in done.out


def test_an_explanation_is_wrapped_at_words_on_a_terminal(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    plain = call("audit", "policy", "explain").out
    told = call("audit", "policy", "explain", terminal=True).out

    assert told.split() == plain.split()
    assert all(len(line) <= 40 for line in told.splitlines())
    assert max(len(line) for line in plain.splitlines()) > 80


def test_without_a_rule_all_are_explained(call: Call) -> None:
    done = call("audit", "policy", "explain")

    assert all(f"{rule.id} {rule.title} (" in done.out for rule in find_rules().values())


def test_a_rule_that_is_not_there_is_wrong_usage(call: Call) -> None:
    refused = call("audit", "policy", "explain", "AK999")

    assert refused.code == ExitCode.USAGE
    assert "there is no rule AK999; there is AK001" in refused.err


def test_the_policy_to_begin_with_is_toml_to_any_reader(call: Call) -> None:
    assert set(tomllib.loads(call("audit", "policy", "init").out)) == {"rules", "sla_days"}
