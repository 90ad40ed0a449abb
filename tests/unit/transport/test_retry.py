from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from accesskeys_async.errors import (
    AccessKeysError,
    APIConnectionError,
    APIResponseError,
    APITimeoutError,
    BudgetExhaustedError,
    ClientClosedError,
    ConfigurationError,
    DeadlineExceededError,
    ResponseTooLargeError,
)
from accesskeys_async.transport.exchange import Outcome, Request, Response
from accesskeys_async.transport.hooks import AttemptFinished, Event, WaitStarted, make_notify
from accesskeys_async.transport.retry import (
    BUDGET_EMPTY,
    Retry,
    RetryBudget,
    RetryPolicy,
    Stop,
    Wait,
    decide,
)

MakeRequest = Callable[..., Request]


def answer(status: int, retry_after: str | None = None) -> Response:
    headers: CIMultiDict[str] = CIMultiDict()
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return Response(status, headers, b"")


def not_connected() -> APIConnectionError:
    return APIConnectionError("could not connect", sent=False)


def lost() -> APIConnectionError:
    return APIConnectionError("the connection was lost", sent=None)


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
        (answer(500), False, "it may have happened"),
        (lost(), False, "it may have happened"),
        (answer(404), True, "this status does not pass by itself"),
        (answer(501), False, "this status does not pass by itself"),
        (APIResponseError("$", "expected JSON"), True, "an answer out of contract stays so"),
    ],
)
def test_a_stop_says_why(outcome: Outcome, repeatable: bool, reason: str) -> None:
    assert ask(outcome, repeatable=repeatable) == Stop(reason)


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (4, True), (5, False), (6, False)])
def test_retries_are_counted_after_the_first_attempt(attempt: int, again: bool) -> None:
    decision = ask(answer(503), attempt=attempt, policy=RetryPolicy(max_retries=4))
    assert isinstance(decision, Wait) is again
    if not again:
        assert decision == Stop("4 retries are used up")


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


@pytest.mark.parametrize(
    ("asked", "decision"),
    [
        ("60", Wait(60.0, "status 429", charged=False)),
        ("61", Stop("Retry-After is 61 s, over max_retry_after of 60 s")),
        ("999999999999", Stop("Retry-After is 1e+12 s, over max_retry_after of 60 s")),
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
    assert again or "past the deadline" in decision.reason


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


# The budget.


def test_a_budget_is_taken_from_and_given_back_to_up_to_its_capacity() -> None:
    budget = RetryBudget(capacity=2, refund=0.5)
    assert [budget.take() for _ in range(3)] == [True, True, False]
    budget.give()
    assert not budget.take()
    budget.give()
    assert budget.take()
    for _ in range(100):
        budget.give()
    assert budget.tokens == 2


@pytest.mark.parametrize("options", [{"capacity": -1}, {"refund": -0.1}, {"capacity": float("nan")}])
def test_a_budget_takes_no_negative_numbers(options: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="takes no negative numbers"):
        RetryBudget(**options)


@given(
    capacity=st.floats(0, 50),
    refund=st.floats(0, 1),
    outcomes=st.lists(st.booleans(), max_size=300),
)
def test_retries_never_outnumber_capacity_and_the_share_of_successes(
    capacity: float, refund: float, outcomes: list[bool]
) -> None:
    budget = RetryBudget(capacity=capacity, refund=refund)
    retries = 0
    for number, succeeded in enumerate(outcomes):
        if succeeded:
            budget.give()
        else:
            retries += budget.take()
        assert retries <= capacity + refund * number + 1e-6
        assert 0 <= budget.tokens <= capacity


# The middleware.


class Server:
    """Answers with what is scripted, and counts."""

    def __init__(self, *outcomes: Response | AccessKeysError, then: Response | None = None) -> None:
        self._outcomes: Iterator[Response | AccessKeysError] = iter(outcomes)
        self._then = then
        self.requests = 0

    async def __call__(self, request: Request) -> Response:
        self.requests += 1
        outcome = next(self._outcomes, self._then)
        assert outcome is not None
        if isinstance(outcome, Response):
            return outcome
        raise outcome


@pytest.fixture
def make_retry(world: Any) -> Callable[..., Retry]:
    def make(
        policy: RetryPolicy | None = None,
        *,
        budget: RetryBudget | None = None,
        hook: Callable[[Event], object] | None = None,
    ) -> Retry:
        return Retry(
            policy or RetryPolicy(),
            budget or RetryBudget(),
            notify=make_notify([hook] if hook else []),
            clock=world.clock,
            wall_clock=world.clock,
            sleep=world.sleep,
            draw=world.draw,
        )

    return make


async def test_a_success_goes_through_as_it_is(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    response = answer(200)
    assert await make_retry()(make_request(), Server(response)) is response


async def test_waits_grow_until_an_attempt_succeeds_and_the_answer_tells_of_all(
    make_retry: Callable[..., Retry], make_request: MakeRequest, world: Any
) -> None:
    server = Server(not_connected(), answer(503), lost(), answer(204))
    response = await make_retry()(make_request("DELETE"), server)
    assert response.status == 204
    assert world.slept == [0.25, 0.5, 1.0]
    assert [(a.number, a.status, a.error, a.effect_unknown, a.wait) for a in response.attempts] == [
        (1, None, "could not connect", False, 0.25),
        (2, 503, None, True, 0.5),
        (3, None, "the connection was lost", True, 1.0),
        (4, 204, None, False, 0.0),
    ]
    assert [a.started_at.timestamp() for a in response.earlier] == [1000.0, 1000.25, 1000.75]


async def test_the_last_answer_is_returned_with_why_it_stands(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    server = Server(then=answer(500))
    response = await make_retry(RetryPolicy(max_retries=2))(make_request(), server)
    assert (response.status, response.stopped, len(response.attempts)) == (500, "2 retries are used up", 3)
    assert server.requests == 3


async def test_the_last_error_is_raised_with_every_attempt(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    server = Server(answer(429, "1"), *(lost() for _ in range(9)))
    with pytest.raises(APIConnectionError) as caught:
        await make_retry(RetryPolicy(max_retries=2))(make_request(), server)
    assert [a.status for a in caught.value.attempts] == [429, None, None]
    assert [a.wait for a in caught.value.attempts] == [1.25, 0.5, 0.0]
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


async def test_an_answer_out_of_contract_is_raised_at_once_with_its_attempts(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    events: list[Event] = []
    server = Server(answer(503), ResponseTooLargeError("$", "expected less"))
    with pytest.raises(ResponseTooLargeError) as caught:
        await make_retry(hook=events.append)(make_request(), server)
    assert [(a.number, a.status, a.error) for a in caught.value.attempts] == [
        (1, 503, None),
        (2, None, "$: expected less"),
    ]
    assert caught.value.attempts[1].effect_unknown
    assert [type(event) for event in events] == [AttemptFinished, WaitStarted, AttemptFinished]
    assert server.requests == 2


@pytest.mark.parametrize("error", [DeadlineExceededError("no place was free"), ClientClosedError("closed")])
async def test_an_error_of_another_kind_goes_through_with_what_was_tried(
    error: AccessKeysError, make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    first = answer(503)
    with pytest.raises(type(error)) as caught:
        await make_retry()(make_request(), Server(first, error))
    assert caught.value is error
    assert [a.status for a in error.attempts] == [503]
    if isinstance(error, DeadlineExceededError):
        assert error.last is first


async def test_a_deadline_before_the_first_attempt_has_no_last(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    with pytest.raises(DeadlineExceededError) as caught:
        await make_retry()(make_request(), Server(DeadlineExceededError("late")))
    assert caught.value.last is None
    assert caught.value.attempts == ()


class SlowServer(Server):
    """Takes its time, on the scripted clock."""

    def __init__(self, world: Any, seconds: float, *outcomes: Response | AccessKeysError) -> None:
        super().__init__(*outcomes)
        self._world = world
        self._seconds = seconds

    async def __call__(self, request: Request) -> Response:
        self._world.now += self._seconds
        return await super().__call__(request)


async def test_an_attempt_that_the_deadline_ended_is_told_as_such(
    make_retry: Callable[..., Retry], make_request: MakeRequest, world: Any
) -> None:
    timeout = APITimeoutError("no whole answer in time", sent=None)
    server = SlowServer(world, 4.0, lost(), timeout)
    with pytest.raises(DeadlineExceededError) as caught:
        await make_retry()(make_request(deadline=1008.0), server)
    assert caught.value.last is timeout
    assert [a.elapsed for a in caught.value.attempts] == [4.0, 4.0]
    assert "the deadline came in attempt 2" in str(caught.value)


async def test_a_create_with_an_unknown_outcome_is_told_as_such_even_at_the_deadline(
    make_retry: Callable[..., Retry], make_request: MakeRequest, world: Any
) -> None:
    timeout = APITimeoutError("no whole answer in time", sent=None)
    with pytest.raises(APITimeoutError) as caught:
        await make_retry()(make_request("POST", deadline=1004.0), SlowServer(world, 4.0, timeout))
    assert caught.value is timeout
    refused = APITimeoutError("no connection in time", sent=False)
    with pytest.raises(DeadlineExceededError):
        await make_retry()(make_request("POST", deadline=1008.0), SlowServer(world, 4.0, refused))


async def test_an_answer_at_the_deadline_is_still_an_answer(
    make_retry: Callable[..., Retry], make_request: MakeRequest, world: Any
) -> None:
    response = await make_retry()(make_request(deadline=1004.0), SlowServer(world, 4.0, answer(429, "3")))
    assert (response.status, response.retry_after) == (429, 3.0)
    assert response.stopped is not None
    assert response.stopped.endswith("past the deadline")
    assert world.slept == []


async def test_an_empty_budget_lets_the_first_error_stand(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    budget = RetryBudget(capacity=0)
    response = await make_retry(budget=budget)(make_request(), Server(answer(503)))
    assert response.stopped == BUDGET_EMPTY
    with pytest.raises(APIConnectionError) as caught:
        await make_retry(budget=budget)(make_request(), Server(lost()))
    assert isinstance(caught.value.__cause__, BudgetExhaustedError)
    waited = await make_retry(budget=budget)(make_request(), Server(answer(429, "1"), answer(200)))
    assert waited.status == 200


@pytest.mark.parametrize(
    ("status", "gives"),
    [(200, True), (204, True), (404, True), (301, True), (429, False), (500, False), (501, False)],
)
async def test_an_answer_other_than_failure_gives_to_the_budget(
    status: int, gives: bool, make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    budget = RetryBudget(capacity=1, refund=0.25)
    assert budget.take()
    await make_retry(RetryPolicy(max_retries=0), budget=budget)(make_request(), Server(answer(status)))
    assert budget.tokens == (0.25 if gives else 0)


async def test_a_dying_server_sees_no_more_than_the_capacity_on_top(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    retry = make_retry(budget=RetryBudget(capacity=10, refund=0.1))
    server = Server(then=answer(503))
    for _ in range(200):
        await retry(make_request(), server)
    assert server.requests == 200 + 10


async def test_a_server_that_fails_half_the_time_sees_a_tenth_more_once_the_capacity_is_spent(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    retry = make_retry(budget=RetryBudget(capacity=10, refund=0.1))
    healthy, dying = Server(then=answer(200)), Server(then=answer(503))
    for _ in range(500):
        await retry(make_request(), healthy)
        await retry(make_request(), dying)
    assert dying.requests <= 500 + 10 + 0.1 * 500


async def test_each_attempt_and_wait_is_logged_without_header_and_body(
    make_retry: Callable[..., Retry], make_request: MakeRequest, caplog: pytest.LogCaptureFixture
) -> None:
    request = make_request("PATCH", body=b"the-body", query="pageToken=the-query")
    with caplog.at_level(logging.DEBUG, "accesskeys_async"):
        await make_retry()(request, Server(answer(503, "1"), lost(), answer(200)))
    path = f"PATCH {request.path}"
    assert [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "accesskeys_async"] == [
        ("DEBUG", f"{path}: 503 in 0.000 s, attempt 1"),
        ("WARNING", f"{path}: status 503; trying again in 1.250 s"),
        ("DEBUG", f"{path}: APIConnectionError in 0.000 s, attempt 2"),
        ("WARNING", f"{path}: APIConnectionError; trying again in 0.500 s"),
        ("DEBUG", f"{path}: 200 in 0.000 s, attempt 3"),
    ]


async def test_hooks_are_told_of_each_attempt_and_wait(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    events: list[Event] = []
    request = make_request()
    await make_retry(hook=events.append)(request, Server(answer(500), answer(200)))
    first, wait, second = events
    assert isinstance(first, AttemptFinished)
    assert (first.request, first.attempt.number, first.attempt.status) == (request, 1, 500)
    assert wait == WaitStarted(request, 1, 0.25, "status 500")
    assert isinstance(second, AttemptFinished)
    assert (second.attempt.number, second.attempt.status) == (2, 200)


async def test_a_cancelled_wait_ends_the_call(make_request: MakeRequest) -> None:
    started = asyncio.Event()

    async def sleep(seconds: float) -> None:
        started.set()
        await asyncio.Event().wait()

    server = Server(then=answer(503))
    retry = Retry(RetryPolicy(), RetryBudget(), sleep=sleep)
    task = asyncio.create_task(retry(make_request(), server))  # type: ignore[arg-type] # it is a coroutine
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.requests == 1
