"""The response to a create: the published shape, other shapes, and the id of a key whose token is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._contract.created_key import read_created
from accesskeys_async.errors import APIResponseError
from accesskeys_async.records import RoleRef, Token

MakeRow = Callable[..., dict[str, Any]]

SECRET = "the-secret-part-AbCdEf"
ORGANIZATION = UUID("1c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c11")
KEY = UUID("2c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c22")
ROLE = UUID("3c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c33")
WORKSPACE = UUID("4c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c44")
RECORD: dict[str, Any] = {
    "id": str(KEY),
    "organizationId": str(ORGANIZATION),
    "name": "ci",
    "type": "user",
    "description": "deploys",
    "suffix": "AbCdEf",
    "createdAt": "2026-01-02T03:04:05Z",
    "updatedAt": "2026-01-02T03:04:05Z",
    "lastUsedAt": None,
    "roleRefs": [{"id": str(ROLE), "type": "organization", "workspaces": [str(WORKSPACE)]}],
}


def dump(value: object) -> bytes:
    return json.dumps(value).encode()


def read(value: object) -> Any:
    return read_created(dump(value), organization_id=ORGANIZATION)


def refusal(value: object) -> APIResponseError:
    with pytest.raises(APIResponseError) as caught:
        read(value)
    return caught.value


def test_the_published_response_is_read_with_its_roles_and_token() -> None:
    created = read({"accessKey": RECORD, "token": SECRET})
    assert created.token == Token(SECRET)
    assert (created.id, created.organization_id, created.name) == (KEY, ORGANIZATION, "ci")
    assert created.role_refs == (RoleRef(ROLE, "organization", (WORKSPACE,)),)


@pytest.mark.parametrize(
    "value",
    [
        RECORD | {"token": SECRET},
        RECORD | {"accessKey": SECRET},
        RECORD | {"a field of any name": SECRET},
        {"accessKey": RECORD, "secret": SECRET},
        {"accessKey": RECORD | {"token": SECRET}},
        {"key": RECORD, "token": SECRET},
        {"data": {"accessKey": RECORD, "token": SECRET}},
        {"results": [RECORD], "token": SECRET},
        {"data": RECORD, "meta": {"credentials": {"value": SECRET}}},
        {"accessKey": RECORD, "token": SECRET, "header": f"AccessKey {SECRET}"},
        {"accessKey": RECORD, "token": SECRET, "credentials": {"token": f"other-{SECRET}"}},
        {"accessKey": RECORD, "secret": SECRET, "credentials": {"secret": SECRET}},
    ],
)
def test_a_response_with_one_record_and_one_string_that_ends_with_its_suffix_is_read(
    value: dict[str, Any],
) -> None:
    created = read(value)
    assert created.token == Token(SECRET)
    assert created.id == KEY


def test_a_field_of_the_record_is_never_taken_for_the_token() -> None:
    record = RECORD | {"name": "name-AbCdEf", "description": "text-AbCdEf", "type": "t-AbCdEf"}
    assert read({"accessKey": record, "token": SECRET}).token.reveal() == SECRET
    assert refusal({"accessKey": record}).key_id == str(KEY)


def test_text_inside_roles_is_never_taken_for_the_token() -> None:
    roles = [{"id": str(ROLE), "name": "role-AbCdEf"}]
    assert read({"accessKey": RECORD | {"roles": roles}, "key": SECRET}).token.reveal() == SECRET


@pytest.mark.parametrize(
    ("extra", "found", "named"),
    [
        ({}, 0, "none"),
        ({"key": "AbCdEf"}, 0, "key"),
        ({"sk_live_1234567890AbCdEf": "secret"}, 0, "one of 24 characters"),
        ({"token": "something else"}, 0, "token"),
        ({"token": ["secret-AbCdEf"]}, 0, "none"),
        ({"b": "secret-AbCdEf", "a": "other-AbCdEf"}, 2, "a, b"),
        ({"new\nline\x1b[31m": "secret"}, 0, "one of 13 characters"),
        ({"x" * 30: "secret"}, 0, "x" * 30),
        ({"x" * 31: "secret"}, 0, "one of 31 characters"),
    ],
)
def test_without_one_token_the_strings_are_named_and_never_shown(
    extra: dict[str, Any], found: int, named: str
) -> None:
    error = refusal({"accessKey": RECORD, **extra})
    assert str(error) == (
        f"$: expected one string that ends with the suffix, found {found} "
        f"(strings outside the record: {named})"
        f"; its token is lost: delete access key {KEY} if it is new"
    )
    assert error.key_id == str(KEY)


def test_no_more_than_twenty_strings_are_named() -> None:
    assert len(str(refusal({"accessKey": RECORD, **{f"f{n}": "x" for n in range(1000)}}))) < 400


@pytest.mark.parametrize(
    "value",
    [
        {"accessKey": {"id": str(KEY)}, "token": SECRET},
        {"accessKey": RECORD | {"name": 7}, "token": SECRET},
        {"accessKey": RECORD | {"organizationId": str(ROLE)}, "token": SECRET},
        {"accessKey": RECORD | {"roleRefs": "none"}, "token": SECRET},
        {"accessKey": RECORD},
        {"accessKeyId": str(KEY), "token": SECRET},
        {"data": {"keyId": KEY.hex}},
        {"id": str(KEY)},
        {"request": {"id": str(ROLE)}, "key": {**RECORD, "name": 7}},
        {"accessKey": None, "old": [RECORD, RECORD | {"id": str(KEY)}], "token": SECRET},
        [RECORD],
    ],
)
def test_the_created_key_is_named_wherever_its_id_stands(value: object) -> None:
    error = refusal(value)
    assert error.key_id == str(KEY)
    assert str(KEY) in str(error)
    assert SECRET not in str(error)


def test_no_role_is_named_as_the_key_in_a_response_that_is_cut_off() -> None:
    body = dump({"accessKey": {"roleRefs": [{"id": str(ROLE)}], **RECORD}})[:-9]
    with pytest.raises(APIResponseError, match="expected JSON") as caught:
        read_created(body, organization_id=ORGANIZATION)
    assert caught.value.key_id is None


def test_a_token_of_six_characters_is_read_from_its_own_field() -> None:
    assert read({"accessKey": RECORD, "token": "AbCdEf"}).token == Token("AbCdEf")


@pytest.mark.parametrize("end", [60, 120, -1])
def test_the_created_key_is_named_in_a_response_that_is_cut_off(end: int) -> None:
    body = dump({"accessKey": RECORD, "token": SECRET})[:end]
    with pytest.raises(APIResponseError, match="expected JSON") as caught:
        read_created(body, organization_id=ORGANIZATION)
    assert caught.value.key_id == str(KEY)


@pytest.mark.parametrize(
    "value",
    [None, 7, "text", [], {}, {"id": "7"}, {"id": 7}, {"roles": [{"id": str(ROLE)}]}, {"accessKey": {}}],
)
def test_no_key_is_named_if_the_response_has_no_id(value: object) -> None:
    assert refusal(value).key_id is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(str(KEY)) | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*RECORD, "accessKey", "token", "data"]) | st.text(), inner, max_size=6
        )
    ),
    max_leaves=40,
)


@pytest.mark.slow
@given(json_values)
def test_any_response_is_a_key_with_its_token_or_an_error_without_it(value: object) -> None:
    try:
        created = read(value)
    except APIResponseError as error:
        shown = str(error)
    else:
        shown = repr(created)
        assert created.token.reveal().endswith(created.suffix)
    assert SECRET not in shown
