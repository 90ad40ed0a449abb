from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from accesskeys_async._http.hooks import AttemptFinished, Event, WaitStarted
from accesskeys_async._http.messages import Request, StopReason
from accesskeys_async._http.retry import (
    Retry,
    RetryBudget,
    RetryPolicy,
)
from accesskeys_async.errors import (
    AccessKeysError,
    APIConnectionError,
    APITimeoutError,
    ClientClosedError,
    DeadlineExceededError,
    ResponseTooLargeError,
)
from tests.unit._http.scripted_server import Server, SlowServer, answer, lost, not_connected

MakeRequest = Callable[..., Request]


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
    assert (response.status, len(response.attempts)) == (500, 3)
    assert str(response.stopped) == "2 retries are used up"
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


async def test_an_attempt_that_the_deadline_ended_is_told_as_such(
    make_retry: Callable[..., Retry], make_request: MakeRequest, world: Any
) -> None:
    timeout = APITimeoutError("no whole answer in time", sent=None)
    server = SlowServer(world, 4.0, lost(), timeout)
    with pytest.raises(DeadlineExceededError) as caught:
        await make_retry()(make_request(deadline=1008.25), server)
    assert caught.value.last is timeout
    assert [a.elapsed for a in caught.value.attempts] == [4.0, 4.0]
    assert [a.started_at.timestamp() for a in caught.value.attempts] == [1000.0, 1004.25]
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
    assert response.stopped.reason is StopReason.PAST_DEADLINE
    assert world.slept == []


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
