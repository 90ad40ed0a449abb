from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from accesskeys_async.audit import Severity, Verdict
from accesskeys_async.audit.rules.changes import JUDGES, judge_edited
from accesskeys_async.audit.rules.key_changes import Changes, compare_keys
from accesskeys_async.audit.rules.role_changes import RULES
from accesskeys_async.records import UNSET, AccessKey, RoleRef
from tests.unit.audit.judged import AT, days, make_key, severities, take

RULE = {rule.id: rule for rule in RULES}
ONE, TWO = UUID(int=1), UUID(int=2)
HERE, THERE = UUID(int=0xA), UUID(int=0xB)
SINCE = "2026-06-14 12:00:00 UTC"
NOT_TOLD = "a response did not include the roles of the key"


def ref(role: UUID = ONE, *workspaces: UUID, kind: str | None = "organization") -> RoleRef:
    return RoleRef(role, kind, workspaces)


def changed(before: Any, after: Any) -> Changes:
    """One key's references at two readings."""
    old = make_key(role_refs=before)
    return between([old], [evolve(old, role_refs=after)])


def between(earlier: list[AccessKey], now: list[AccessKey]) -> Changes:
    appeared, gone, pairs = compare_keys(earlier, now)
    return Changes(take(*now), AT - days(1), len(earlier), appeared, gone, pairs)


def ask(rule_id: str, changes: Changes) -> Verdict:
    return JUDGES[rule_id](changes, RULE[rule_id].defaults)


def told(verdict: Verdict) -> list[str]:
    return [hit.message for hit in verdict.hits]


def test_a_role_that_was_added_is_found() -> None:
    changes = changed((ref(),), (ref(), ref(TWO)))
    assert told(ask("AK110", changes)) == [f"added since {SINCE}: role {TWO}"]
    assert severities(ask("AK110", changes)) == [None]
    assert told(ask("AK111", changes)) == []
    assert RULE["AK110"].severity is Severity.HIGH


@pytest.mark.parametrize("before", [(), None])
def test_the_first_role_of_a_key_was_added_and_a_managed_one_is_critical(before: Any) -> None:
    changes = changed(before, (ref(TWO), ref(kind="managed")))
    assert told(ask("AK110", changes)) == [f"added since {SINCE}: managed role {ONE}, role {TWO}"]
    assert severities(ask("AK110", changes)) == [Severity.CRITICAL]


def test_a_managed_role_that_was_there_makes_another_no_worse() -> None:
    changes = changed((ref(kind="managed"),), (ref(kind="managed"), ref(TWO)))
    assert severities(ask("AK110", changes)) == [None]


@pytest.mark.parametrize("after", [(), None])
def test_a_role_that_was_taken_is_found(after: Any) -> None:
    changes = changed((ref(kind="managed"),), after)
    assert told(ask("AK111", changes)) == [f"removed since {SINCE}: managed role {ONE}"]
    assert told(ask("AK110", changes)) == []


def test_a_role_in_other_workspaces_was_added_and_taken() -> None:
    changes = changed((ref(ONE, HERE),), (ref(ONE, HERE, THERE),))
    assert told(ask("AK110", changes)) == [f"added since {SINCE}: role {ONE} in other workspaces"]
    assert told(ask("AK111", changes)) == [f"removed since {SINCE}: role {ONE} in other workspaces"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((ref(ONE, HERE, THERE), ref(TWO)), (ref(TWO), ref(ONE, THERE, HERE))),
        ((RoleRef(ONE, "organization", None),), (ref(),)),
        ((RoleRef(ONE, "organization"),), (ref(),)),
        ((), None),
    ],
    ids=["another order", "null and empty", "absent and empty", "none at all"],
)
def test_what_means_the_same_is_no_change(before: Any, after: Any) -> None:
    changes = changed(before, after)
    for rule in RULE:
        verdict = ask(rule, changes)
        assert (told(verdict), verdict.not_evaluated) == ([], 0)
    assert told(judge_edited(changes, RULE["AK110"].defaults)) == []


def test_a_key_whose_roles_one_reading_did_not_tell_is_not_evaluated() -> None:
    silent = make_key(role_refs=UNSET)
    earlier = [make_key(role_refs=UNSET), make_key(), silent, make_key()]
    now = [
        evolve(earlier[0], role_refs=(ref(),)),
        evolve(earlier[1], role_refs=UNSET),
        silent,
        earlier[3],
        make_key(role_refs=UNSET),  # new: there was nothing to compare with
    ]
    for rule in RULE:
        verdict = ask(rule, between(earlier, now))
        assert (told(verdict), verdict.not_evaluated, verdict.reason) == ([], 3, NOT_TOLD)


def test_keys_that_come_or_go_are_other_rules_matter() -> None:
    changes = between([make_key(role_refs=(ref(),))], [make_key(role_refs=(ref(kind="managed"),))])
    assert [told(ask(rule, changes)) for rule in RULE] == [[], []]
