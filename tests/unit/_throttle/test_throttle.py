from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field

from accesskeys_async._http.messages import Request, Response
from accesskeys_async._throttle.concurrency import ConcurrencyLimit
from accesskeys_async._throttle.throttle import Throttled, make_prioritize
from accesskeys_async.errors import AccessKeysError, APIConnectionError, DeadlineExceededError
from tests.unit._throttle.quota_simulation import VirtualLoop, run
from tests.unit._throttle.quota_simulation import make_request as make_simulated

MakeRequest = Callable[..., Request]
MakeResponse = Callable[..., Response]


@define
class Scripted:
    """A throttle that does as it is told, and remembers what it was asked."""

    pauses: list[float] = field(factory=list)
    asked: list[object] = field(factory=list)
    refusal: AccessKeysError | None = None

    async def acquire(self, request: Request) -> None:
        self.asked.append("acquire")
        if self.refusal is not None:
            raise self.refusal

    def pause(self, request: Request) -> float:
        self.asked.append("pause")
        return self.pauses.pop(0) if self.pauses else 0.0

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None:
        self.asked.append(outcome)


async def test_a_throttle_is_asked_twice_and_told_once(
    world: Any, make_request: MakeRequest, make_response: MakeResponse
) -> None:
    throttle, limit, answer = Scripted(), ConcurrencyLimit(1), make_response()

    async def send(request: Request) -> Response:
        assert limit.active == 1
        throttle.asked.append("send")
        return answer

    assert await Throttled(limit, throttle)(make_request(), send) is answer
    assert throttle.asked == ["acquire", "pause", "send", answer]
    assert limit.active == 0


@define
class Eager(Scripted):
    """One that knows at once whether a request may go."""

    lets: bool = True

    def acquire_nowait(self, request: Request) -> bool:
        self.asked.append("at once?")
        return self.lets


@pytest.mark.parametrize(
    ("lets", "is_free", "questions"),
    [
        (True, True, ["at once?"]),
        (False, True, ["at once?", "acquire", "pause"]),
        (True, False, ["at once?", "pause"]),
        (False, False, ["at once?", "acquire", "pause"]),
    ],
)
async def test_one_that_lets_go_at_once_is_asked_nothing_else_where_a_place_is_free(
    lets: bool, is_free: bool, questions: list[str], make_request: MakeRequest, make_response: MakeResponse
) -> None:
    throttle, limit, answer = Eager(lets=lets), ConcurrencyLimit(1), make_response()

    async def send(request: Request) -> Response:
        assert limit.active == 1
        return answer

    if not is_free:
        assert limit.take()
        asyncio.get_running_loop().call_soon(limit.release)
    assert await Throttled(limit, throttle)(make_request(), send) is answer
    assert throttle.asked == [*questions, answer]
    assert limit.active == 0


@pytest.mark.parametrize("failure", [APIConnectionError("dropped", sent=None), KeyError("a bug")])
async def test_a_failure_of_what_went_at_once_is_told_too(
    failure: Exception, make_request: MakeRequest
) -> None:
    throttle, limit = Eager(), ConcurrencyLimit(1)

    async def send(request: Request) -> Response:
        raise failure

    with pytest.raises(type(failure)):
        await Throttled(limit, throttle)(make_request(), send)
    assert throttle.asked == ["at once?", failure if isinstance(failure, AccessKeysError) else None]
    assert limit.active == 0


async def test_who_pauses_holds_no_place(
    world: Any, make_request: MakeRequest, make_response: MakeResponse
) -> None:
    throttle, limit = Scripted(pauses=[2.0, 1.0]), ConcurrencyLimit(1)
    active: list[int] = []

    async def sleep(seconds: float) -> None:
        active.append(limit.active)
        await world.sleep(seconds)

    async def send(request: Request) -> Response:
        active.append(limit.active)
        return make_response()

    await Throttled(limit, throttle, clock=world.clock, sleep=sleep)(make_request(), send)
    assert world.slept == [2.0, 1.0]
    assert active == [0, 0, 1]
    assert throttle.asked[:7] == ["acquire", "pause", None, "acquire", "pause", None, "acquire"]
    assert limit.active == 0


async def test_a_pause_past_the_deadline_is_refused_at_once(world: Any, make_request: MakeRequest) -> None:
    throttle, limit = Scripted(pauses=[2.0]), ConcurrencyLimit(1)
    throttled = Throttled(limit, throttle, clock=world.clock, sleep=world.sleep)
    with pytest.raises(DeadlineExceededError, match="a pause of 2 s more, past the deadline") as caught:
        await throttled(make_request(deadline=world.now + 1), never)
    assert world.slept == []
    assert isinstance(caught.value, DeadlineExceededError)
    assert throttle.asked == ["acquire", "pause", None]
    assert limit.active == 0


async def never(request: Request) -> Response:
    raise AssertionError("nothing was to be sent")


async def test_what_the_throttle_refuses_is_neither_sent_nor_released(make_request: MakeRequest) -> None:
    throttle, limit = Scripted(refusal=DeadlineExceededError("too late")), ConcurrencyLimit(1)
    with pytest.raises(DeadlineExceededError, match="too late"):
        await Throttled(limit, throttle)(make_request(), never)
    assert throttle.asked == ["acquire"]
    assert limit.active == 0


async def test_a_failure_is_told_and_raised(make_request: MakeRequest) -> None:
    throttle, limit = Scripted(), ConcurrencyLimit(1)
    failure = APIConnectionError("dropped", sent=None)

    async def send(request: Request) -> Response:
        raise failure

    with pytest.raises(APIConnectionError):
        await Throttled(limit, throttle)(make_request(), send)
    assert throttle.asked[-1] is failure
    assert limit.active == 0


@pytest.mark.parametrize("after", [0.5, 1.5, 2.5])
def test_who_is_cancelled_anywhere_leaves_no_place_taken(after: float) -> None:
    async def main(loop: VirtualLoop) -> tuple[object, int]:
        throttle, limit = Scripted(pauses=[1.0]), ConcurrencyLimit(1)

        async def send(request: Request) -> Response:
            await asyncio.sleep(10)
            raise AssertionError("it was cancelled")

        await limit.acquire(make_simulated())  # so that it waits for a place for a second
        loop.call_later(1.0, limit.release)
        throttled = Throttled(limit, throttle, clock=loop.time)
        task = asyncio.create_task(throttled(make_simulated(), send))
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.wait({task})
        await asyncio.sleep(1)
        return throttle.asked[-1], limit.active

    assert run(main) == (None, 0)


async def test_a_priority_is_given_to_every_request(
    make_request: MakeRequest, make_response: MakeResponse
) -> None:
    sent: list[Request] = []

    async def send(request: Request) -> Response:
        sent.append(request)
        return make_response()

    await make_prioritize(3)(make_request(), send)
    assert [request.priority for request in sent] == [3]
