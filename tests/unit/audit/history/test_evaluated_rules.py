from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from accesskeys_async.audit import Policy, RuleChange, Suppression
from accesskeys_async.records import UNSET, PolicyDefinition, Role, RoleRef
from accesskeys_async.records import Policy as RolePolicy
from tests.unit.audit.history.fleet import ACME, DAY, Fleet, T, make_key, rules_of
from tests.unit.audit.judged import NARROW

EVERYTHING = PolicyDefinition("allow", ("/*",), ("any",))
FULL_ACCESS = (
    Role(NARROW[0].id, name="admin", policies=(RolePolicy(UUID(int=8), definitions=(EVERYTHING,)),)),
)
NO_CHANGE = (Role(NARROW[0].id, name="reader", policies=()),)
OFF = RuleChange(enabled=False)


async def _count_changes(fleet: Fleet, number: int) -> tuple[int, int, int]:
    [past] = [one for one in await fleet.history.runs() if one.number == number]
    return past.new, past.fixed, past.reopened


async def _compare_rule(fleet: Fleet, rule: str, earlier: int, later: int) -> tuple[int, int, int]:
    found = await fleet.history.compare(earlier, later)
    return tuple(  # type: ignore[return-value]  # three, as there are three
        len([one for one in findings if one.rule == rule])
        for findings in (found.new, found.fixed, found.reopened)
    )


@pytest.mark.slow
async def test_a_finding_whose_rule_was_not_evaluated_stays_open(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1, roles=FULL_ACCESS)]
    with_roles, _ = await fleet.audit(T)
    fleet.keys[ACME] = [make_key(1)]
    without, _ = await fleet.audit(T + DAY)
    still_without, _ = await fleet.audit(T + 2 * DAY)
    fleet.keys[ACME] = [make_key(1, roles=FULL_ACCESS)]
    again, audits = await fleet.audit(T + 3 * DAY)

    assert "AK036" in rules_of(audits[ACME])
    for number in (without, still_without, again):
        assert await _count_changes(fleet, number) == (0, 0, 0)
    for earlier, later in ((with_roles, without), (without, again), (with_roles, again)):
        assert await _compare_rule(fleet, "AK036", earlier, later) == (0, 0, 0)
    fleet.keys[ACME] = [make_key(1, roles=NO_CHANGE)]
    narrowed, _ = await fleet.audit(T + 4 * DAY)
    assert await _compare_rule(fleet, "AK036", still_without, narrowed) == (0, 1, 0)


async def test_a_finding_of_a_rule_evaluated_for_the_first_time_is_not_new(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1)]
    without, _ = await fleet.audit(T)
    fleet.keys[ACME] = [make_key(1, roles=FULL_ACCESS)]
    with_roles, audits = await fleet.audit(T + DAY)

    assert "AK036" in rules_of(audits[ACME])
    assert await _count_changes(fleet, with_roles) == (0, 0, 0)
    assert await _compare_rule(fleet, "AK036", without, with_roles) == (0, 0, 0)


@pytest.mark.slow
async def test_a_deleted_key_closes_findings_of_rules_that_were_not_evaluated(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1, roles=FULL_ACCESS), make_key(2)]
    with_roles, _ = await fleet.audit(T)
    fleet.keys[ACME] = [make_key(1), make_key(2)]
    await fleet.audit(T + DAY)
    fleet.keys[ACME] = [make_key(2)]
    gone, _ = await fleet.audit(T + 2 * DAY)

    assert await _compare_rule(fleet, "AK036", with_roles, gone) == (0, 1, 0)


async def test_only_a_key_that_was_not_evaluated_keeps_its_finding(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1, roles=FULL_ACCESS), make_key(2, roles=FULL_ACCESS)]
    both, _ = await fleet.audit(T)
    fleet.keys[ACME] = [make_key(1), make_key(2, roles=NO_CHANGE)]
    one, _ = await fleet.audit(T + DAY)
    fleet.keys[ACME] = [make_key(1, roles=NO_CHANGE), make_key(2)]
    other, _ = await fleet.audit(T + 2 * DAY)

    fixed = {each.key_id for each in (await fleet.history.compare(both, one)).fixed if each.rule == "AK036"}
    assert fixed == {UUID(int=2)}
    fixed = {each.key_id for each in (await fleet.history.compare(one, other)).fixed if each.rule == "AK036"}
    assert fixed == {UUID(int=1)}


async def test_a_change_that_a_later_reading_could_not_evaluate_stays_open(fleet: Fleet) -> None:
    key = make_key(1)
    fleet.keys[ACME] = [key, make_key(2)]
    await fleet.audit(T)
    key = fleet.change(key, role_refs=(*NARROW, RoleRef(UUID(int=99))))
    added, audits = await fleet.audit(T + DAY)
    fleet.change(key, role_refs=UNSET)
    untold, _ = await fleet.audit(T + 2 * DAY)

    assert "AK110" in rules_of(audits[ACME])
    assert await _compare_rule(fleet, "AK110", added, untold) == (0, 0, 0)


@pytest.mark.slow
async def test_disabling_a_rule_fixes_nothing_and_enabling_it_again_finds_nothing_new(
    fleet: Fleet,
) -> None:
    fleet.keys[ACME] = [make_key(1, created_at=T - 400 * DAY)]
    on, audits = await fleet.audit(T)
    off, quiet = await fleet.audit(T + DAY, policy=Policy(rules={"AK003": OFF}))
    again, _ = await fleet.audit(T + 2 * DAY)

    assert ("AK003" in rules_of(audits[ACME]), "AK003" in rules_of(quiet[ACME])) == (True, False)
    for number in (off, again):
        assert await _count_changes(fleet, number) == (0, 0, 0)
    for earlier, later in ((on, off), (off, again), (on, again)):
        assert await _compare_rule(fleet, "AK003", earlier, later) == (0, 0, 0)


async def test_a_suppressed_finding_is_not_fixed(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1, created_at=T - 400 * DAY)]
    loud, _ = await fleet.audit(T)
    muted = Policy(
        suppressions=(
            Suppression(
                rule="AK003", reason="known", owner="me", expires=date(2030, 1, 1), place="suppressions #2"
            ),
        )
    )
    silent, audits = await fleet.audit(T + DAY, policy=muted)

    assert [one.suppressed is not None for one in audits[ACME].findings if one.rule == "AK003"] == [True]
    assert await _count_changes(fleet, silent) == (0, 0, 0)
    assert await _compare_rule(fleet, "AK003", loud, silent) == (0, 0, 0)
