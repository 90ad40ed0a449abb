from __future__ import annotations

import gc
import os
import pickle
import sys
import weakref
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, Self
from uuid import UUID, uuid4

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import DecodeError, Raw

from accesskeys_async._contract import building
from accesskeys_async.records import UNSET, AccessKey, RoleRef

ORGANIZATION = UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")
TEXT = str(ORGANIZATION)
NAMES = tuple(field.name for field in attrs.fields(AccessKey))
TIMES = ("created_at", "last_used_at", "updated_at")


class Row:
    __slots__ = NAMES

    def __init__(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name, value)


moments = st.datetimes(timezones=st.just(UTC))
absent = st.sampled_from([None, UNSET])
rows = st.builds(
    Row,
    id=st.uuids(),
    organization_id=st.just(TEXT) | st.just(TEXT).map(lambda text: "".join(list(text))),
    name=st.text(),
    suffix=st.text(min_size=6, max_size=6),
    created_at=moments,
    type=absent | st.text(),
    description=absent | st.text(),
    last_used_at=absent | moments,
    updated_at=absent | moments,
    role_ids=absent | st.lists(st.text()).map(tuple),
    role_refs=absent | st.just(()),
    roles=absent,
)


@pytest.fixture(params=["compiled", "plain"])
def fill(request: pytest.FixtureRequest) -> building.Fill:
    return compiled() if request.param == "compiled" else building.build_records_py


@pytest.fixture
def collector_at_every_object() -> Iterator[None]:
    thresholds = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*thresholds)


def compiled() -> building.Fill:
    found = building.find_compiled(Row)
    if found is None:
        message = "accesskeys_async was installed without a C compiler"
        if os.environ.get("ACCESSKEYS_REQUIRE_SERVICES") == "1":
            pytest.fail(f"{message}, and ACCESSKEYS_REQUIRE_SERVICES=1 asks for it")
        pytest.skip(message)
    return found


def make_row(**changes: Any) -> Row:
    row = {
        "id": uuid4(),
        "organization_id": TEXT,
        "name": "ci",
        "suffix": "AbCdEf",
        "created_at": datetime.now(UTC),
        "type": UNSET,
        "description": None,
        "last_used_at": None,
        "updated_at": datetime.now(UTC),
        "role_ids": ("a",),
        "role_refs": (),
        "roles": UNSET,
    }
    return Row(**row | changes)


@pytest.mark.slow
@given(st.lists(rows))
def test_both_ways_make_the_same_records_of_the_same_objects(rows: list[Row]) -> None:
    for fill in (compiled(), building.build_records_py):
        records = fill(rows, ORGANIZATION, TEXT)
        assert records is not None
        for record, row in zip(records, rows, strict=True):
            assert type(record) is AccessKey
            assert record.organization_id is ORGANIZATION
            for name in NAMES:
                assert name == "organization_id" or getattr(record, name) is getattr(row, name)


def test_a_record_is_like_one_that_was_made_by_its_class(fill: building.Fill) -> None:
    row = make_row()
    filled = fill((row,), ORGANIZATION, TEXT)
    assert filled is not None
    (record,) = filled
    made = AccessKey(**{name: getattr(row, name) for name in NAMES} | {"organization_id": ORGANIZATION})
    assert record == made
    assert hash(record) == hash(made)
    assert repr(record) == repr(made)
    assert attrs.evolve(record, name="other") == attrs.evolve(made, name="other")
    assert pickle.loads(pickle.dumps(record)) == made
    assert gc.is_tracked(record)
    assert weakref.ref(record)() is record
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        record.name = "other"  # type: ignore[misc] # that it may not be set is what is tested


@pytest.mark.parametrize(
    "changes",
    [
        {"organization_id": str(UUID(int=ORGANIZATION.int + 1))},
        {"organization_id": TEXT.upper()},
        {"organization_id": ""},
        *({name: datetime.now(timezone(timedelta(hours=2)))} for name in TIMES),
        *({name: datetime.now(timezone(timedelta(0), "GMT"))} for name in TIMES),
        *({name: datetime(2026, 1, 1)} for name in TIMES),  # noqa: DTZ001 - no zone is what is tested
    ],
)
@pytest.mark.parametrize("place", [0, 3])
def test_what_is_not_in_the_one_form_is_refused(
    fill: building.Fill, changes: dict[str, Any], place: int
) -> None:
    rows = [make_row() for _ in range(4)]
    assert fill(rows, ORGANIZATION, TEXT) is not None
    rows[place] = make_row(**changes)
    assert fill(rows, ORGANIZATION, TEXT) is None


ROLE = UUID("3c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c33")
REFS = f'[{{"id": "{ROLE}", "type": "managed"}}]'


def test_undecoded_role_references_are_read_and_shared(fill: building.Fill) -> None:
    rows = [make_row(role_refs=Raw(text.encode())) for text in (REFS, "[]", REFS, "null")]
    records = fill(rows, ORGANIZATION, TEXT)
    assert records is not None
    refs = [record.role_refs for record in records]
    assert refs == [(RoleRef(ROLE, "managed"),), (), (RoleRef(ROLE, "managed"),), None]
    assert refs[0] is refs[2]


@pytest.mark.parametrize("wrong", ["7", '[{"id": "admin"}]', '[{"type": "managed"}]', '["id"]', "["])
def test_undecoded_role_references_out_of_contract_are_refused(fill: building.Fill, wrong: str) -> None:
    rows = [make_row(), make_row(role_refs=Raw(wrong.encode()))]
    for _ in range(2):
        with pytest.raises(DecodeError):
            fill(rows, ORGANIZATION, TEXT)


@pytest.mark.slow
def test_no_one_sees_the_records_before_they_are_whole(fill: building.Fill) -> None:
    """Half a tuple of records has null pointers, which crash whatever looks at it."""
    lengths: list[int] = []

    def look(phase: str, _: object) -> None:
        if phase == "start":
            found = [one for one in gc.get_objects() if type(one) is tuple and len(one) == len(rows)]
            lengths.extend(len([record for record in one if record is not None]) for one in found)

    rows = [make_row() for _ in range(977)]
    thresholds = gc.get_threshold()
    gc.callbacks.append(look)
    gc.set_threshold(300, 1000, 1000)
    try:
        records = fill(rows, ORGANIZATION, TEXT)
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(look)
    assert records is not None
    assert gc.is_tracked(records)
    assert set(lengths) <= {len(rows)}


def test_no_rows_are_no_records(fill: building.Fill) -> None:
    assert fill([], ORGANIZATION, TEXT) == ()


@pytest.mark.usefixtures("collector_at_every_object")
def test_the_collector_may_come_at_any_moment(fill: building.Fill) -> None:
    rows = [make_row() for _ in range(50)]
    for _ in range(20):
        records = fill(rows, ORGANIZATION, TEXT)
        assert records is not None
        assert [record.id for record in records] == [row.id for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("last", [{}, {"organization_id": ""}, {"updated_at": datetime.now(timezone.max)}])
def test_nothing_is_held_on_to(fill: building.Fill, last: dict[str, Any]) -> None:
    rows = [make_row(), make_row(), make_row(**last)]
    held: Sequence[object] = (ORGANIZATION, TEXT, AccessKey, Row, *rows, *(row.id for row in rows), UTC)
    fill(rows, ORGANIZATION, TEXT)
    gc.collect()
    before = [sys.getrefcount(one) for one in held]
    for _ in range(100):
        fill(rows, ORGANIZATION, TEXT)
    assert [sys.getrefcount(one) for one in held] == before


def test_compiled_code_is_not_fooled_by_what_it_can_not_read() -> None:
    fill: Any = compiled()
    for wrong in (SimpleNamespace(), None, AccessKey, object()):
        with pytest.raises(TypeError, match=r"expected <class .*Row'>"):
            fill([make_row(), wrong], ORGANIZATION, TEXT)
    with pytest.raises(TypeError, match="not iterable"):
        fill(None, ORGANIZATION, TEXT)
    for arguments in ((), ([],), ([], ORGANIZATION), ([], ORGANIZATION, TEXT.encode())):
        with pytest.raises(TypeError, match="fill takes rows"):
            fill(*arguments)


def test_a_row_that_lacks_a_field_is_refused() -> None:
    for name in NAMES:
        row = make_row()
        delattr(row, name)
        assert compiled()((row,), ORGANIZATION, TEXT) is None


def test_what_has_no_slots_is_left_to_python() -> None:
    class Loose(SimpleNamespace):
        id = name = suffix = organization_id = "x"

    compiled()
    assert building.find_compiled(Loose) is None
    assert building.pick_builder(Loose) is building.build_records_py


def test_a_class_of_records_that_is_not_made_plainly_is_refused() -> None:
    class Counted:
        __slots__ = ("id", "organization_id")

        def __new__(cls) -> Self:
            raise AssertionError

    compiled()
    from accesskeys_async._contract import _speedups

    make: Any = _speedups.Filler
    roles: dict[str, Any] = {"undecoded": "role_refs", "raw": Raw, "values": {}}
    for record, fields, owner in ((Counted, ("id",), "organization_id"), (int, (), "real")):
        with pytest.raises(TypeError, match="is not created as a plain object is"):
            make(Row, record, fields=fields, times=(), owner=owner, **roles)
    for fields in (("no_field",), ("__class__",), (1,)):
        with pytest.raises((TypeError, AttributeError)):
            make(Row, AccessKey, fields=fields, times=(), owner="organization_id", **roles)
    with pytest.raises(TypeError, match="must be dict"):
        make(Row, AccessKey, fields=(), times=(), owner="organization_id", **roles | {"values": None})


def test_the_environment_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled()
    assert building.pick_builder(Row) is not building.build_records_py
    monkeypatch.setenv("ACCESSKEYS_NO_EXTENSIONS", "1")
    assert building.pick_builder(Row) is building.build_records_py
