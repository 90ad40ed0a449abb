from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from accesskeys_async.audit import Policy, RuleChange, Severity, Snapshot
from accesskeys_async.audit.records import Finding, RuleResult
from accesskeys_async.audit.run.evaluation import judge
from accesskeys_async.records import UNSET, AccessKey, PolicyDefinition, Role, RoleRef
from accesskeys_async.records import Policy as RolePolicy
from tests.unit.audit.judged import AT, NARROW, ORGANIZATION, SECOND, ask, days, found, make_key, take

ONE, TWO = UUID(int=1), UUID(int=2)
SPACE, OTHER_SPACE = UUID(int=0xA), UUID(int=0xB)
MANAGED = RoleRef(TWO, "managed", (SPACE,))
NOT_TOLD = "the response did not include the roles of the key"


def with_roles(*references: RoleRef, **fields: Any) -> AccessKey:
    return make_key(role_refs=references, **fields)


def test_a_key_without_roles_is_found_once_it_is_older_than_a_day() -> None:
    old, edge = with_roles(age=days(1) + SECOND), with_roles(age=days(1))
    verdict = ask("AK030", old, edge, make_key(age=days(9)))
    assert found(verdict) == [old]
    assert verdict.hits[0].message == "has no roles after more than 1 day; all its requests are denied"
    assert verdict.hits[0].severity is None
    assert found(ask("AK030", old, edge, min_age_days=2)) == []


def test_null_is_no_roles_and_absent_is_not_evaluated() -> None:
    null, silent = make_key(role_refs=None, age=days(2)), make_key(role_refs=UNSET, age=days(2))
    verdict = ask("AK030", null, silent)
    assert (found(verdict), verdict.not_evaluated, verdict.reason) == ([null], 1, NOT_TOLD)


@pytest.mark.parametrize("rule", ["AK030", "AK031", "AK032", "AK033"])
def test_a_list_that_tells_no_roles_is_not_evaluated_as_a_whole(rule: str) -> None:
    verdict = ask(rule, make_key(role_refs=UNSET, age=days(9)), make_key(role_refs=UNSET))
    assert (found(verdict), verdict.not_evaluated) == ([], 2)


@pytest.mark.parametrize("rule", ["AK031", "AK032", "AK033"])
def test_a_key_without_roles_passes_the_rules_about_those_it_has(rule: str) -> None:
    verdict = ask(rule, with_roles(), make_key(role_refs=None))
    assert (found(verdict), verdict.not_evaluated) == ([], 0)


def test_a_managed_role_is_found_by_its_type() -> None:
    managed, both = with_roles(MANAGED), with_roles(*NARROW, MANAGED, RoleRef(ONE, "managed"))
    verdict = ask(
        "AK031", managed, both, make_key(), with_roles(RoleRef(ONE, None)), with_roles(RoleRef(ONE, "x"))
    )
    assert found(verdict) == [managed, both]
    assert [hit.message for hit in verdict.hits] == [
        f"has the managed role {TWO}",
        f"has the managed roles {ONE}, {TWO}",
    ]
    assert verdict.not_evaluated == 0


def test_a_type_that_is_not_told_is_not_evaluated_unless_another_role_is_managed() -> None:
    silent, found_ = with_roles(RoleRef(ONE)), with_roles(RoleRef(ONE), MANAGED)
    verdict = ask("AK031", silent, found_)
    assert (found(verdict), verdict.not_evaluated) == ([found_], 1)
    assert verdict.reason == "the response did not include the roles of the key, or the type of a role"


def test_more_roles_than_the_policy_allows_are_found() -> None:
    references = [RoleRef(UUID(int=number)) for number in range(1, 6)]
    four, three = with_roles(*references[:4]), with_roles(*references[:3])
    verdict = ask("AK032", four, three)
    assert found(verdict) == [four]
    assert verdict.hits[0].message == "has 4 roles; the limit is 3"
    assert found(ask("AK032", four, three, max_roles=2)) == [four, three]


@pytest.mark.parametrize("workspaces", [UNSET, None, ()])
def test_a_role_that_names_no_workspaces_is_one_in_all_of_them(workspaces: Any) -> None:
    wide = with_roles(*NARROW, RoleRef(ONE, "organization", workspaces))
    verdict = ask("AK033", wide, make_key())
    assert found(verdict) == [wide]
    assert verdict.hits[0].message == f"has role {ONE} in all workspaces"


def test_a_set_of_roles_that_many_keys_have_is_found_once_whatever_its_order() -> None:
    first, second = RoleRef(ONE, "organization", (SPACE, OTHER_SPACE)), MANAGED
    turned = RoleRef(ONE, "organization", (OTHER_SPACE, SPACE))
    keys = [with_roles(first, second) for _ in range(6)] + [with_roles(second, turned) for _ in range(4)]
    elsewhere = with_roles(evolve(first, workspaces=(SPACE,)), second)
    verdict = ask("AK035", *keys, elsewhere)
    assert [hit.message for hit in verdict.hits] == [
        f"10 keys have the same roles (limit: 9): roles {ONE}, {TWO}"
    ]
    assert verdict.hits[0].key is None
    assert found(ask("AK035", *keys[1:], elsewhere)) == []
    assert len(ask("AK035", *keys[1:], min_keys=9).hits) == 1


def test_keys_without_roles_share_nothing_and_silent_ones_leave_it_open() -> None:
    empty = [with_roles() for _ in range(12)]
    assert ask("AK035", *empty).not_evaluated == 0
    verdict = ask("AK035", *empty, make_key(role_refs=UNSET))
    assert (list(verdict.hits), verdict.not_evaluated) == ([], 1)


def judged(snapshot: Snapshot, **rules: RuleChange) -> tuple[list[Finding], RuleResult]:
    """What AK034 finds beside the others, and its result."""
    policy = Policy(rules=rules)
    judgement = judge(snapshot, policy.settle(snapshot.subject))
    [result] = [one for one in judgement.results if one.rule == "AK034"]
    return [one for one in judgement.findings if one.rule == "AK034"], result


IDLE: dict[str, Any] = {"age": days(80), "last_used_at": AT - days(50)}
NEVER: dict[str, Any] = {"age": days(20), "last_used_at": None}


@pytest.mark.parametrize("use", [IDLE, NEVER], ids=["unused", "never used"])
def test_an_unused_key_with_a_managed_role_is_critical_beside_the_other_findings(use: dict[str, Any]) -> None:
    key = with_roles(MANAGED, **use)
    snapshot = take(key, with_roles(MANAGED), make_key(**use))
    findings, result = judged(snapshot)
    assert [(one.key, one.severity) for one in findings] == [(key, Severity.CRITICAL)]
    assert findings[0].message.endswith(f"; has the managed role {TWO}")
    assert (result.passed, result.failed, result.not_evaluated) == (2, 1, 0)
    others = {
        one.rule for one in judge(snapshot, Policy().settle(snapshot.subject)).findings if one.key is key
    }
    assert {"AK031", "AK034"} < others
    assert others & {"AK001", "AK002"}


FULL = (Role(ONE, policies=(RolePolicy(ONE, definitions=(PolicyDefinition("allow", ("*",), ("any",)),)),)),)


def test_full_access_makes_an_unused_key_critical_as_well_once_roles_were_read() -> None:
    key = make_key(roles=FULL, **IDLE)
    findings, result = judged(Snapshot(take().subject, AT, (key,), unread_roles={}))
    assert [one.key for one in findings] == [key]
    assert (result.failed, result.not_evaluated) == (1, 0)


def test_its_thresholds_are_those_of_the_rules_it_combines() -> None:
    snapshot = take(with_roles(MANAGED, **IDLE))
    findings, _ = judged(snapshot, AK001=RuleChange(parameters={"max_idle_days": 60}))
    assert findings == []


def test_a_rule_that_is_off_finds_nothing_for_it_and_without_any_it_judges_nothing() -> None:
    snapshot = take(with_roles(MANAGED, **IDLE))
    off = RuleChange(enabled=False)
    assert judged(snapshot, AK001=off)[1].passed == 1
    assert judged(snapshot, AK031=off)[1].passed == 1
    for rules in ({"AK001": off, "AK002": off}, {"AK031": off, "AK036": off}):
        findings, result = judged(snapshot, **rules)
        assert (findings, result.not_evaluated) == ([], 1)
        assert result.reason == "needs AK001 or AK002, and AK031 or AK036; enable one of each"


def test_where_one_half_is_not_told_and_the_other_may_hold_it_is_not_evaluated() -> None:
    keys = (
        with_roles(MANAGED, last_used_at=UNSET),  # perhaps unused
        make_key(last_used_at=UNSET),  # not powerful, whatever its use
        make_key(role_refs=UNSET, **IDLE),  # perhaps powerful
        make_key(role_refs=UNSET),  # in use, whatever its roles
        make_key(role_refs=UNSET, last_used_at=UNSET),
        with_roles(MANAGED, **IDLE),
    )
    findings, result = judged(take(*keys))
    assert [one.key for one in findings] == [keys[5]]
    assert (result.passed, result.failed, result.not_evaluated) == (2, 1, 3)


def test_without_a_reading_of_roles_managed_ones_alone_decide_and_with_one_that_failed_nothing_does() -> None:
    key = make_key(**IDLE)
    assert judged(take(key))[1].passed == 1
    failed = Snapshot(take().subject, AT, (key,), unread_roles={key.id: "permission"})
    assert judged(failed)[1].not_evaluated == 1


def test_every_organization_is_judged_by_its_own_references() -> None:
    assert with_roles(MANAGED).organization_id == ORGANIZATION
    one, other = take(with_roles(MANAGED)), take(make_key())
    assert len(one.role_sets) == len(other.role_sets) == 1
    assert one.role_sets != other.role_sets
