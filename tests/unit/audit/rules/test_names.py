from __future__ import annotations

import pytest

from accesskeys_async.records import UNSET, AccessKey
from tests.unit.audit.judged import AT, SECOND, ask, days, found, make_key


def test_names_are_equal_after_nfkc_and_case_folding() -> None:
    older = make_key(name="Straße-ＡＰＩ", age=days(60))
    newer = make_key(name="STRASSE-api", age=days(30))
    verdict = ask("AK011", newer, older, make_key())
    assert found(verdict) == [older]
    assert verdict.hits[0].message == f"has the same name as a newer key, {newer.id}"


def test_of_names_with_line_ends_each_is_looked_at_alone() -> None:
    assert found(ask("AK011", make_key(name="a\nb", age=days(60)), make_key(name="a", age=days(60)))) == []


def test_two_keys_of_a_name_are_a_rotation_for_a_fortnight() -> None:
    older = make_key(name="ci", age=days(60))
    assert found(ask("AK011", older, make_key(name="ci", age=days(14)))) == []
    assert found(ask("AK011", older, make_key(name="ci", age=days(14) + SECOND))) == [older]
    assert found(ask("AK011", older, make_key(name="ci", age=days(3)), overlap_days=2)) == [older]


def test_a_rotation_excuses_one_predecessor_and_not_all() -> None:
    oldest, older = make_key(name="ci", age=days(90)), make_key(name="ci", age=days(60))
    assert found(ask("AK011", oldest, older, make_key(name="ci", age=days(1)))) == [oldest]


def test_keys_of_one_suffix_are_found_all_of_them() -> None:
    pair = [make_key(suffix="AbCdEf"), make_key(suffix="AbCdEf")]
    verdict = ask("AK012", *pair, make_key(suffix="abcdef"))
    assert found(verdict) == list(pair)
    assert verdict.hits[0].message == "has the same suffix as another key of the organization"
    three = ask("AK012", *pair, make_key(suffix="AbCdEf"))
    assert three.hits[0].message == "has the same suffix as 2 other keys of the organization"


def make_pair(older: str, newer: str, **fields: object) -> tuple[AccessKey, AccessKey]:
    return make_key(name=older, age=days(60)), make_key(name=newer, age=days(20), **fields)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("billing", "billing"),
        ("billing", "Billing-v2"),
        ("billing-v1", "billing-v2"),
        ("billing", "billing (2)"),
        ("billing-2025-11", "billing-2026-05-26"),
        ("billing_20251101", "billing_20260526"),
        ("billing-old", "billing-new"),
        ("billing [old]", "billing"),
        ("billing", "billing-v2-rotated"),
    ],
)
def test_a_predecessor_is_kept_whatever_marks_its_successor(older: str, newer: str) -> None:
    old, new = make_pair(older, newer)
    verdict = ask("AK013", new, old, make_key())
    assert found(verdict) == [old]
    assert (
        verdict.hits[0].message
        == f"its successor {new.id}, created on 2026-05-26, is in use; the limit for both is 14 days"
    )


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("worker-1", "worker-2"),
        ("billing", "billing-prod"),
        ("renew", "new"),
        ("cold", "old"),
        ("-v1", "-v2"),
    ],
)
def test_other_names_are_no_succession(older: str, newer: str) -> None:
    assert found(ask("AK013", *make_pair(older, newer))) == []


def test_a_successor_counts_once_it_is_in_use_and_older_than_its_days() -> None:
    old = make_key(name="ci", age=days(60))
    assert found(ask("AK013", old, make_key(name="ci", age=days(14)))) == []
    assert found(ask("AK013", old, make_key(name="ci", age=days(14) + SECOND))) == [old]
    assert found(ask("AK013", old, make_key(name="ci", age=days(20), last_used_at=None))) == []


def test_where_the_successors_use_is_not_said_the_predecessor_is_not_evaluated() -> None:
    old, new = make_pair("ci", "ci", last_used_at=UNSET)
    verdict = ask("AK013", old, new)
    assert (found(verdict), verdict.not_evaluated) == ([], 1)
    assert verdict.reason == "the response did not include whether the newer key is in use"


def test_a_rotation_is_stalled_when_the_new_key_lies_idle_and_the_old_one_works() -> None:
    old = make_key(name="ci", age=days(60), last_used_at=AT - days(1))
    new = make_key(name="ci", age=days(7) + SECOND, last_used_at=None)
    verdict = ask("AK014", old, new)
    assert found(verdict) == [new]
    assert verdict.hits[0].message == (
        f"not used in the 7 days since it was created (limit: 7 days), but its predecessor {old.id} was"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"last_used_at": AT - days(1)}, {"age": days(7), "last_used_at": None}),
        ({"last_used_at": AT - days(1)}, {"age": days(20), "last_used_at": AT - days(1)}),
        ({"last_used_at": AT - days(20)}, {"age": days(20), "last_used_at": None}),
        ({"last_used_at": None}, {"age": days(20), "last_used_at": None}),
    ],
    ids=["young", "both-used", "old-not-used-since", "neither-used"],
)
def test_other_pairs_are_not_stalled(old: dict[str, object], new: dict[str, object]) -> None:
    pair = make_key(name="ci", age=days(60), **old), make_key(name="ci", **new)
    verdict = ask("AK014", *pair)
    assert (found(verdict), verdict.not_evaluated) == ([], 0)


@pytest.mark.parametrize(("old_use", "new_use"), [(UNSET, None), (AT, UNSET)])
def test_on_silence_a_pair_is_not_evaluated(old_use: object, new_use: object) -> None:
    old = make_key(name="ci", age=days(60), last_used_at=old_use)
    new = make_key(name="ci", age=days(20), last_used_at=new_use)
    verdict = ask("AK014", old, new)
    assert (found(verdict), verdict.not_evaluated) == ([], 1)
