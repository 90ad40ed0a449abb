import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from accesskeys_async.emulator import validation
from accesskeys_async.emulator.replies import Refusal
from accesskeys_async.emulator.roles import Directory
from accesskeys_async.emulator.validation import (
    Draft,
    ListQuery,
    read_list_query,
    read_object,
)

ORGANIZATION = "c6338b0d-347c-42b1-acc8-99c03fe91815"
KNOWN = Directory(0).known(ORGANIZATION)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def refusal_of(
    call: Callable[..., object], *arguments: Any, **options: Any
) -> tuple[int, str, dict[str, str]]:
    with pytest.raises(Refusal) as caught:
        call(*arguments, **options)
    reply = caught.value.reply
    content = json.loads(reply.body)
    return (
        reply.status,
        content["code"],
        {path: "; ".join(messages) for path, messages in content.get("details", {}).items()},
    )


def read_draft(body: Any, *, required: tuple[str, ...] = ()) -> Draft:
    return validation.read_draft(body, KNOWN, required=required)


def outcome_of(call: Callable[..., object]) -> object:
    try:
        return type(call())
    except Refusal as refusal:
        return refusal.reply.status


def test_a_query_without_parameters_has_the_contracts_defaults() -> None:
    assert read_list_query(MultiDict()) == ListQuery(limit=10, page_token=None, reverse=False)


def test_a_query_within_bounds_is_read_and_unknown_parameters_are_ignored() -> None:
    query = MultiDict(limit="100", reverse="true", pageToken="abc", colour="red")

    assert read_list_query(query) == ListQuery(limit=100, page_token="abc", reverse=True)


@pytest.mark.parametrize(
    "limit", ["0", "101", "-1", "", " 1", "1.0", "1e1", "+5", "٣", "ten", "9" * 5000, "-" + "9" * 5000]
)
def test_a_limit_out_of_bounds_is_refused(limit: str) -> None:
    status, code, details = refusal_of(read_list_query, MultiDict(limit=limit))

    assert (status, code) == (422, "InvalidPayload")
    assert "1 to 100" in details[".limit"]


@pytest.mark.parametrize("reverse", ["", "True", "1", "yes"])
def test_reverse_is_true_or_false_and_nothing_else(reverse: str) -> None:
    assert refusal_of(read_list_query, MultiDict(reverse=reverse))[2] == {
        ".reverse": "is neither true nor false"
    }


def test_every_broken_parameter_is_named_and_so_is_one_given_twice() -> None:
    query = MultiDict([("limit", "1"), ("limit", "2"), ("reverse", "x")])

    assert set(refusal_of(read_list_query, query)[2]) == {".limit", ".reverse"}


@pytest.mark.parametrize("length", [1, 256])
@pytest.mark.parametrize("character", ["a", "é", "🔑", "\x00"])
def test_texts_are_measured_in_characters(length: int, character: str) -> None:
    draft = read_draft({"name": character * length})

    assert draft == Draft(name=character * length)


@pytest.mark.parametrize("field", ["name", "description"])
@pytest.mark.parametrize("value", ["", "a" * 257, None, 1, True, 1.5, [], {}, "\ud800"])
def test_a_text_out_of_bounds_or_of_another_type_is_refused(field: str, value: Any) -> None:
    status, _, details = refusal_of(read_draft, {field: value})

    assert status == 422
    assert list(details) == [f".{field}"]


def test_every_missing_and_every_broken_field_is_named_at_once() -> None:
    details = refusal_of(read_draft, {"roleIds": []}, required=("name", "description"))[2]

    assert details == {
        ".name": "is missing",
        ".description": "is missing",
        ".roleIds": "has 0 items; the API takes 1 to 5",
    }


def test_a_field_left_out_stays_unnamed_and_an_unknown_one_is_refused() -> None:
    assert read_draft({}) == Draft()
    status, code, details = refusal_of(read_draft, {"name": "a", "colour": "red", "": 1})

    assert (status, code) == (422, "InvalidPayload")
    assert details == {".colour": "is not known; remove it", ".": "is not known; remove it"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nope",
        b"{'a': 1}",
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": "a", "name": "b"}',
        b'{"a": {"b": 1, "b": 2}}',
        b"\xff\xfe",
        b'\xef\xbb\xbf{"name": "a"}',
        b'{"name": "\xff"}',
        b'{"name": "a\x01"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"name": ' + b"9" * 5_000 + b"}",
    ],
    ids=repr,
)
def test_what_is_not_json_is_refused_as_such(body: bytes) -> None:
    assert refusal_of(read_object, body)[:2] == (400, "MalformedBody")


@pytest.mark.parametrize("body", [b"null", b"[]", b'"name"', b"1", b"1.5", b"true"])
def test_json_that_is_not_an_object_is_refused(body: bytes) -> None:
    status, _, details = refusal_of(read_object, body)

    assert status == 422
    assert "the API takes an object" in details["."]


@pytest.mark.slow
@given(JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    body = json.dumps(value).encode("utf-8", "surrogatepass")

    assert outcome_of(lambda: read_draft(read_object(body))) in {Draft, 400, 422}


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    assert outcome_of(lambda: read_object(body)) in {dict, 400, 422}
