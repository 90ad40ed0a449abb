from __future__ import annotations

import json
import traceback
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from accesskeys_async import operations
from accesskeys_async.errors import (
    AccessKeysError,
    APIResponseError,
    APIStatusError,
    AuthenticationError,
    BudgetExhaustedError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ServerError,
    ValidationError,
)
from accesskeys_async.records import UNSET, AccessKey
from accesskeys_async.transport.exchange import Request, Response, describe_attempt
from accesskeys_async.transport.retry import BUDGET_EMPTY
from accesskeys_async.wire import dump_key

ORG = UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")
KEY = UUID(int=1)
GET = operations.build_get(ORG, KEY)
DELETE = operations.build_delete(ORG, KEY)
LIST = operations.build_list(ORG, limit=100, reverse=False, page_token=None)
CREATE = operations.build_create(ORG, name="ci", description="deploys", role_ids=UNSET)


def answer(status: int, body: object = None, *, stopped: str | None = None, **headers: str) -> Response:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, named, data, stopped=stopped)


def read_all(request: Request, response: Response) -> list[Callable[[], object]]:
    return [
        lambda: operations.read_page(request, response),
        lambda: operations.read_key(request, response, key_id=KEY),
        lambda: operations.read_created(request, response),
        lambda: operations.read_deleted(request, response, missing_ok=False),
    ]


# What is sent.


def test_each_request_is_what_the_contract_says() -> None:
    path = f"/organizations/{ORG}/access-keys"
    update = operations.build_update(ORG, KEY, name="n", description=UNSET, role_ids=UNSET)
    assert [
        (r.operation, r.method, r.path, r.body, r.repeatable) for r in (LIST, GET, CREATE, update, DELETE)
    ] == [
        ("listAccessKeys", "GET", path, None, True),
        ("getAccessKey", "GET", f"{path}/{KEY}", None, True),
        ("createAccessKey", "POST", path, b'{"name":"ci","description":"deploys"}', False),
        ("updateAccessKey", "PATCH", f"{path}/{KEY}", b'{"name":"n"}', True),
        ("deleteAccessKey", "DELETE", f"{path}/{KEY}", None, True),
    ]
    assert all(request.organization_id == ORG for request in (LIST, GET, CREATE, update, DELETE))


def test_a_request_keeps_its_deadline() -> None:
    for request in (
        operations.build_list(ORG, limit=1, reverse=False, page_token=None, deadline=7.0),
        operations.build_get(ORG, KEY, deadline=7.0),
        operations.build_create(ORG, name="n", description="d", role_ids=UNSET, deadline=7.0),
        operations.build_update(ORG, KEY, name="n", description=UNSET, role_ids=UNSET, deadline=7.0),
        operations.build_delete(ORG, KEY, deadline=7.0),
    ):
        assert request.deadline == 7.0


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, "limit=100"),
        ({"limit": 1}, "limit=1"),
        ({"reverse": True}, "limit=100&reverse=true"),
        ({"page_token": "a&b=c d/é+%"}, "limit=100&pageToken=a%26b%3Dc%20d%2F%C3%A9%2B%25"),
        ({"limit": 7, "page_token": "x", "reverse": True}, "limit=7&pageToken=x&reverse=true"),
    ],
)
def test_a_listing_s_options_become_its_query(options: dict[str, Any], query: str) -> None:
    defaults: dict[str, Any] = {"limit": 100, "reverse": False, "page_token": None}
    assert operations.build_list(ORG, **(defaults | options)).query == query


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100))
def test_any_page_token_arrives_as_it_is(token: str) -> None:
    query = operations.build_list(ORG, limit=1, reverse=False, page_token=token).query
    assert query.isascii()
    assert parse_qs(query, strict_parsing=True)["pageToken"] == [token]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256))
def test_any_text_within_bounds_arrives_as_it_is(text: str) -> None:
    body = operations.build_create(ORG, name=text, description=text, role_ids=UNSET).body
    assert body is not None
    assert json.loads(body) == {"name": text, "description": text}


# The bounds of the contract.

LIST_BOUNDS = [
    ({"limit": 0}, "limit is 0; the API takes 1 to 100"),
    ({"limit": -1}, "limit is -1; the API takes 1 to 100"),
    ({"limit": 101}, "limit is 101; the API takes 1 to 100"),
    ({"limit": True}, "limit is of type bool; it takes int"),
    ({"limit": 10.0}, "limit is of type float; it takes int"),
    ({"limit": "10"}, "limit is of type str; it takes int"),
    ({"limit": None}, "limit is of type NoneType; it takes int"),
    ({"page_token": ""}, "page_token is 0 characters; it takes 1 to 4096"),
    ({"page_token": "x" * 4097}, "page_token is 4097 characters; it takes 1 to 4096"),
    ({"page_token": b"x"}, "page_token is of type bytes; it takes str"),
    (
        {"page_token": "ab\udc80"},
        "page_token has half a surrogate pair at 2, which no encoding carries; leave it out",
    ),
]


@pytest.mark.parametrize(("options", "message"), LIST_BOUNDS)
def test_a_listing_out_of_bounds_is_refused(options: dict[str, Any], message: str) -> None:
    defaults: dict[str, Any] = {"limit": 100, "reverse": False, "page_token": None}
    with pytest.raises(InvalidRequestError) as caught:
        operations.build_list(ORG, **(defaults | options))
    assert str(caught.value) == message
    assert caught.value.argument == next(iter(options))


@pytest.mark.parametrize("options", [{"limit": 1}, {"limit": 100}, {"page_token": "x" * 4096}])
def test_a_listing_at_its_bounds_is_built(options: dict[str, Any]) -> None:
    operations.build_list(ORG, **({"limit": 100, "reverse": False, "page_token": None} | options))


TEXT_BOUNDS = [
    ("", "is 0 characters; the API takes 1 to 256"),
    ("x" * 257, "is 257 characters; the API takes 1 to 256"),
    ("😀" * 257, "is 257 characters; the API takes 1 to 256"),
    ("a\ud83d", "has half a surrogate pair at 1, which no encoding carries; leave it out"),
    ("\ude00\ud83d", "has half a surrogate pair at 0, which no encoding carries; leave it out"),
    (None, "is of type NoneType; it takes str"),
    (b"x", "is of type bytes; it takes str"),
    (7, "is of type int; it takes str"),
]


@pytest.mark.parametrize("argument", ["name", "description"])
@pytest.mark.parametrize(("value", "problem"), TEXT_BOUNDS)
def test_a_text_out_of_bounds_is_refused_with_its_length(argument: str, value: Any, problem: str) -> None:
    texts = {"name": "n", "description": "d", argument: value}
    for build in (
        lambda: operations.build_create(ORG, **texts, role_ids=UNSET),
        lambda: operations.build_update(ORG, KEY, **texts, role_ids=UNSET),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            build()
        assert str(caught.value) == f"{argument} {problem}"
        assert caught.value.argument == argument


@pytest.mark.parametrize("text", ["x", "x" * 256, "😀" * 256, "\x00"])
def test_a_text_at_its_bounds_is_sent(text: str) -> None:
    for request in (
        operations.build_create(ORG, name=text, description=text, role_ids=UNSET),
        operations.build_update(ORG, KEY, name=text, description=text, role_ids=UNSET),
    ):
        assert json.loads(request.body or b"") == {"name": text, "description": text}


@pytest.mark.parametrize("count", [1, 5])
def test_one_to_five_roles_are_sent_from_any_iterable(count: int) -> None:
    ids = [UUID(int=n) for n in range(count)]
    given: list[Any] = [ids, tuple(ids), iter(ids), [str(role) for role in ids], dict.fromkeys(ids, 1)]
    for role_ids in given:
        body = operations.build_create(ORG, name="n", description="d", role_ids=role_ids).body
        assert json.loads(body or b"")["roleIds"] == [str(role) for role in ids]


@pytest.mark.parametrize(
    ("role_ids", "message"),
    [
        ([], "role_ids has 0 ids; the API takes 1 to 5"),
        ([KEY] * 6, "role_ids has 6 ids; the API takes 1 to 5"),
        (str(KEY), "role_ids is a single id; it takes several, such as a list"),
        (KEY, "role_ids is a single id; it takes several, such as a list"),
        ([KEY, "admin"], "role_ids[1] is 5 characters and not a UUID; it takes one, as str or uuid.UUID"),
        ([None], "role_ids[0] is of type NoneType and not a UUID; it takes one, as str or uuid.UUID"),
        (None, "role_ids is of type NoneType; it takes several ids, such as a list"),
        (7, "role_ids is of type int; it takes several ids, such as a list"),
    ],
)
def test_roles_out_of_bounds_are_refused(role_ids: Any, message: str) -> None:
    for build in (
        lambda: operations.build_create(ORG, name="n", description="d", role_ids=role_ids),
        lambda: operations.build_update(ORG, KEY, name=UNSET, description=UNSET, role_ids=role_ids),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            build()
        assert str(caught.value) == message


def test_an_update_that_names_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"^update names nothing to change; give name"):
        operations.build_update(ORG, KEY, name=UNSET, description=UNSET, role_ids=UNSET)


@pytest.mark.parametrize("value", [ORG, str(ORG), str(ORG).upper(), ORG.hex])
def test_an_id_is_a_uuid_or_its_text(value: operations.Id) -> None:
    assert operations.read_id("org", value) == ORG


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("", "0 characters"),
        ("me", "2 characters"),
        (f"{ORG}/../x", "41 characters"),
        (f" {ORG}", "37 characters"),
        (7, "of type int"),
        (None, "of type NoneType"),
        (ORG.bytes, "of type bytes"),
    ],
)
def test_what_is_no_uuid_is_refused(value: Any, what: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        operations.read_id("org", value)
    assert str(caught.value) == f"org is {what} and not a UUID; it takes one, as str or uuid.UUID"
    assert caught.value.__context__ is None


def test_roles_warn_where_they_are_given_and_only_there() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        operations.warn_of_role_ids(UNSET, stacklevel=1)
        assert not caught
        operations.warn_of_role_ids([], stacklevel=1)
    assert [(w.category, str(w.message), w.filename) for w in caught] == [
        (DeprecationWarning, "role_ids is deprecated by the API", __file__)
    ]


# How answers read.


def test_the_right_answers_are_read(make_key: Callable[..., AccessKey]) -> None:
    key = dump_key(make_key())
    assert operations.read_page(LIST, answer(200, {"results": [key], "nextPageToken": "t"})).results == (
        make_key(),
    )
    assert operations.read_key(GET, answer(200, key), key_id=KEY) == make_key()
    for status in (200, 201):
        created = operations.read_created(CREATE, answer(status, key | {"accessKey": "the-secret-AbCdEf"}))
        assert created.token.reveal() == "the-secret-AbCdEf"
    for status in (200, 202, 204):
        operations.read_deleted(DELETE, answer(status), missing_ok=False)


STATUSES = [
    (400, ValidationError),
    (401, AuthenticationError),
    (402, APIStatusError),
    (403, PermissionDeniedError),
    (404, NotFoundError),
    (405, APIStatusError),
    (409, ConflictError),
    (422, ValidationError),
    (429, RateLimitError),
    (500, ServerError),
    (503, ServerError),
    (599, ServerError),
    (600, APIStatusError),
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
@pytest.mark.parametrize("request_", [LIST, GET, CREATE, DELETE])
def test_a_refusal_becomes_the_error_of_its_status(
    status: int, kind: type[APIStatusError], request_: Request
) -> None:
    body = {"code": "c", "message": "m", "details": [{"field": "name"}]}
    response = answer(status, body, X_Request_Id="r-1", Retry_After="7")
    for read in read_all(request_, response):
        with pytest.raises(APIStatusError) as caught:
            read()
        error = caught.value
        assert type(error) is kind
        assert (error.status, error.code, error.message, error.request_id) == (status, "c", "m", "r-1")
        assert error.details == [{"field": "name"}]
        assert error.retry_after == 7
        assert error.attempts == response.attempts
        assert str(error).startswith(f"{request_}: {status} c: m [{{'field': 'name'}}] (request r-1)")


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_is_an_error_that_names_its_target(status: int) -> None:
    for read in read_all(GET, answer(status, Location="https://elsewhere.example/x")):
        with pytest.raises(RedirectError) as caught:
            read()
        assert caught.value.status == status
        assert caught.value.location == "https://elsewhere.example/x"
        assert len(caught.value.attempts) == 1


@pytest.mark.parametrize(
    ("read", "statuses", "expected"),
    [
        (0, (201, 202, 204, 206, 299), 200),
        (1, (201, 202, 204, 206, 299), 200),
        (2, (202, 204, 206, 299), 201),
        (3, (201, 206, 299), 204),
    ],
)
def test_a_success_of_another_status_is_out_of_contract(
    read: int, statuses: tuple[int, ...], expected: int
) -> None:
    for status in statuses:
        with pytest.raises(APIResponseError) as caught:
            read_all(GET, answer(status, {}))[read]()
        assert str(caught.value) == f"{GET}: $: expected status {expected}, found {status}"
        assert len(caught.value.attempts) == 1


def test_an_answer_out_of_contract_says_of_which_request_and_shows_no_body() -> None:
    body = b'{"private": "the-secret-AbCdEf", '
    for read in read_all(GET, answer(200, body))[:3]:
        with pytest.raises(APIResponseError) as caught:
            read()
        error = caught.value
        assert str(error).startswith(f"{GET}: $: expected JSON, found 33 bytes of something else")
        assert len(error.attempts) == 1
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        shown.stack[:] = [frame for frame in shown.stack if frame.filename != __file__]
        assert "the-secret" not in "".join(shown.format())
        assert error.__cause__ is None
        assert error.__context__ is None


def test_a_next_page_token_too_long_to_send_back_is_out_of_contract() -> None:
    assert operations.read_page(
        LIST, answer(200, {"results": [], "nextPageToken": "x" * 4096})
    ).next_page_token
    with pytest.raises(APIResponseError, match=r"\$\.nextPageToken: expected at most 4096 characters"):
        operations.read_page(LIST, answer(200, {"results": [], "nextPageToken": "x" * 4097}))


def test_a_missing_key_is_deleted_only_where_that_is_fine() -> None:
    unknown, known = (
        describe_attempt(response, number=1, started_at=0, elapsed=0)
        for response in (answer(500), answer(429, Retry_After="1"))
    )
    missing = answer(404)
    operations.read_deleted(DELETE, missing, missing_ok=True)
    operations.read_deleted(
        DELETE, Response(404, missing.headers, b"", earlier=(unknown, known)), missing_ok=False
    )
    for earlier in ((), (known,)):
        with pytest.raises(NotFoundError):
            operations.read_deleted(
                DELETE, Response(404, missing.headers, b"", earlier=earlier), missing_ok=False
            )
    with pytest.raises(PermissionDeniedError):
        operations.read_deleted(DELETE, answer(403), missing_ok=True)


def test_why_it_was_not_tried_again_stands_in_a_note() -> None:
    for stopped, notes in ((None, []), ("4 retries are used up", ["not tried again: 4 retries are used up"])):
        with pytest.raises(ServerError) as caught:
            operations.read_key(GET, answer(500, stopped=stopped), key_id=KEY)
        assert getattr(caught.value, "__notes__", []) == notes
        assert caught.value.__cause__ is None


def test_an_empty_budget_is_the_cause_of_the_first_error() -> None:
    with pytest.raises(ServerError) as caught:
        operations.read_key(GET, answer(500, stopped=BUDGET_EMPTY), key_id=KEY)
    assert isinstance(caught.value.__cause__, BudgetExhaustedError)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": 7}', b"\xff\xfe", b"[" * 10_000])
def test_a_refusal_of_any_body_is_read(body: bytes) -> None:
    with pytest.raises(ServerError) as caught:
        operations.read_key(GET, answer(500, body), key_id=KEY)
    assert (caught.value.code, caught.value.message) == (None, None)


@pytest.mark.parametrize(
    ("suffix", "expect", "own", "problem"),
    [
        ("AbCdEf", None, "GhIjKl", None),
        ("AbCdEf", "AbCdEf", None, None),
        ("AbCdEf", None, "", None),
        (
            "AbCdEf",
            "GhIjKl",
            None,
            f"expect_suffix is 'GhIjKl', and access key {KEY} has 'AbCdEf': not deleted",
        ),
        ("AbCdEf", "AbCdEf", "AbCdEf", f"key_id is {KEY}, whose token this client uses: not deleted"),
        ("AbCdEf", None, "AbCdEf", f"key_id is {KEY}, whose token this client uses: not deleted"),
    ],
)
def test_the_wrong_key_and_our_own_are_not_deleted(
    suffix: str, expect: str | None, own: str | None, problem: str | None, make_key: Callable[..., AccessKey]
) -> None:
    key = make_key(suffix=suffix)
    if problem is None:
        operations.check_deletion(key, expect_suffix=expect, own_suffix=own)
    else:
        with pytest.raises(AccessKeysError) as caught:
            operations.check_deletion(key, expect_suffix=expect, own_suffix=own)
        assert str(caught.value).startswith(problem)
