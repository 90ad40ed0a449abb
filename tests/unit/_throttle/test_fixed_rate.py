from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accesskeys_async._http.messages import Request
from accesskeys_async._throttle.fixed_rate import FixedRate
from accesskeys_async.errors import ConfigurationError, DeadlineExceededError
from tests.unit._throttle.quota_simulation import (
    Crowd,
    Form,
    Service,
    VirtualLoop,
    make_request,
    run,
)


async def let_go(throttle: FixedRate, request: Request, loop: VirtualLoop, moments: list[float]) -> None:
    await throttle.acquire(request)
    moments.append(loop.time())
    throttle.release(request, None)


@settings(max_examples=50)
@given(
    st.floats(0.5, 200),
    st.floats(0.1, 10),
    st.none() | st.integers(1, 10),
    st.lists(st.floats(0, 2), max_size=40),
)
def test_no_window_sees_more_than_the_rate_and_one_burst(
    requests: float, per: float, burst: int | None, steps: list[float]
) -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        throttle = FixedRate(requests, per, burst=burst, clock=loop.time)
        moments: list[float] = []
        async with asyncio.TaskGroup() as group:
            for step in steps:
                await asyncio.sleep(step * per / requests)
                group.create_task(let_go(throttle, make_request(), loop, moments))
        return moments

    moments = run(main)
    assert len(moments) == len(steps)
    at_once = burst or max(1, -(-requests // (per * 100)))
    for first, start in enumerate(moments):
        for last in range(first, len(moments)):
            assert last - first + 1 <= requests * (moments[last] - start) / per + at_once + 1e-6


def test_a_hundred_requests_at_ten_a_second_take_what_ninety_nine_waits_take() -> None:
    async def main(loop: VirtualLoop) -> float:
        throttle = FixedRate(10, clock=loop.time)
        began = loop.time()
        await asyncio.gather(*(let_go(throttle, make_request(), loop, []) for _ in range(100)))
        return loop.time() - began

    assert run(main) == pytest.approx(9.9, abs=1e-6)


def test_each_organization_has_a_quota_of_its_own_unless_the_key_says_otherwise() -> None:
    async def main(loop: VirtualLoop) -> tuple[float, float, float]:
        async def take(throttle: FixedRate) -> float:
            began = loop.time()
            await asyncio.gather(*(let_go(throttle, make_request(number), loop, []) for number in range(5)))
            return loop.time() - began

        def by_kind(request: Request) -> object:
            return request.operation

        return (
            await take(FixedRate(1, clock=loop.time)),
            await take(FixedRate(1, key=None, clock=loop.time)),
            await take(FixedRate(1, key=by_kind, clock=loop.time)),
        )

    assert run(main) == (0.0, pytest.approx(4.0), pytest.approx(4.0))


def test_a_higher_priority_goes_first_and_equals_as_they_came() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        throttle = FixedRate(1, clock=loop.time)
        order: list[int] = []

        async def go(number: int, priority: int) -> None:
            await throttle.acquire(make_request(priority=priority))
            order.append(number)

        async with asyncio.TaskGroup() as group:
            for number, priority in enumerate((0, 0, 0, 7, 7)):
                group.create_task(go(number, priority))
                await asyncio.sleep(0)
        return order

    assert run(main) == [0, 3, 4, 1, 2]


def test_a_turn_past_the_deadline_is_refused_at_once_however_far_back_in_line() -> None:
    async def main(loop: VirtualLoop) -> float:
        throttle = FixedRate(1, clock=loop.time)
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(let_go(throttle, make_request(), loop, []))
            await asyncio.sleep(0)
            began = loop.time()
            with pytest.raises(DeadlineExceededError, match=r"the rate of 1 a second lets it go in 5 s"):
                await throttle.acquire(make_request(deadline=began + 4.5))
            took = loop.time() - began
            await throttle.acquire(make_request(deadline=began + 5.5))
        return took

    assert run(main) == 0.0


def test_permits_that_pile_up_before_a_busy_pool_do_not_go_all_at_once() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        sent: list[float] = []
        service = Service(loop, latency=lambda: 0.001)
        crowd = Crowd(loop, service, FixedRate(10, clock=loop.time), places=4)
        blocked = [asyncio.create_task(crowd.hold_place(3.0)) for _ in range(4)]

        async def go() -> None:
            await crowd.send(make_request())
            sent.append(loop.time())

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(go())
        await asyncio.gather(*blocked)
        return sent

    sent = run(main)
    for first, start in enumerate(sent):
        for last in range(first, len(sent)):
            assert last - first + 1 <= 10 * (sent[last] - start) + 2 + 0.1


def test_a_rate_as_high_as_the_quota_is_never_refused() -> None:
    async def main(loop: VirtualLoop) -> Any:
        service = Service(loop, rate=50, burst=5, form=Form(headers=False), latency=lambda: 0.03)
        crowd = Crowd(loop, service, FixedRate(50, clock=loop.time))
        crowd.occupy(4)
        tally = await crowd.measure(10)
        await crowd.stop()
        return tally

    tally = run(main)
    assert tally.refused == 0
    assert tally.served >= 0.99 * 4 * 50 * 10


@pytest.mark.slow
def test_quotas_of_organizations_long_gone_are_forgotten() -> None:
    async def main(loop: VirtualLoop) -> int:
        throttle = FixedRate(100, clock=loop.time)
        for number in range(11_000):
            request = Request("getAccessKey", "GET", "/", UUID(int=number))
            await throttle.acquire(request)
            assert throttle.pause(request) == 0.0
            throttle.release(request, None)
            await asyncio.sleep(0.01)
        return len(throttle._gates)

    assert run(main) <= 10_000


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"requests": 0}, "requests is 0; it takes a number above 0"),
        ({"requests": float("inf")}, "requests is inf"),
        ({"requests": 1, "per": 0}, "per is 0; it takes a number above 0"),
        ({"requests": 1, "burst": 0}, "burst is 0; it takes 1 or more"),
    ],
)
def test_a_rate_that_makes_no_sense_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FixedRate(**arguments)
    assert str(caught.value).startswith(complaint)
