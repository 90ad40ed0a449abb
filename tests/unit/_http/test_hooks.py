from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from accesskeys_async._http.hooks import CallFinished, CallStarted, Event, make_notify, observe
from accesskeys_async._http.messages import Request, Response
from accesskeys_async.errors import APIConnectionError

MakeRequest = Callable[..., Request]


def test_without_hooks_there_is_nobody_to_tell() -> None:
    assert make_notify(()) is None


def test_every_hook_is_told_in_order_and_one_that_fails_is_logged(
    make_request: MakeRequest, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[str, Event]] = []

    def fail(event: Event) -> None:
        told.append(("first", event))
        raise RuntimeError("broken hook")

    notify = make_notify(iter([fail, lambda event: told.append(("second", event))]))
    assert notify is not None
    event = CallStarted(make_request())
    with caplog.at_level(logging.ERROR, "accesskeys_async"):
        notify(event)
    assert told == [("first", event), ("second", event)]
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("ERROR", "a hook failed at CallStarted")
    ]
    assert caplog.records[0].exc_info is not None


def test_what_is_no_exception_goes_on(make_request: MakeRequest) -> None:
    def stop(event: Event) -> None:
        raise KeyboardInterrupt

    notify = make_notify([stop])
    assert notify is not None
    with pytest.raises(KeyboardInterrupt):
        notify(CallStarted(make_request()))


async def test_a_call_s_start_and_answer_are_told(
    make_request: MakeRequest, make_response: Callable[..., Response]
) -> None:
    events: list[Event] = []
    request, response = make_request(), make_response(204)

    async def send(given: Request) -> Response:
        assert events == [CallStarted(request)]
        return response

    assert await observe(events.append, send)(request) is response
    _, finished = events
    assert isinstance(finished, CallFinished)
    assert (finished.request, finished.response, finished.error) == (request, response, None)
    assert finished.elapsed >= 0


@pytest.mark.parametrize(
    "error", [APIConnectionError("lost", sent=None), asyncio.CancelledError(), KeyError("x")]
)
async def test_a_call_that_fails_is_told_with_our_error_or_none(
    error: BaseException, make_request: MakeRequest
) -> None:
    events: list[Event] = []

    async def send(request: Request) -> Response:
        raise error

    with pytest.raises(type(error)):
        await observe(events.append, send)(make_request())
    finished = events[-1]
    assert isinstance(finished, CallFinished)
    assert finished.response is None
    assert finished.error is (error if isinstance(error, APIConnectionError) else None)
