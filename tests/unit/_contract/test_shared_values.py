"""Roles that keys share: looked up by their JSON, within bounds, and never what could be changed."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from accesskeys_async._contract.shared_values import (
    MAX_BYTES,
    MAX_ENTRY_BYTES,
    REFUSALS,
    ROLE_REFS,
    ROLES,
    SharedValues,
)
from accesskeys_async.errors import APIResponseError
from accesskeys_async.records import Role, RoleRef

ROLE = UUID("3c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c33")


def test_a_value_is_read_once_and_shared() -> None:
    reads: list[bytes] = []

    def read(text: bytes) -> object:
        reads.append(text)
        return object()

    values = SharedValues(read)
    assert values[b"[1]"] is values[b"[1]"]
    assert values[b"[1]"] is not values[b"[2]"]
    assert reads == [b"[1]", b"[2]"]


def test_the_table_is_emptied_before_its_text_grows_past_the_bound() -> None:
    values = SharedValues(len)
    for number in range(2000):
        text = b"%01000d" % number
        assert values[text] == 1000
        assert sum(map(len, values)) <= MAX_BYTES
    assert 0 < len(values) < 2000


@pytest.mark.parametrize(
    "text", [b"x" * (MAX_ENTRY_BYTES + 1), b'[{"conditionsAll":[{}]}]', b'{"conditionsAll" : [\n7]}']
)
def test_what_is_too_long_or_could_be_changed_is_not_shared(text: bytes) -> None:
    values = SharedValues(lambda _: object())
    assert values[text] is not values[text]
    assert not values


@pytest.mark.parametrize("text", [b'[{"conditionsAll":[]}]', b'[{"conditionsAll": [ ]}, {"a": [1]}]'])
def test_roles_without_conditions_are_shared(text: bytes) -> None:
    values = SharedValues(lambda _: object())
    assert values[text] is values[text]


def test_conditions_of_one_key_are_not_those_of_another() -> None:
    policy = {"id": str(ROLE), "definitions": [{"conditionsAll": [{"a": 1}]}]}
    text = json.dumps([{"id": str(ROLE), "policies": [policy]}]).encode()
    (first, _), (second, _) = ROLES[text], ROLES[text]
    assert first == second
    assert first is not None
    assert second is not None
    assert first[0] is not second[0]


def test_whole_roles_are_read_with_the_references_to_them() -> None:
    roles, refs = ROLES[b'[{"id": "%s", "type": "managed"}]' % str(ROLE).encode()]
    assert roles == (Role(ROLE, type="managed"),)
    assert refs == (RoleRef(ROLE, "managed"),)


@pytest.mark.parametrize("text", [b"{}", b'"x"', b"7", b"[", b'[{"id": 7}]', b"\xff", b"[" * 100_000])
def test_what_is_out_of_contract_is_refused(text: bytes) -> None:
    for values in (ROLE_REFS, ROLES):
        with pytest.raises(REFUSALS):
            values[text]


def test_a_wrong_role_is_an_error_of_ours() -> None:
    with pytest.raises(APIResponseError):
        ROLES[b"{}"]
