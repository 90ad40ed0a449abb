from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from accesskeys_async.records import UNSET, RoleRef
from tests.unit.audit.judged import AT, SECOND, ask, days, found, make_key


def test_role_ids_are_found_and_absent_ones_are_not_evaluated() -> None:
    one, two = make_key(role_ids=("a",)), make_key(role_ids=("a", "b"))
    verdict = ask("AK025", one, two, make_key(role_ids=()), make_key(role_ids=None), make_key(role_ids=UNSET))
    assert found(verdict) == [one, two]
    assert [hit.message for hit in verdict.hits] == ["has 1 deprecated role id", "has 2 deprecated role ids"]
    assert (verdict.not_evaluated, verdict.reason) == (1, "the response did not include role ids")


def test_role_ids_that_the_role_references_name_as_well_are_no_finding() -> None:
    """The service answers both for roles that were given in either form."""
    first, second = RoleRef(UUID(int=1)), RoleRef(UUID(int=2))
    both = make_key(role_ids=(str(first.id), str(second.id).upper()), role_refs=(first, second))
    one = make_key(role_ids=(str(first.id), str(second.id)), role_refs=(first,))
    old = make_key(role_ids=(str(first.id),), role_refs=UNSET)
    verdict = ask("AK025", both, one, old, make_key(role_ids=("x",), role_refs=None))
    assert found(verdict)[:2] == [one, old]
    assert [hit.message for hit in verdict.hits] == ["has 1 deprecated role id"] * 3


def test_a_listing_that_names_no_role_ids_is_not_evaluated_as_a_whole() -> None:
    verdict = ask("AK025", make_key(role_ids=UNSET), make_key(role_ids=UNSET))
    assert (found(verdict), verdict.not_evaluated) == ([], 2)


def test_a_type_outside_the_list_is_found() -> None:
    user, none, silent = make_key(type="user"), make_key(type=None), make_key(type=UNSET)
    verdict = ask("AK026", make_key(), user, none, silent, types=("service",))
    assert found(verdict) == [user, none]
    assert [hit.message for hit in verdict.hits] == [
        "is of type user; expected service",
        "has no type; expected service",
    ]
    assert verdict.not_evaluated == 1


def test_without_a_list_no_type_is_judged() -> None:
    verdict = ask("AK026", make_key())
    assert (verdict.not_evaluated, verdict.reason) == (1, "the policy has no types to expect")


def test_an_update_after_dormancy_is_found_to_the_second() -> None:
    found_, edge = (
        make_key(age=days(300), last_used_at=AT - days(10) - gap, updated_at=AT - days(10))
        for gap in (days(90) + SECOND, days(90))
    )
    verdict = ask("AK027", found_, edge)
    assert found(verdict) == [found_]
    assert (
        verdict.hits[0].message == "updated on 2026-06-05, 90 days after its last use; the limit is 90 days"
    )


def test_an_update_long_ago_or_of_an_impossible_time_is_no_matter() -> None:
    long_ago = make_key(age=days(300), last_used_at=AT - days(290), updated_at=AT - days(30) - SECOND)
    future = make_key(age=days(300), last_used_at=AT - days(290), updated_at=AT + days(2))
    just = make_key(age=days(300), last_used_at=AT - days(290), updated_at=AT - days(30))
    assert found(ask("AK027", long_ago, future, just)) == [just]


def test_where_a_key_was_never_used_its_making_counts() -> None:
    old = make_key(age=days(100), last_used_at=None, updated_at=AT - days(1))
    young = make_key(age=days(20), last_used_at=None, updated_at=AT - days(1))
    assert found(ask("AK027", old, young, make_key())) == [old]


def test_where_the_update_or_the_use_is_not_said_dormancy_is_not_evaluated() -> None:
    silent = make_key(age=days(300), last_used_at=UNSET, updated_at=AT - days(1))
    unknown = make_key(age=days(300), updated_at=UNSET)
    verdict = ask("AK027", silent, unknown, make_key(updated_at=None))
    assert (found(verdict), verdict.not_evaluated) == ([], 2)


def test_where_updates_follow_uses_nothing_is_judged() -> None:
    dormant = make_key(age=days(300), last_used_at=AT - days(200), updated_at=AT - days(1))
    follows = [
        make_key(last_used_at=AT - days(n), updated_at=AT - days(n) + timedelta(minutes=1), age=days(9))
        for n in range(1, 6)
    ]
    verdict = ask("AK027", dormant, *follows)
    assert (found(verdict), verdict.not_evaluated) == ([], 6)
    assert verdict.reason == "updated_at follows last_used_at in this organization"
    assert found(ask("AK027", dormant, *follows[:3])) == [dormant]


@pytest.mark.parametrize("field", ["last_used_at", "updated_at"])
def test_nothing_happens_before_a_key_is_made(field: str) -> None:
    key = make_key(**{field: AT - days(1) - SECOND})
    edge = make_key(**{field: AT - days(1)})
    verdict = ask("AK028", key, edge)
    assert found(verdict) == [key]
    what = {"last_used_at": "used", "updated_at": "updated"}[field]
    assert verdict.hits[0].message == f"{what} 2026-06-14 11:59:59 UTC, before it was created"


@pytest.mark.parametrize("field", ["created_at", "last_used_at", "updated_at"])
def test_nothing_happens_after_the_scan_but_for_clock_skew(field: str) -> None:
    late = AT + timedelta(minutes=5)
    fields = {"last_used_at": None, "updated_at": None}
    key = make_key(**{**fields, field: late + SECOND})
    edge = make_key(**{**fields, field: late})
    verdict = ask("AK028", key, edge)
    assert found(verdict) == [key]
    what = {"created_at": "created", "last_used_at": "used", "updated_at": "updated"}[field]
    assert (
        verdict.hits[0].message
        == f"{what} 2026-06-15 12:05:01 UTC, more than 5 minutes after the start of this audit"
    )
    assert found(ask("AK028", key, edge, skew_minutes=6)) == []


def test_a_key_is_named_once_with_all_that_is_impossible() -> None:
    key = make_key(last_used_at=AT - days(2), updated_at=AT + days(1))
    (hit,) = ask("AK028", key).hits
    assert hit.message.count(";") == 1


def test_where_times_are_not_said_they_are_not_evaluated_unless_they_are_impossible() -> None:
    silent = make_key(last_used_at=UNSET)
    odd = make_key(last_used_at=UNSET, updated_at=AT - days(2))
    verdict = ask("AK028", silent, odd, make_key(updated_at=None))
    assert (found(verdict), verdict.not_evaluated) == ([odd], 1)
