from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from uuid import UUID

import pytest
from multidict import CIMultiDict

from accesskeys_async._contract import requests, responses
from accesskeys_async._contract.writing import dump_key
from accesskeys_async._http.messages import Request, Response, Stop, StopReason, describe_attempt
from accesskeys_async.errors import (
    AccessKeysError,
    APIResponseError,
    APIStatusError,
    AuthenticationError,
    BudgetExhaustedError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ServerError,
    ValidationError,
)
from accesskeys_async.records import AccessKey

ORG = UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")
KEY = UUID(int=1)
GET = requests.build_get(ORG, KEY)
DELETE = requests.build_delete(ORG, KEY)
LIST = requests.build_list(ORG, limit=100, reverse=False, page_token=None)
CREATE = requests.build_create(ORG, name="ci", description="deploys")
UPDATE = requests.build_update(ORG, KEY, name="ci")


def answer(status: int, body: object = None, *, stopped: Stop | None = None, **headers: str) -> Response:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, named, data, stopped=stopped)


def read_all(request: Request, response: Response) -> list[Callable[[], object]]:
    return [
        lambda: responses.read_page(request, response),
        lambda: responses.read_key(request, response, key_id=KEY),
        lambda: responses.read_created(request, response),
        lambda: responses.read_deleted(request, response, missing_ok=False),
    ]


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize(
    ("request_", "advice"),
    [
        (GET, "try again later"),
        (LIST, "try again later"),
        (CREATE, "check whether the change happened, then try again"),
        (UPDATE, "check whether the change happened, then try again"),
        (DELETE, "check whether the change happened, then try again"),
    ],
)
def test_only_a_failed_change_advises_to_check_whether_it_happened(
    request_: Request, status: int, advice: str
) -> None:
    for read in read_all(request_, answer(status)):
        with pytest.raises(ServerError) as caught:
            read()
        assert str(caught.value).endswith(f"{status}; {advice}")


def test_the_right_answers_are_read(make_key: Callable[..., AccessKey]) -> None:
    key = dump_key(make_key())
    assert responses.read_page(LIST, answer(200, {"results": [key], "nextPageToken": "t"})).results == (
        make_key(),
    )
    assert responses.read_key(GET, answer(200, key), key_id=KEY) == make_key()
    for status in (200, 201):
        created = responses.read_created(
            CREATE, answer(status, {"accessKey": key, "token": "the-secret-AbCdEf"})
        )
        assert created.token.reveal() == "the-secret-AbCdEf"
    for status in (200, 202, 204):
        responses.read_deleted(DELETE, answer(status), missing_ok=False)


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
    body = {
        "code": "c",
        "message": "m",
        "details": {".name": ["is empty", "is bad"], "roleRefs": ["is long"]},
    }
    response = answer(status, body, X_Request_Id="r-1", Retry_After="7")
    for read in read_all(request_, response):
        with pytest.raises(APIStatusError) as caught:
            read()
        error = caught.value
        assert type(error) is kind
        assert (error.status, error.code, error.message, error.request_id) == (status, "c", "m", "r-1")
        assert error.details == body["details"]
        assert error.retry_after == 7
        assert error.attempts == response.attempts
        assert str(error).startswith(
            f"{request_}: {status} c: m (name: is empty, is bad; roleRefs: is long) (request r-1)"
        )


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ({".name": ["too long"], "b": "odd"}, "(name: too long; b: odd)"),
        ({".a": 7, ".b": [1, None]}, "(a: 7; b: 1, None)"),
        (["a", "b"], "(['a', 'b'])"),
        ("a\nb", "(a b)"),
        ({f".field{n}": ["x" * 40] for n in range(1000)}, "…)"),
        ({}, ""),
    ],
)
def test_what_a_refusal_says_of_fields_is_in_the_error_s_text(details: object, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        responses.read_page(LIST, answer(422, {"code": "InvalidPayload", "details": details}))
    said = str(caught.value)
    assert said.startswith(f"{LIST}: 422 InvalidPayload{' ' if text else ';'}")
    assert text in said
    assert len(said) < 500
    assert "\n" not in said


@pytest.mark.parametrize(
    ("request_", "action"),
    [(LIST, "view"), (GET, "view"), (CREATE, "create"), (UPDATE, "update"), (DELETE, "delete")],
)
def test_a_denied_request_names_the_action_and_path_that_a_policy_must_allow(
    request_: Request, action: str
) -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        responses.read_page(request_, answer(403, {"code": "AccessDenied"}))
    assert f"allow {action!r} on {request_.path}" in str(caught.value)


@pytest.mark.parametrize("name", ["messagebird-request-id", "Messagebird-Request-Id", "X-Request-Id"])
def test_the_request_s_id_is_read_from_either_header(name: str) -> None:
    assert Response(500, CIMultiDict({name: "r-7"}), b"").request_id == "r-7"


def test_the_service_s_own_header_for_the_request_s_id_comes_first() -> None:
    headers = CIMultiDict({"X-Request-Id": "proxy", "messagebird-request-id": "service"})
    assert Response(500, headers, b"").request_id == "service"


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
    assert responses.read_page(
        LIST, answer(200, {"results": [], "nextPageToken": "x" * 4096})
    ).next_page_token
    with pytest.raises(APIResponseError, match=r"\$\.nextPageToken: expected at most 4096 characters"):
        responses.read_page(LIST, answer(200, {"results": [], "nextPageToken": "x" * 4097}))


def test_a_missing_key_is_deleted_only_where_that_is_fine() -> None:
    unknown, known = (
        describe_attempt(response, number=1, started_at=0, elapsed=0)
        for response in (answer(500), answer(429, Retry_After="1"))
    )
    missing = answer(404)
    responses.read_deleted(DELETE, missing, missing_ok=True)
    responses.read_deleted(
        DELETE, Response(404, missing.headers, b"", earlier=(unknown, known)), missing_ok=False
    )
    for earlier in ((), (known,)):
        with pytest.raises(NotFoundError):
            responses.read_deleted(
                DELETE, Response(404, missing.headers, b"", earlier=earlier), missing_ok=False
            )
    with pytest.raises(PermissionDeniedError):
        responses.read_deleted(DELETE, answer(403), missing_ok=True)


def test_why_it_was_not_tried_again_stands_in_a_note() -> None:
    used_up = Stop(StopReason.RETRIES_USED_UP, "4 retries are used up")
    for stopped, notes in ((None, []), (used_up, ["not tried again: 4 retries are used up"])):
        with pytest.raises(ServerError) as caught:
            responses.read_key(GET, answer(500, stopped=stopped), key_id=KEY)
        assert getattr(caught.value, "__notes__", []) == notes
        assert caught.value.__cause__ is None


def test_an_empty_budget_is_the_cause_of_the_first_error() -> None:
    with pytest.raises(ServerError) as caught:
        responses.read_key(GET, answer(500, stopped=Stop(StopReason.BUDGET_EMPTY, "empty")), key_id=KEY)
    assert isinstance(caught.value.__cause__, BudgetExhaustedError)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": 7}', b"\xff\xfe", b"[" * 10_000])
def test_a_refusal_of_any_body_is_read(body: bytes) -> None:
    with pytest.raises(ServerError) as caught:
        responses.read_key(GET, answer(500, body), key_id=KEY)
    assert (caught.value.code, caught.value.message) == (None, None)


@pytest.mark.parametrize(
    ("suffix", "expect", "own", "problem"),
    [
        ("AbCdEf", None, "GhIjKl", None),
        ("AbCdEf", "AbCdEf", None, None),
        ("AbCdEf", None, "", None),
        ("", None, "", None),
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
        requests.check_deletion(key, expect_suffix=expect, own_suffix=own)
    else:
        with pytest.raises(AccessKeysError) as caught:
            requests.check_deletion(key, expect_suffix=expect, own_suffix=own)
        assert str(caught.value).startswith(problem)
