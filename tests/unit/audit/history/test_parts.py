from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from attrs import asdict, evolve
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.audit.changes import compare_keys
from accesskeys_async.audit.history.parts import encode, find_changes, load_keys
from accesskeys_async.records import UNSET, AccessKey, CreatedAccessKey, Token
from tests.unit.audit.history.fleet import ACME, T, make_key

TEXTS = st.text(st.characters(codec=None), max_size=6)  # half an astral pair, and NUL, among them
TIMES = st.sampled_from([T, T + timedelta(microseconds=1), datetime(1970, 1, 1, tzinfo=UTC)])
MAYBE_TIMES = st.one_of(st.none(), st.just(UNSET), TIMES)
MAYBE_TEXTS = st.one_of(st.none(), st.just(UNSET), st.just("UNSET"), TEXTS)
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
)
READINGS = st.lists(KEYS, max_size=6, unique_by=lambda key: key.id)


@given(READINGS)
def test_keys_come_back_as_they_were_kept(keys: list[AccessKey]) -> None:
    parts = encode(keys)
    back = load_keys(ACME, parts.identities.pack(), parts.uses.pack())
    assert back == tuple(sorted(keys, key=lambda key: key.id.int))


@given(READINGS)
def test_the_order_of_keys_does_not_matter(keys: list[AccessKey]) -> None:
    assert encode(keys) == encode(keys[::-1])


@given(READINGS, READINGS)
def test_changes_are_found_in_parts_as_in_records(earlier: list[AccessKey], now: list[AccessKey]) -> None:
    before, after = encode(earlier), encode(now)

    def unless_same(name: str) -> bytes | None:
        old, new = getattr(before, name), getattr(after, name)
        return None if old.digest == new.digest else old.pack()

    found = find_changes(ACME, unless_same("identities"), unless_same("uses"), after)

    assert found == compare_keys(earlier, now)


@given(READINGS, MAYBE_TIMES)
def test_a_use_changes_only_the_part_of_uses(keys: list[AccessKey], used: datetime | None) -> None:
    before, after = encode(keys), encode([evolve(key, last_used_at=used) for key in keys])
    assert before.identities == after.identities


def test_a_key_that_came_twice_is_kept_as_it_came_last() -> None:
    first, second = make_key(1), make_key(1, name="second")
    parts = encode([first, make_key(2), second])
    assert load_keys(ACME, parts.identities.pack(), parts.uses.pack()) == (second, make_key(2))
    assert parts.keys == (second, make_key(2))


def test_the_same_moment_in_another_zone_is_no_change() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    key = make_key(1)
    moved = evolve(key, created_at=key.created_at.astimezone(there), updated_at=T.astimezone(there))
    now = encode([evolve(key, updated_at=T)])
    before = encode([moved])

    assert find_changes(ACME, before.identities.pack(), before.uses.pack(), now) == ((), (), ())


def test_a_key_just_made_leaves_its_token_behind() -> None:
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
