from __future__ import annotations

import itertools
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.audit import RuleResult, Severity, Snapshot, Subject
from accesskeys_async.audit.records import fingerprint
from accesskeys_async.audit.run.suffix_collisions import SuffixCollisions
from tests.unit.audit.judged import AT, make_key


def take(number: int, *suffixes: str) -> Snapshot:
    organization_id = UUID(int=number)
    keys = tuple(make_key(organization_id=organization_id, suffix=suffix) for suffix in suffixes)
    return Snapshot(Subject(organization_id), AT, keys)


def test_a_suffix_of_two_organizations_is_one_finding_at_the_first_by_id() -> None:
    collisions = SuffixCollisions("suffix collision", most=100)
    for snapshot in (take(3, "shared", "other3"), take(1, "shared", "other1"), take(2, "other2")):
        collisions.note(snapshot)
    (finding,), result = collisions.tell()
    assert (finding.rule, finding.severity, finding.organization_id) == ("AK012", Severity.INFO, UUID(int=1))
    assert finding.message == f"keys of 2 organizations have the suffix shared: {UUID(int=1)}, {UUID(int=3)}"
    assert result == RuleResult("AK012", failed=1)


def test_the_order_of_organizations_does_not_matter() -> None:
    told = set()
    for order in itertools.permutations(
        (take(1, "aaaaaa", "bbbbbb"), take(2, "aaaaaa"), take(3, "bbbbbb", "aaaaaa"))
    ):
        collisions = SuffixCollisions("t", most=100)
        for snapshot in order:
            collisions.note(snapshot)
        told.add(tuple(collisions.tell()[0]))
    (findings,) = told
    assert [finding.message.partition(":")[0] for finding in findings] == [
        "keys of 3 organizations have the suffix aaaaaa",
        "keys of 2 organizations have the suffix bbbbbb",
    ]


def test_the_same_suffix_twice_in_an_organization_is_none_of_its_business() -> None:
    collisions = SuffixCollisions("t", most=100)
    collisions.note(take(1, "aaaaaa", "aaaaaa"))
    assert collisions.tell()[0] == []


def test_many_organizations_are_told_by_number_and_a_hostile_suffix_in_one_line() -> None:
    collisions = SuffixCollisions("t", most=100)
    for number in range(1, 6):
        collisions.note(take(number, "a\n\x1bbc\u202e"))
    (finding,), _ = collisions.tell()
    assert finding.message.endswith(f"{UUID(int=3)} and 2 more")
    assert finding.message.isprintable()


def test_past_its_bound_it_remembers_no_more_and_says_so() -> None:
    collisions = SuffixCollisions("t", most=2)
    for snapshot in (take(1, "aaaaaa", "bbbbbb"), take(2, "cccccc"), take(3, "cccccc", "aaaaaa")):
        collisions.note(snapshot)
    findings, result = collisions.tell()
    assert len(findings) == 1
    assert result == RuleResult(
        "AK012", failed=1, not_evaluated=2, reason="only 2 suffixes are remembered across organizations"
    )


def test_suffixes_of_other_lengths_than_the_contract_has_are_compared_whole() -> None:
    collisions = SuffixCollisions("t", most=100)
    for snapshot in (take(1, "abcdefabc", "def"), take(2, "abcdef"), take(3, "def", "uvwxyz")):
        collisions.note(snapshot)
    (finding,), _ = collisions.tell()
    assert finding.message.startswith("keys of 2 organizations have the suffix def:")


def test_suffixes_that_are_padded_as_others_are_no_others() -> None:
    collisions = SuffixCollisions("t", most=100)
    for snapshot in (take(1, "aaaa", "\0\0bbbbbb"), take(2, "bbbbbb"), take(3, "aaaa\0\0")):
        collisions.note(snapshot)
    assert collisions.tell()[0] == []


suffixes = st.one_of(
    st.sampled_from(["aaaaaa", "bbbbbb", "cccccc", "\0\0\0\0\0\0"]), st.text("ab\0é€", max_size=9)
)


@pytest.mark.slow
@given(st.lists(st.lists(suffixes, max_size=4), max_size=8), st.integers(0, 12))
def test_what_is_told_is_what_going_through_all_of_them_one_by_one_finds(
    fleet: list[list[str]], most: int
) -> None:
    collisions = SuffixCollisions("t", most=most)
    known: set[str] = set()
    owners: dict[str, list[UUID]] = {}
    repeated: set[str] = set()
    skipped = 0
    for number, of_one in enumerate(fleet):
        snapshot = take(number, *of_one)
        collisions.note(snapshot)
        fresh = set(of_one) - known
        repeated |= set(of_one) & known
        for suffix in set(of_one):
            owners.setdefault(suffix, []).append(snapshot.subject.organization_id)
        if len(known) + len(fresh) > most:
            skipped += len(fresh)
        else:
            known |= fresh
    findings, result = collisions.tell()
    assert (result.failed, result.not_evaluated) == (len(repeated), skipped)
    expected = [(fingerprint("AK012", UUID(int=0), one), owners[one][0]) for one in sorted(repeated)]
    assert [(one.fingerprint, one.organization_id) for one in findings] == expected
    assert all(
        f"keys of {len(owners[one])} organizations" in finding.message
        for one, finding in zip(sorted(repeated), findings, strict=True)
    )
