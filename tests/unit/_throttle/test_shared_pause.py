from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accesskeys_async._http.messages import Request, Response
from accesskeys_async._throttle.shared_pause import SharedPause
from accesskeys_async.errors import DeadlineExceededError

MakeRequest = Callable[..., Request]
MakeResponse = Callable[..., Response]


@pytest.fixture
def throttle(world: Any) -> SharedPause:
    return SharedPause(clock=world.clock, sleep=world.sleep, draw=world.draw)


async def test_nothing_waits_before_a_429(
    world: Any, throttle: SharedPause, make_request: MakeRequest, make_response: MakeResponse
) -> None:
    for status in (200, 404, 503):
        throttle.release(make_request(), make_response(status, Retry_After="5"))
    throttle.release(make_request(), None)
    await throttle.acquire(make_request())
    assert throttle.pause(make_request()) == 0.0
    assert world.slept == []


@pytest.mark.parametrize(
    ("headers", "seconds"), [({"Retry_After": "5"}, 5.0), ({}, 0.25), ({"Retry_After": "900"}, 60.0)]
)
async def test_after_a_429_every_task_keeps_still_for_as_long_as_it_asks(
    world: Any,
    throttle: SharedPause,
    make_request: MakeRequest,
    make_response: MakeResponse,
    headers: dict[str, str],
    seconds: float,
) -> None:
    throttle.release(make_request(), make_response(429, **headers))
    world.draws = [0.5]
    spread = min(1.0, seconds / 10)
    assert throttle.pause(make_request()) == pytest.approx(seconds + 0.5 * spread)
    await throttle.acquire(make_request())
    assert world.slept == [pytest.approx(seconds + spread)]
    assert throttle.pause(make_request()) == 0.0


async def test_a_shorter_pause_does_not_cut_a_longer_one_short(
    world: Any, throttle: SharedPause, make_request: MakeRequest, make_response: MakeResponse
) -> None:
    throttle.release(make_request(), make_response(429, Retry_After="10"))
    throttle.release(make_request(), make_response(429, Retry_After="1"))
    await throttle.acquire(make_request())
    assert sum(world.slept) >= 10


async def test_a_pause_past_the_deadline_is_refused_at_once(
    world: Any, throttle: SharedPause, make_request: MakeRequest, make_response: MakeResponse
) -> None:
    throttle.release(make_request(), make_response(429, Retry_After="10"))
    with pytest.raises(DeadlineExceededError, match=r"a pause of 10 s more, past the deadline"):
        await throttle.acquire(make_request(deadline=world.now + 9))
    assert world.slept == []


async def test_who_can_make_it_in_time_is_not_kept_past_the_deadline_by_chance(
    world: Any, throttle: SharedPause, make_request: MakeRequest, make_response: MakeResponse
) -> None:
    throttle.release(make_request(), make_response(429, Retry_After="10"))
    deadline = world.now + 10.5
    await throttle.acquire(make_request(deadline=deadline))
    assert world.now <= deadline
