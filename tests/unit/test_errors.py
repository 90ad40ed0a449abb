from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import accesskeys_async
from accesskeys_async import errors
from accesskeys_async.errors import (
    AccessKeysError,
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BudgetExhaustedError,
    ConflictError,
    CreateOutcomeUnknownError,
    DeadlineExceededError,
    InvalidRequestError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ResponseTooLargeError,
    ServerError,
    ValidationError,
    one_line,
    one_line_of,
    status_error,
)
from accesskeys_async.records import AccessKey, Attempt

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, AccessKeysError) and kind.__module__ == errors.__name__
]
ATTEMPTS = (
    Attempt(1, datetime(2026, 1, 1, tzinfo=UTC), 0.5, None, "lost", effect_unknown=True, wait=0.25),
    Attempt(2, datetime(2026, 1, 1, tzinfo=UTC), 0.5, 503, None, effect_unknown=True, wait=0.0),
)
KEY = AccessKey(UUID(int=1), UUID(int=2), "ci", "AbCdEf", datetime(2026, 1, 1, tzinfo=UTC))


def make(kind: type[AccessKeysError]) -> AccessKeysError:
    """Make an error with every attribute set to something."""
    error: AccessKeysError
    if issubclass(kind, InvalidRequestError):
        error = kind("limit", "is 101; the API takes 1 to 100")
    elif issubclass(kind, APIConnectionError):
        error = kind("GET /x: the connection was lost", sent=None)
    elif issubclass(kind, DeadlineExceededError):
        error = kind("GET /x: too late", last=APIConnectionError("GET /x: lost", sent=False))
    elif issubclass(kind, RedirectError):
        error = kind("GET /x", status=302, location="https://elsewhere.example/", request_id="r-1")
    elif issubclass(kind, APIStatusError):
        error = kind(
            "GET /x",
            status=418,
            code="teapot",
            message="I am a teapot",
            details={"field": ["name"]},
            request_id="r-1",
            retry_after=1.5,
        )
    elif issubclass(kind, APIResponseError):
        error = kind("$.id", "expected a UUID")
        error.context, error.key_id = "GET /x", str(UUID(int=1))
    elif issubclass(kind, CreateOutcomeUnknownError):
        error = kind(
            "POST /x: lost",
            organization_id=UUID(int=2),
            name="ci",
            began_at=datetime(2026, 1, 1, tzinfo=UTC),
            nonce="0123456789abcdef",
            candidates=(KEY,),
        )
    else:
        error = kind("what happened; what to do")
    assert (error.attempts, error.cursor) == ((), None)
    error.attempts, error.cursor = ATTEMPTS, "page-3"
    error.add_note("a note")
    return error


def describe(value: object) -> object:
    """Errors compare by identity; look into them."""
    return (type(value), str(value), vars(value)) if isinstance(value, Exception) else value


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(
    "restore", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy]
)
def test_an_error_comes_back_from_a_pickle_and_a_copy_with_all_it_had(
    kind: type[AccessKeysError], restore: Callable[[AccessKeysError], AccessKeysError]
) -> None:
    error = make(kind)
    again = restore(error)
    assert type(again) is kind
    assert str(again) == str(error) != ""
    assert again.args == error.args
    assert {name: describe(value) for name, value in vars(again).items()} == {
        name: describe(value) for name, value in vars(error).items()
    }


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_says_it_in_one_line_and_belongs_to_the_tree(kind: type[AccessKeysError]) -> None:
    assert len(str(make(kind)).splitlines()) == 1
    assert issubclass(kind, AccessKeysError)
    assert kind.__name__.endswith("Error")
    assert kind.__name__ in errors.__all__
    assert getattr(accesskeys_async, kind.__name__) is kind
    assert kind.__name__ in accesskeys_async.__all__


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (InvalidRequestError, ValueError),
        (APITimeoutError, TimeoutError),
        (APITimeoutError, APIConnectionError),
        (DeadlineExceededError, TimeoutError),
        (ResponseTooLargeError, APIResponseError),
        *((kind, APIStatusError) for kind in (RedirectError, RateLimitError, ServerError, NotFoundError)),
    ],
)
def test_an_error_is_also_what_a_caller_would_catch(kind: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(kind, builtin)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ValidationError),
        (401, AuthenticationError),
        (402, APIStatusError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (405, APIStatusError),
        (409, ConflictError),
        (422, ValidationError),
        (429, RateLimitError),
        (499, APIStatusError),
        (500, ServerError),
        (501, ServerError),
        (503, ServerError),
        (599, ServerError),
        (600, APIStatusError),
        (999, APIStatusError),
    ],
)
def test_a_status_has_its_class(status: int, kind: type[APIStatusError]) -> None:
    assert status_error(status) is kind


def test_a_refusal_says_what_the_api_said_and_what_to_do() -> None:
    error = ValidationError(
        "POST /x",
        status=422,
        code="invalid",
        message="no\nname",
        details=[{"field": "name"}],
        request_id="r-1",
    )
    assert str(error) == (
        "POST /x: 422 invalid: no name ([{'field': 'name'}]) (request r-1); correct what is named"
    )
    assert (error.code, error.message, error.status) == ("invalid", "no\nname", 422)


def test_a_wait_that_the_api_asks_for_goes_before_advice() -> None:
    assert str(RateLimitError("GET /x", status=429, retry_after=2)) == "GET /x: 429; try again after 2 s"
    assert str(RateLimitError("GET /x", status=429)) == "GET /x: 429; slow down, then try again"
    assert str(APIStatusError("GET /x", status=418)) == "GET /x: 418"


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if issubclass(kind, APIStatusError)])
def test_every_refusal_with_a_class_of_its_own_has_advice(kind: type[APIStatusError]) -> None:
    assert kind is APIStatusError or kind.advice


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://elsewhere.example/", "redirects to https://elsewhere.example/, not followed"),
        (None, "redirects to an unnamed place, not followed"),
        ("", "redirects to an unnamed place, not followed"),
    ],
)
def test_a_redirect_names_its_target(location: str | None, said: str) -> None:
    error = RedirectError("GET /x", status=307, location=location)
    assert str(error) == f"GET /x: 307 {said}; give the right base_url"
    assert error.location == location


def test_an_answer_out_of_contract_says_where_and_a_lost_token_which_key_to_delete() -> None:
    error = APIResponseError("$.suffix", "expected a string")
    assert str(error) == "$.suffix: expected a string"
    error.context, error.key_id = "POST /x", "7"
    assert str(error) == (
        "POST /x: $.suffix: expected a string; its token is lost: delete access key 7 if it is new"
    )


def test_an_invalid_request_names_its_argument() -> None:
    error = InvalidRequestError("limit", "is 0; the API takes 1 to 100")
    assert (error.argument, str(error)) == ("limit", "limit is 0; the API takes 1 to 100")


def test_the_other_errors_keep_what_they_were_given() -> None:
    last = APIConnectionError("lost", sent=False)
    assert DeadlineExceededError("late", last=last).last is last
    assert DeadlineExceededError("late").last is None
    assert last.sent is False
    assert str(PaginationError("circles")) == "circles"
    assert str(BudgetExhaustedError("empty")) == "empty"


@given(st.text(max_size=2000), st.integers(1, 300))
def test_foreign_text_is_made_printable_short_and_of_one_line(text: str, limit: int) -> None:
    made = one_line(text, limit)
    assert len(made) <= limit
    assert made.isprintable()
    assert len(made.splitlines()) <= 1
    assert made == made.strip()


@given(st.text(st.characters(categories=["L", "N"]), max_size=300))
def test_text_that_is_fit_already_stays(text: str) -> None:
    assert one_line(text) == text


def test_an_error_that_is_too_long_is_cut_in_its_middle_and_keeps_its_advice() -> None:
    error = ValidationError("POST /x", status=422, message="m" * 300, details={"name": ["d" * 290]})
    made = one_line_of(error)
    assert len(made) == 300
    assert made.startswith("POST /x: 422 mmm")
    assert "…" in made
    assert made.endswith("; correct what is named")
    assert one_line_of(ValueError("short\nand whole")) == "short and whole"


def test_text_that_is_too_long_shows_that_it_was_cut() -> None:
    assert one_line("x" * 301) == "x" * 299 + "…"
    assert one_line("a\x1b[31m\nb\t\u202ec") == "a [31m b c"
