from __future__ import annotations

import contextlib
import json
import time
import traceback
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from accesskeys_async._contract.created_key import read_created
from accesskeys_async._contract.decoding import read_error, read_key, read_page
from accesskeys_async.errors import APIResponseError
from accesskeys_async.records import UNSET, AccessKeyPage

MakeRow = Callable[..., dict[str, Any]]


def dump(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_key_reads_into_a_record(make_row: MakeRow, organization_id: UUID, key_id: UUID) -> None:
    key = read_key(dump(make_row()), organization_id=organization_id, key_id=key_id)
    assert key.id == key_id
    assert key.organization_id == organization_id
    assert (key.name, key.type, key.description, key.suffix) == ("ci", "standard", "deploys", "AbCdEf")
    assert key.last_used_at is None
    assert key.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert key.updated_at == datetime(2026, 1, 2, 3, 4, 6, 789_000, tzinfo=UTC)
    assert key.role_ids == ("a", "b")


@pytest.mark.parametrize(
    ("field", "attribute"),
    [
        ("type", "type"),
        ("description", "description"),
        ("lastUsedAt", "last_used_at"),
        ("updatedAt", "updated_at"),
        ("roleIds", "role_ids"),
    ],
)
def test_an_absent_field_is_unset_and_a_null_is_none(
    field: str, attribute: str, make_row: MakeRow, organization_id: UUID, key_id: UUID
) -> None:
    for value, expected in ((..., UNSET), (None, None)):
        body = dump(make_row(**{field: value}))
        key = read_key(body, organization_id=organization_id, key_id=key_id)
        assert getattr(key, attribute) is expected


def test_fields_that_nobody_knows_yet_break_nothing(
    make_row: MakeRow, organization_id: UUID, key_id: UUID
) -> None:
    row = make_row(expiresAt={"deep": [1, {"er": None}]}, name2=1e300, __class__="x")
    known = read_key(dump(make_row()), organization_id=organization_id, key_id=key_id)
    assert read_key(dump(row), organization_id=organization_id, key_id=key_id) == known
    page = dump({"results": [row], "total": 1, "nextPageToken": "t"})
    assert read_page(page, organization_id=organization_id) == AccessKeyPage((known,), "t")


@pytest.mark.parametrize("end", [{}, {"nextPageToken": None}, {"nextPageToken": ""}])
def test_a_last_page_has_no_token(
    end: dict[str, str | None], make_row: MakeRow, organization_id: UUID
) -> None:
    for results in ([], [make_row()], [make_row(createdAt="2026-01-02T03:04:05+01:00")]):
        page = read_page(dump({"results": results, **end}), organization_id=organization_id)
        assert len(page) == len(results)
        assert page.next_page_token is None


MISTAKES = [
    ("id", 7, "expected a UUID"),
    ("id", "no-uuid", "expected a UUID"),
    ("id", None, "expected a UUID"),
    ("id", ..., "expected a value, found none"),
    ("organizationId", [], "expected a UUID"),
    ("organizationId", ..., "expected a value, found none"),
    ("name", 7, "expected a string"),
    ("name", None, "expected a string"),
    ("name", ..., "expected a value, found none"),
    ("type", 7, "expected a string"),
    ("description", {}, "expected a string"),
    ("suffix", "AbCdE", "expected a string of 6 characters"),
    ("suffix", "AbCdEfG", "expected a string of 6 characters"),
    ("suffix", None, "expected a string of 6 characters"),
    ("suffix", ..., "expected a value, found none"),
    ("createdAt", "2026-01-02", "expected a date-time with its offset"),
    ("createdAt", "2026-01-02T03:04:05", "expected a date-time with its offset"),
    ("createdAt", "0001-01-01T00:00:00+23:00", "expected a date-time with its offset"),
    ("createdAt", 1767323045, "expected a date-time with its offset"),
    ("createdAt", None, "expected a date-time with its offset"),
    ("createdAt", ..., "expected a value, found none"),
    ("lastUsedAt", "yesterday", "expected a date-time with its offset"),
    ("updatedAt", False, "expected a date-time with its offset"),
    ("roleIds", "a", "expected an array of strings"),
    ("roleIds", ["a", 7], "expected an array of strings"),
]


@pytest.mark.parametrize(("field", "value", "expected"), MISTAKES)
def test_a_mistake_is_named_with_its_place(
    field: str, value: Any, expected: str, make_row: MakeRow, organization_id: UUID, key_id: UUID
) -> None:
    wrong = make_row(**{field: value})
    with pytest.raises(APIResponseError) as in_key:
        read_key(dump(wrong), organization_id=organization_id, key_id=key_id)
    assert (in_key.value.place, in_key.value.expected) == (f"$.{field}", expected)

    page = {"results": [make_row(), make_row(), make_row(), wrong, make_row()]}
    with pytest.raises(APIResponseError) as in_page:
        read_page(dump(page), organization_id=organization_id)
    assert (in_page.value.place, in_page.value.expected) == (f"$.results[3].{field}", expected)


def test_the_mistakes_cover_every_field(make_row: MakeRow) -> None:
    assert {field for field, _, _ in MISTAKES} == set(make_row())


@pytest.mark.parametrize(
    ("body", "place", "expected"),
    [
        (b"[]", "$", "expected an object"),
        (b"null", "$", "expected an object"),
        (b"{}", "$.results", "expected a value, found none"),
        (b'{"results": {}}', "$.results", "expected an array"),
        (b'{"results": null}', "$.results", "expected an array"),
        (b'{"results": [7]}', "$.results[0]", "expected an object"),
        (b'{"results": [], "nextPageToken": 7}', "$.nextPageToken", "expected a string"),
        (b'{"results": [], "nextPageToken": ["a"]}', "$.nextPageToken", "expected a string"),
    ],
)
def test_a_page_of_another_shape_is_named_with_its_place(
    body: bytes, place: str, expected: str, organization_id: UUID
) -> None:
    with pytest.raises(APIResponseError) as caught:
        read_page(body, organization_id=organization_id)
    assert (caught.value.place, caught.value.expected) == (place, expected)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<html>502</html>",
        b'{"results": [',
        b'{"results": []} and more',
        b'\xef\xbb\xbf{"results": []}',
        b'{"results": [], "nextPageToken": "\xff"}',
        b'{"results": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_json_is_said_to_be_none(body: bytes, organization_id: UUID, key_id: UUID) -> None:
    for read in (
        lambda: read_page(body, organization_id=organization_id),
        lambda: read_key(body, organization_id=organization_id, key_id=key_id),
        lambda: read_created(body, organization_id=organization_id),
    ):
        with pytest.raises(APIResponseError) as caught:
            read()
        assert caught.value.place == "$"
        assert caught.value.expected.startswith("expected JSON, found")


DEEP = b"[" * 100_000 + b"]" * 100_000


def test_a_value_nested_deep_is_passed_over_or_an_error_of_ours(
    make_row: MakeRow, organization_id: UUID, key_id: UUID
) -> None:
    """How deep is too deep, the interpreter says."""
    row = json.dumps(make_row()).encode()
    for body in (
        b'{"results": %b}' % DEEP,
        b'{"results": [], "later": %b}' % DEEP,
        row[:-1] + b', "later": %b}' % DEEP,
        row[:-1] + b', "roles": %b}' % DEEP,
    ):
        for read in (
            lambda body=body: read_page(body, organization_id=organization_id),
            lambda body=body: read_key(body, organization_id=organization_id, key_id=key_id),
            lambda body=body: read_created(body, organization_id=organization_id),
        ):
            with contextlib.suppress(APIResponseError):
                assert read() is not None


VALID = {
    "an unknown field with half a surrogate pair": (b'"later": "\\ud83d"', {}),
    "another half": (b'"later": {"\\uDE00": ["\\ud83d\\ud83d\\ude00"]}', {}),
    "a name with half a pair": (b'"name": "a\\ud83db"', {"name": "a\ufffdb"}),
    "a name with the other half at its end": (b'"name": "a\\uDe00"', {"name": "a\ufffd"}),
    "a name with a pair": (b'"name": "a\\ud83d\\ude00b"', {"name": "a\U0001f600b"}),
    "a name with a backslash before what looks like one": (b'"name": "\\\\ud83d"', {"name": "\\ud83d"}),
    "both": (b'"name": "\\\\\\ud83d\\\\"', {"name": "\\\ufffd\\"}),
    "an unknown number past a double": (b'"later": [1e999, -1E+999, 1e-999]', {}),
    "an unknown integer of many digits": (b'"later": ' + b"9" * 5000, {}),
    "a leap second": (
        b'"createdAt": "2016-12-31T23:59:60Z"',
        {"created_at": datetime(2017, 1, 1, tzinfo=UTC)},
    ),
    "a leap second with a fraction, elsewhere": (
        b'"lastUsedAt": "2017-01-01T01:59:60.25+02:00"',
        {"last_used_at": datetime(2017, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)},
    ),
}


@pytest.mark.parametrize("narrow", [False, True], ids=["", "where the fast way is too narrow"])
@pytest.mark.parametrize(("part", "expected"), VALID.values(), ids=VALID)
def test_valid_json_is_not_refused(
    part: bytes,
    expected: dict[str, object],
    narrow: bool,
    make_row: MakeRow,
    organization_id: UUID,
    key_id: UUID,
) -> None:
    row = make_row(updatedAt="2026-01-02T03:04:05+01:00") if narrow else make_row()
    body = json.dumps(row).encode()[:-1] + b", " + part + b"}"
    key = read_key(body, organization_id=organization_id, key_id=key_id)
    (listed,) = read_page(b'{"results": [%b]}' % body, organization_id=organization_id).results
    created = read_created(
        b'{"accessKey": %b, "token": "long%b", "later": {%b}}' % (body, key.suffix.encode(), part),
        organization_id=organization_id,
    )
    assert created.token.reveal() == f"long{key.suffix}"
    for record in (key, listed, created):
        for name, value in expected.items():
            assert getattr(record, name) == value
        assert record.name.encode()


def test_a_number_past_a_double_in_a_refusal_is_kept_as_text() -> None:
    error = read_error(b'{"code": "c", "message": "m", "details": {"limit": 1e999, "used": 1.5}}')
    assert (error.code, error.message, error.details) == ("c", "m", {"limit": "1e999", "used": 1.5})


HOSTILE = {
    "empty results": b'{"results":[' + b",".join([b"{}"] * 1_400_000) + b"]}",
    "an unknown field of the page": b'{"results":[{}],"later":[' + b",".join([b"{}"] * 1_400_000) + b"]}",
    "a name": b'{"results":[ROW,"name":[' + b",".join([b"{}"] * 1_300_000) + b"]}]}",
    "an unknown field of a key": b'{"results":[ROW,"name":1,"later":['
    + b",".join([b"{}"] * 1_300_000)
    + b"]}]}",
    "no time": b'{"results":[' + b",".join([b'ROW,"createdAt":1}'] * 10_000) + b"]}",
}


@pytest.mark.slow
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_page_costs_no_more_than_a_good_one_of_its_size(
    body: bytes, make_row: MakeRow, organization_id: UUID
) -> None:
    row = json.dumps(make_row()).encode()
    body = body.replace(b"ROW", row[:-1])
    good = b'{"results":[' + b",".join([row] * (len(body) // len(row))) + b"]}"

    def measure(page: bytes) -> tuple[int, float]:
        began = time.process_time()
        with contextlib.suppress(APIResponseError):
            read_page(page, organization_id=organization_id)
        seconds = time.process_time() - began
        tracemalloc.start()
        with contextlib.suppress(APIResponseError):
            read_page(page, organization_id=organization_id)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, seconds

    peak, seconds = measure(body)
    good_peak, good_seconds = measure(good)
    assert peak < 2 * good_peak
    assert seconds < 4 * good_seconds + 0.1


def test_another_key_or_organization_than_was_asked_for_is_refused(
    make_row: MakeRow, organization_id: UUID, key_id: UUID
) -> None:
    other = UUID(int=7)
    with pytest.raises(APIResponseError, match=r"^\$\.id: expected 0{8}-") as caught:
        read_key(dump(make_row()), organization_id=organization_id, key_id=other)
    assert str(key_id) not in str(caught.value)
    with pytest.raises(APIResponseError, match=r"^\$\.organizationId: expected 0{8}-"):
        read_key(dump(make_row()), organization_id=other, key_id=key_id)


@pytest.mark.parametrize("foreign", [0, 1, 2])
@pytest.mark.parametrize("zone", ["Z", "+01:00"])
def test_a_page_with_one_key_of_another_organization_is_refused(
    foreign: int, zone: str, make_row: MakeRow, organization_id: UUID
) -> None:
    rows = [make_row(createdAt=f"2026-01-02T03:04:05{zone}") for _ in range(3)]
    rows[foreign]["organizationId"] = str(UUID(int=7))
    with pytest.raises(APIResponseError) as caught:
        read_page(dump({"results": rows}), organization_id=organization_id)
    assert caught.value.place == f"$.results[{foreign}].organizationId"


def test_a_whole_page_of_another_organization_is_refused(make_row: MakeRow) -> None:
    with pytest.raises(APIResponseError, match=r"^\$\.results\[0\]\.organizationId"):
        read_page(dump({"results": [make_row()] * 2}), organization_id=UUID(int=7))


def test_an_organization_written_in_two_ways_is_one(make_row: MakeRow, organization_id: UUID) -> None:
    rows = [make_row(), make_row(organizationId=str(organization_id).upper())]
    rows.append(make_row(organizationId=organization_id.hex))
    page = read_page(dump({"results": rows}), organization_id=organization_id)
    assert {key.organization_id for key in page} == {organization_id}


@pytest.mark.parametrize(
    "field", ["id", "organizationId", "name", "suffix", "createdAt", "roleIds", "roleRefs"]
)
def test_an_error_carries_no_value_of_the_answer_and_no_other_error(
    field: str, make_row: MakeRow, organization_id: UUID, key_id: UUID
) -> None:
    wrong = make_row(**{field: {"private": "value"}}, accessKey="the-secret-part-AbCdEf")
    for read in (
        lambda: read_key(dump(wrong), organization_id=organization_id, key_id=key_id),
        lambda: read_page(dump({"results": [wrong]}), organization_id=organization_id),
        lambda: read_created(
            dump({"accessKey": wrong, "token": wrong["accessKey"]}), organization_id=organization_id
        ),
    ):
        with pytest.raises(APIResponseError) as caught:
            read()
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        shown = "".join(traceback.format_exception(caught.value))
        assert "private" not in shown
        assert "the-secret-part" not in shown


@pytest.mark.parametrize(
    ("body", "code", "message", "details"),
    [
        (b'{"code": "c", "message": "m", "details": [{"a": 1}]}', "c", "m", [{"a": 1}]),
        (b'{"code": 42}', "42", None, None),
        (b'{"code": null, "message": 7, "details": "text"}', None, None, "text"),
        (b"{}", None, None, None),
        (b"[]", None, None, None),
        (b"", None, None, None),
        (b"<html>", None, None, None),
        (b'{"message": "\xff"}', None, None, None),
        (b'{"details": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", None, None, None),
        (b'{"code": 1' + b"0" * 5000 + b"}", "1" + "0" * 5000, None, None),
        (b'{"details": [' + b",".join([b"{}"] * 30_000) + b"]}", None, None, None),
    ],
)
def test_any_body_of_a_refusal_will_do(body: bytes, code: str, message: str, details: object) -> None:
    said = read_error(body)
    assert (said.code, said.message, said.details) == (code, message, details)
