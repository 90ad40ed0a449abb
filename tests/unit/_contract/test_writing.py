from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._contract.decoding import read_key, read_page
from accesskeys_async._contract.writing import dump_changes, dump_json, dump_key, dump_printable
from accesskeys_async.records import (
    UNSET,
    AccessKey,
    CreatedAccessKey,
    Policy,
    PolicyDefinition,
    Role,
    RoleRef,
    Token,
)

instants = st.datetimes(timezones=st.just(UTC))
texts = st.text(st.characters(exclude_categories=["Cs"]))
optional_texts = st.just(UNSET) | st.none() | texts


def optional_tuples(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.just(UNSET) | st.none() | st.lists(items, max_size=3).map(tuple)


role_refs = st.builds(RoleRef, id=st.uuids(), type=optional_texts, workspaces=optional_tuples(st.uuids()))
definitions = st.builds(
    PolicyDefinition,
    effect=optional_texts,
    resources=optional_tuples(texts),
    actions=optional_tuples(texts),
    conditions_all=optional_tuples(st.booleans() | st.dictionaries(texts, st.integers(0, 9), max_size=2)),
)
policies = st.builds(
    Policy,
    id=st.uuids(),
    name=optional_texts,
    description=optional_texts,
    definitions=optional_tuples(definitions),
    scope=optional_texts,
    type=optional_texts,
)
roles = st.builds(
    Role,
    id=st.uuids(),
    organization_id=st.just(UNSET) | st.none() | st.uuids(),
    name=optional_texts,
    description=optional_texts,
    type=optional_texts,
    policies=optional_tuples(policies),
)
keys = st.builds(
    AccessKey,
    id=st.uuids(),
    organization_id=st.uuids(),
    name=texts,
    suffix=st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=6),
    created_at=instants,
    type=st.just(UNSET) | st.none() | texts,
    description=st.just(UNSET) | st.none() | texts,
    last_used_at=st.just(UNSET) | st.none() | instants,
    updated_at=st.just(UNSET) | st.none() | instants,
    role_ids=st.just(UNSET) | st.none() | st.lists(texts).map(tuple),
    role_refs=st.none() | st.lists(role_refs, max_size=3).map(tuple),
    roles=optional_tuples(roles),
)


@given(keys)
def test_a_key_that_is_written_reads_as_it_was(key: AccessKey) -> None:
    body = json.dumps(dump_key(key)).encode()
    assert read_key(body, organization_id=key.organization_id, key_id=key.id) == key
    page = b'{"results": [' + body + b"]}"
    assert read_page(page, organization_id=key.organization_id).results == (key,)


def test_a_key_is_written_as_the_api_does(make_key: Callable[..., AccessKey]) -> None:
    key = make_key(
        created_at=datetime(2026, 1, 2, 4, 4, 5, tzinfo=timezone(timedelta(hours=1))),
        last_used_at=None,
        role_ids=("a",),
    )
    assert dump_key(key) == {
        "id": "00000000-0000-0000-0000-000000000001",
        "organizationId": str(key.organization_id),
        "name": "ci",
        "suffix": "AbCdEf",
        "createdAt": "2026-01-02T03:04:05Z",
        "lastUsedAt": None,
        "roleIds": ["a"],
    }


def test_a_token_is_not_written(make_key: Callable[..., AccessKey]) -> None:
    created = CreatedAccessKey(**asdict(make_key()), token=Token("the-secret-part-AbCdEf"))
    assert dump_key(created) == dump_key(make_key())


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({}, {}),
        ({"name": "a"}, {"name": "a"}),
        ({"name": UNSET, "description": "é😀\x00"}, {"description": "é😀\x00"}),
        ({"role_ids": (UUID(int=1),)}, {"roleIds": ["00000000-0000-0000-0000-000000000001"]}),
    ],
)
def test_changes_are_written_without_what_is_unset(changes: dict[str, Any], body: dict[str, Any]) -> None:
    assert json.loads(dump_changes(**changes)) == body


def test_any_json_is_written_with_uuids_and_times_as_the_api_writes_them() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for name in ("ci", "half \ud83d of a pair"):
        written = dump_json({"id": UUID(int=1), "at": moment, "name": name, "labels": ("a", "b")})
        assert json.loads(written) == {
            "id": "00000000-0000-0000-0000-000000000001",
            "at": "2026-01-02T03:04:05Z",
            "name": name,
            "labels": ["a", "b"],
        }


@given(st.text(st.characters(exclude_categories=())))
def test_printable_json_keeps_any_text_and_moves_no_cursor(text: str) -> None:
    data = dump_printable({"name": text})
    shown = data.decode()
    assert json.loads(shown) == {"name": text}
    assert shown.isprintable() or not set(shown) & set("\x1b\x7f\x9b\u202e\u2066\u2028\n")
