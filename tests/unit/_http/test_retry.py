from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from accesskeys_async._http.messages import Outcome, Response, Stop, StopReason
from accesskeys_async._http.retry import (
    RetryPolicy,
    Wait,
    decide,
)
from accesskeys_async.errors import (
    APIResponseError,
    APITimeoutError,
    ConfigurationError,
    ResponseTooLargeError,
)
from tests.unit._http.scripted_server import answer, lost, not_connected


def ask(outcome: Outcome, **changes: Any) -> Wait | Stop:
    options: dict[str, Any] = {
        "attempt": 1,
        "repeatable": True,
        "policy": RetryPolicy(),
        "remaining": None,
        "jitter": 1.0,
    }
    return decide(outcome, **(options | changes))


# The table of the design: what happened; GET, DELETE and PATCH; POST.

TABLE: list[tuple[str, Outcome, bool, bool]] = [
    ("not connected", not_connected(), True, True),
    ("no connection in time", APITimeoutError("no connection in time", sent=False), True, True),
    ("429", answer(429), True, True),
    ("429 with Retry-After", answer(429, "1"), True, True),
    ("503 with Retry-After", answer(503, "1"), True, True),
    ("503 with Retry-After of 0", answer(503, "0"), True, True),
    ("503 with garbage for Retry-After", answer(503, "soon"), True, False),
    ("503 with a negative Retry-After", answer(503, "-1"), True, False),
    *((str(status), answer(status), True, False) for status in (500, 502, 503, 504)),
    *((f"{status} with Retry-After", answer(status, "1"), True, False) for status in (500, 502, 504)),
    ("sent, then dropped", lost(), True, False),
    ("sent, then timed out", APITimeoutError("no answer in time", sent=None), True, False),
    *(
        (str(status), answer(status), False, False)
        for status in (300, 301, 304, 308, 400, 401, 403, 404, 405, 409, 418, 422, 499, 501, 505, 599)
    ),
    ("404 with Retry-After", answer(404, "1"), False, False),
    ("an answer out of contract", APIResponseError("$", "expected JSON"), False, False),
    ("an answer too large", ResponseTooLargeError("$", "expected at most 1 byte"), False, False),
]


@pytest.mark.parametrize(
    ("outcome", "repeatable", "again"),
    [
        pytest.param(outcome, repeatable, again, id=f"{what}, {'GET' if repeatable else 'POST'}")
        for what, outcome, if_repeatable, otherwise in TABLE
        for repeatable, again in ((True, if_repeatable), (False, otherwise))
    ],
)
def test_what_is_tried_again(outcome: Outcome, repeatable: bool, again: bool) -> None:
    assert isinstance(ask(outcome, repeatable=repeatable), Wait if again else Stop)


@pytest.mark.parametrize(
    ("outcome", "repeatable", "reason"),
    [
        (answer(500), False, StopReason.MAY_HAVE_HAPPENED),
        (lost(), False, StopReason.MAY_HAVE_HAPPENED),
        (answer(404), True, StopReason.PERMANENT_STATUS),
        (answer(501), False, StopReason.PERMANENT_STATUS),
        (APIResponseError("$", "expected JSON"), True, StopReason.OUT_OF_CONTRACT),
    ],
)
def test_a_stop_says_why(outcome: Outcome, repeatable: bool, reason: StopReason) -> None:
    decision = ask(outcome, repeatable=repeatable)
    assert isinstance(decision, Stop)
    assert decision.reason is reason


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (4, True), (5, False), (6, False)])
def test_retries_are_counted_after_the_first_attempt(attempt: int, again: bool) -> None:
    decision = ask(answer(503), attempt=attempt, policy=RetryPolicy(max_retries=4))
    assert isinstance(decision, Wait) is again
    if not again:
        assert decision == Stop(StopReason.RETRIES_USED_UP, "4 retries are used up")


def test_no_retries_means_none() -> None:
    assert isinstance(ask(answer(429, "0"), policy=RetryPolicy(max_retries=0)), Stop)


@pytest.mark.parametrize(
    ("attempt", "most"), [(1, 0.25), (2, 0.5), (3, 1.0), (4, 2.0), (7, 16.0), (8, 20.0), (99, 20.0)]
)
def test_the_range_of_a_wait_doubles_up_to_its_bound(attempt: int, most: float) -> None:
    policy = RetryPolicy(max_retries=100)
    for jitter in (0.0, 0.5, 1.0):
        decision = ask(answer(500), attempt=attempt, policy=policy, jitter=jitter)
        assert decision == Wait(jitter * most, "status 500", charged=True)


@given(
    attempt=st.integers(1, 10_000),
    base=st.floats(0, 1e6),
    most=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
    asked=st.none() | st.integers(0, 60),
)
def test_a_wait_stays_within_its_bounds(
    attempt: int, base: float, most: float, jitter: float, asked: int | None
) -> None:
    policy = RetryPolicy(max_retries=10_000, base_delay=base, max_delay=most)
    outcome = answer(503, None if asked is None else str(asked))
    decision = ask(outcome, attempt=attempt, policy=policy, jitter=jitter)
    assert isinstance(decision, Wait)
    floor = asked or 0
    assert floor <= decision.seconds <= floor + min(most, base * 2.0 ** min(attempt - 1, 900))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_retry_after_is_a_floor_and_jitter_is_only_added(status: int) -> None:
    for jitter in (0.0, 0.5, 1.0):
        decision = ask(answer(status, "3"), jitter=jitter)
        assert isinstance(decision, Wait)
        assert decision.seconds == 3 + jitter * 0.25


def test_retry_after_as_a_date_is_measured_against_the_answer_s_own() -> None:
    headers = CIMultiDict(
        {"Date": "Fri, 02 Jan 2026 03:04:05 GMT", "Retry-After": "Fri, 02 Jan 2026 03:04:12 GMT"}
    )
    decision = ask(Response(429, headers, b""), jitter=0.0)
    assert decision == Wait(7.0, "status 429", charged=False)


@pytest.mark.parametrize("value", ["", "soon", "-1", "1e3", "NaN", "inf", "0x10", "1;2", "١"])
def test_garbage_and_negative_values_count_as_absent(value: str) -> None:
    decision = ask(answer(429, value), jitter=0.5)
    assert isinstance(decision, Wait)
    assert decision.seconds == 0.125


def too_long(asked: str) -> Stop:
    return Stop(StopReason.RETRY_AFTER_TOO_LONG, f"Retry-After is {asked}, over max_retry_after of 60 s")


@pytest.mark.parametrize(
    ("asked", "decision"),
    [
        ("60", Wait(60.0, "status 429", charged=False)),
        ("61", too_long("61 s")),
        ("999999999999", too_long("3.16224e+07 s")),
    ],
)
def test_a_retry_after_that_is_too_long_is_not_waited_for(asked: str, decision: Wait | Stop) -> None:
    assert ask(answer(429, asked), jitter=0.0) == decision


@pytest.mark.parametrize(
    ("outcome", "remaining", "again"),
    [
        (answer(429, "5"), 5.1, True),
        (answer(429, "5"), 5.0, False),
        (answer(429, "5"), 0.0, False),
        (answer(429, "5"), -1.0, False),
        (lost(), 0.1, True),
        (lost(), 0.0, False),
        (lost(), None, True),
    ],
)
def test_a_wait_that_would_end_past_the_deadline_is_not_begun(
    outcome: Outcome, remaining: float | None, again: bool
) -> None:
    decision = ask(outcome, remaining=remaining, jitter=0.0)
    assert isinstance(decision, Wait) is again
    assert isinstance(decision, Wait) or decision.reason is StopReason.PAST_DEADLINE


def test_only_what_the_api_did_not_ask_for_itself_takes_from_the_budget() -> None:
    charged = [
        decision.charged
        for outcome in (answer(429), answer(429, "1"), answer(503, "1"), answer(500), lost(), not_connected())
        if isinstance(decision := ask(outcome), Wait)
    ]
    assert charged == [False, False, True, True, True, True]


@pytest.mark.parametrize("setting", ["max_retries", "base_delay", "max_delay", "max_retry_after"])
@pytest.mark.parametrize("value", [-1, float("nan")])
def test_a_policy_that_makes_no_sense_is_refused(setting: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"^RetryPolicy\.{setting} is .+; it takes 0 or more$"):
        RetryPolicy(**{setting: value})  # type: ignore[arg-type] # any of its numbers
