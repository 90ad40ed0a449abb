from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from accesskeys_async._http.messages import (
    Next,
    Outcome,
    Request,
    Response,
    compose,
    describe_attempt,
    is_effect_unknown,
    is_rejected_unprocessed,
    read_retry_after,
)
from accesskeys_async.errors import APIConnectionError, APIResponseError

MakeRequest = Callable[..., Request]
MakeResponse = Callable[..., Response]

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()


@given(st.text(), st.none() | st.text(), st.floats(0, 4e9))
def test_any_text_reads_as_seconds_or_none(value: str, date: str | None, now: float) -> None:
    seconds = read_retry_after(value, date=date, now=now)
    assert seconds is None or seconds >= 0


DIGITS = "0123456789 :,-+GMTJanuary"


@given(st.text(DIGITS, max_size=40), st.none() | st.text(DIGITS, max_size=40))
def test_what_looks_like_a_date_reads_as_seconds_or_none(value: str, date: str | None) -> None:
    seconds = read_retry_after(value, date=date, now=NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(0, 366 * 86_400))
def test_seconds_read_as_they_are(seconds: int) -> None:
    assert read_retry_after(str(seconds)) == seconds
    assert read_retry_after(f"  {seconds}\t") == seconds


@given(st.integers(0, 10**6))
def test_a_date_is_measured_against_the_answer_s_own_or_the_clock(seconds: int) -> None:
    until = format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)
    date = format_datetime(datetime.fromtimestamp(NOW, UTC), usegmt=True)
    assert read_retry_after(until, date=date, now=0) == seconds
    assert read_retry_after(until, now=NOW) == seconds
    assert read_retry_after(until, date="no date", now=NOW) == seconds


@pytest.fixture
def _far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Etc/GMT-14")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_far_east")
@pytest.mark.parametrize(
    "value",
    [
        "Fri, 02 Jan 2026 03:04:12 GMT",
        "Friday, 02-Jan-26 03:04:12 GMT",
        "Fri Jan  2 03:04:12 2026",
        "Fri, 02 Jan 2026 03:04:12 -0000",
    ],
)
def test_a_date_in_each_form_of_http_is_in_utc_wherever_we_are(value: str) -> None:
    assert read_retry_after(value, now=NOW) == 7


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("0.5", 0.5),
        ("1.123456789", 1.123456789),
        ("Fri, 02 Jan 2026 03:04:05 GMT", 0),
        ("Fri, 02 Jan 2026 03:04:04 GMT", None),
        ("-1", None),
        ("+1", None),
        ("1.", None),
        (".5", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("1 2", None),
        ("١٢", None),
        ("9" * 13, 366 * 86_400),
        ("9" * 400, 366 * 86_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 366 * 86_400),
        ("Fri, 99 Jan 2026 03:04:05 GMT", None),
        ("Fri, 02 Jan 999999999 03:04:05 GMT", None),
    ],
)
def test_seconds_count_however_many_and_garbage_negative_values_and_times_past_as_absent(
    value: str, seconds: float | None
) -> None:
    assert read_retry_after(value, now=NOW) == seconds


def test_an_answer_knows_its_headers_without_regard_to_case(make_response: MakeResponse) -> None:
    response = make_response(429, retry_after="7", x_request_id="r-1")
    assert (response.retry_after, response.request_id) == (7.0, "r-1")
    assert (make_response().retry_after, make_response().request_id) == (None, None)


def test_the_repr_of_an_exchange_has_no_body_and_no_headers(
    make_request: MakeRequest, make_response: MakeResponse
) -> None:
    assert "hush" not in repr(make_request(body=b"hush"))
    assert "hush" not in repr(make_response(200, b"hush", x_secret="hush"))
    assert str(make_request("PATCH", query="hush")).startswith("PATCH /organizations/")
    assert "hush" not in str(make_request(query="hush"))


def test_a_request_may_be_repeated_unless_it_says_otherwise(organization_id: UUID) -> None:
    request = Request("getAccessKey", "GET", "/", organization_id)
    assert (request.repeatable, request.compress, request.deadline, request.body) == (True, False, None, None)


EFFECTS: list[tuple[Outcome, bool]] = [
    (APIConnectionError("refused", sent=False), False),
    (APIConnectionError("lost", sent=None), True),
    (APIResponseError("$", "expected JSON"), True),
    *(
        (Response(status, CIMultiDict(), b""), status >= 500)
        for status in (200, 302, 404, 429, 500, 501, 503)
    ),
    (Response(503, CIMultiDict({"Retry-After": "1"}), b""), False),
    (Response(503, CIMultiDict({"Retry-After": "soon"}), b""), True),
    (Response(502, CIMultiDict({"Retry-After": "1"}), b""), True),
]


@pytest.mark.parametrize(("outcome", "unknown"), EFFECTS)
def test_what_may_have_taken_effect(outcome: Outcome, unknown: bool) -> None:
    assert is_effect_unknown(outcome) is unknown
    attempt = describe_attempt(outcome, number=3, started_at=NOW, elapsed=0.5, wait=0.25)
    assert attempt.effect_unknown is unknown
    assert (attempt.number, attempt.elapsed, attempt.wait) == (3, 0.5, 0.25)
    assert attempt.started_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    if isinstance(outcome, Response):
        assert (attempt.status, attempt.error) == (outcome.status, None)
    else:
        assert (attempt.status, attempt.error) == (None, str(outcome))


@pytest.mark.parametrize(
    ("status", "retry_after", "rejected"),
    [
        (429, None, True),
        (429, "1", True),
        (503, "1", True),
        (503, None, False),
        (503, "-1", False),
        (500, "1", False),
    ],
)
def test_the_api_declined_to_begin(
    status: int, retry_after: str | None, rejected: bool, make_response: MakeResponse
) -> None:
    response = make_response(status, **({"retry_after": retry_after} if retry_after else {}))
    assert is_rejected_unprocessed(response) is rejected


def test_the_attempt_that_brought_the_answer_comes_last(make_response: MakeResponse) -> None:
    first = describe_attempt(make_response(503), number=1, started_at=NOW, elapsed=0.5, wait=1.0)
    response = Response(200, CIMultiDict(), b"", started_at=NOW + 2, elapsed=0.25, earlier=(first,))
    last = response.attempts[-1]
    assert response.attempts[:-1] == (first,)
    assert (last.number, last.status, last.elapsed, last.wait) == (2, 200, 0.25, 0.0)


async def test_middlewares_run_outermost_first_around_the_last(
    make_request: MakeRequest, make_response: MakeResponse
) -> None:
    steps: list[str] = []

    def make(name: str) -> Any:
        async def middleware(request: Request, call_next: Next) -> Response:
            steps.append(f"{name} in")
            response = await call_next(request)
            steps.append(f"{name} out")
            return response

        return middleware

    async def last(request: Request) -> Response:
        steps.append("sent")
        return make_response(204)

    response = await compose(iter([make("outer"), make("inner")]), last)(make_request())
    assert steps == ["outer in", "inner in", "sent", "inner out", "outer out"]
    assert response.status == 204
    assert compose((), last) is last
