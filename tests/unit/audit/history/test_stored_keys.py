from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from attrs import asdict, evolve
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.audit.history.stored_keys import NOT_STORED, StoredKeys, encode, find_changes, load_keys
from accesskeys_async.audit.rules.key_changes import compare_keys
from accesskeys_async.records import UNSET, AccessKey, CreatedAccessKey, RoleRef, Token
from tests.unit.audit.history.fleet import ACME, T, make_key

TEXTS = st.text(st.characters(codec=None), max_size=6)  # half an astral pair, and NUL, among them
TIMES = st.sampled_from([T, T + timedelta(microseconds=1), datetime(1970, 1, 1, tzinfo=UTC)])
MAYBE_TIMES = st.one_of(st.none(), st.just(UNSET), TIMES)
MAYBE_TEXTS = st.one_of(st.none(), st.just(UNSET), st.just("UNSET"), TEXTS)
SPACES = st.lists(st.integers(1, 2).map(lambda number: UUID(int=number)), max_size=2).map(tuple)
REFERENCES = st.builds(
    RoleRef,
    id=st.integers(1, 2).map(lambda number: UUID(int=number)),
    type=st.one_of(MAYBE_TEXTS, st.just("managed")),
    workspaces=st.one_of(st.none(), st.just(UNSET), SPACES),
)
KEYS = st.builds(
    AccessKey,
    id=st.integers(1, 6).map(lambda number: UUID(int=number)),
    organization_id=st.just(ACME),
    name=TEXTS,
    suffix=st.sampled_from(["AbCdEf", "GhIjKl"]),
    created_at=TIMES,
    type=MAYBE_TEXTS,
    description=MAYBE_TEXTS,
    last_used_at=MAYBE_TIMES,
    updated_at=MAYBE_TIMES,
    role_ids=st.one_of(st.none(), st.just(UNSET), st.just(()), st.just(("a", "b"))),
    role_refs=st.one_of(st.none(), st.just(UNSET), st.lists(REFERENCES, max_size=2).map(tuple)),
)
READINGS = st.lists(KEYS, max_size=6, unique_by=lambda key: key.id)


def pack_roles(parts: StoredKeys) -> bytes:
    return NOT_STORED if parts.roles is None else parts.roles.compress()


@pytest.mark.slow
@given(READINGS)
def test_loaded_keys_equal_the_stored_ones(keys: list[AccessKey]) -> None:
    parts = encode(keys)
    back = load_keys(ACME, parts.identities.compress(), parts.uses.compress(), pack_roles(parts))
    assert back == tuple(sorted(keys, key=lambda key: key.id.int))


@pytest.mark.slow
@given(READINGS)
def test_the_order_of_keys_does_not_matter(keys: list[AccessKey]) -> None:
    assert encode(keys) == encode(keys[::-1])


@pytest.mark.slow
@given(READINGS, READINGS)
def test_changes_in_parts_equal_those_in_records(earlier: list[AccessKey], now: list[AccessKey]) -> None:
    before, after = encode(earlier), encode(now)

    def unless_same(name: str) -> bytes | None:
        old, new = getattr(before, name), getattr(after, name)
        return None if old.digest == new.digest else old.compress()

    roles = None if before.roles == after.roles else pack_roles(before)
    found = find_changes(ACME, unless_same("identities"), unless_same("uses"), roles, after)

    assert found == compare_keys(earlier, now)


@pytest.mark.slow
@given(READINGS, MAYBE_TIMES)
def test_a_use_changes_only_its_part(keys: list[AccessKey], used: datetime | None) -> None:
    before, after = encode(keys), encode([evolve(key, last_used_at=used) for key in keys])
    assert (before.identities, before.roles) == (after.identities, after.roles)


@pytest.mark.slow
@given(READINGS, st.lists(REFERENCES, max_size=2).map(tuple))
def test_a_change_of_roles_changes_only_their_part(
    keys: list[AccessKey], references: tuple[RoleRef, ...]
) -> None:
    before, after = encode(keys), encode([evolve(key, role_refs=references) for key in keys])
    assert (before.identities, before.uses) == (after.identities, after.uses)


@pytest.mark.slow
@given(READINGS, st.randoms(use_true_random=False))
def test_equal_roles_are_stored_once_if_they_are_different_objects(
    keys: list[AccessKey], chance: Any
) -> None:
    apart = [evolve(key, role_refs=copy.deepcopy(key.role_refs)) for key in keys]
    chance.shuffle(apart)
    assert encode(apart) == encode(keys)


def test_a_set_of_roles_is_stored_once_for_all_keys_that_have_it() -> None:
    wide = (RoleRef(UUID(int=1), "managed"), RoleRef(UUID(int=2), None, ()))
    keys = [make_key(number, role_refs=wide if number % 2 else None) for number in range(6)]
    parts = encode([*keys, make_key(6, role_refs=UNSET)])
    assert parts.roles is not None
    sets = [None, [[str(UUID(int=1)), "managed", False], [str(UUID(int=2)), None, []]], False]
    assert json.loads(parts.roles.body) == [sets, [0, 1, 0, 1, 0, 1, 2]]


@pytest.mark.parametrize("keys", [[], [make_key(1, role_refs=UNSET), make_key(2, role_refs=UNSET)]])
def test_a_reading_without_roles_has_no_part_for_them(keys: list[AccessKey]) -> None:
    assert encode(keys).roles is None


def test_a_deleted_key_has_the_roles_it_had() -> None:
    managed = (RoleRef(UUID(int=1), "managed"),)
    earlier = [make_key(1, role_refs=managed), make_key(2)]
    now = [make_key(2, role_refs=managed), make_key(3)]  # the same part of roles, of other keys
    before, after = encode(earlier), encode(now)
    assert before.roles == after.roles
    assert find_changes(
        ACME, before.identities.compress(), before.uses.compress(), None, after
    ) == compare_keys(earlier, now)


def test_the_last_record_of_a_repeated_key_is_stored() -> None:
    first, second = make_key(1), make_key(1, name="second")
    parts = encode([first, make_key(2), second])
    assert load_keys(ACME, parts.identities.compress(), parts.uses.compress(), pack_roles(parts)) == (
        second,
        make_key(2),
    )
    assert parts.keys == (second, make_key(2))


def test_the_same_time_in_another_zone_is_not_a_change() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    key = make_key(1)
    moved = evolve(key, created_at=key.created_at.astimezone(there), updated_at=T.astimezone(there))
    now = encode([evolve(key, updated_at=T)])
    before = encode([moved])

    assert find_changes(ACME, before.identities.compress(), before.uses.compress(), None, now) == ((), (), ())


def test_the_token_of_a_created_key_is_not_stored() -> None:
    fields = asdict(make_key(1), recurse=False)
    parts = encode([CreatedAccessKey(**fields, token=Token("secret-of-a-key-sfx001"))])

    assert parts.identities == encode([make_key(1)]).identities
    [row] = json.loads(parts.identities.body)
    assert row == [
        str(UUID(int=1)),
        "service 1",
        "sfx001",
        "2026-10-22T02:00:00Z",
        "organization",
        "What service 1 signs its calls with",
        False,
    ]
    assert json.loads(parts.uses.body) == [["2026-11-01T01:00:00Z", "2026-10-22T02:00:00Z"]]
