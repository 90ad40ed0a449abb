from __future__ import annotations

import asyncio
import math
import random
from uuid import UUID

import pytest
from multidict import CIMultiDict

from accesskeys_async.errors import APIConnectionError, DeadlineExceededError
from accesskeys_async.transport.adaptive import MAX_LANES, Adaptive
from accesskeys_async.transport.exchange import Request, Response
from tests.unit.transport.quota_simulation import (
    Crowd,
    Form,
    Service,
    Tally,
    VirtualLoop,
    Watched,
    make_request,
    noisy,
    run,
)

TOLD = Form()
ASKED_TO_WAIT = Form(headers=False)
REFUSED = Form(headers=False, retry_after=False)


def make(loop: VirtualLoop) -> Adaptive:
    return Adaptive(clock=loop.time, draw=random.Random(7).random)


def answer(status: int = 200, elapsed: float = 0.02, **headers: str) -> Response:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, named, b"", 0.0, elapsed)


@pytest.mark.parametrize(
    ("form", "warm_up", "settle"),
    [pytest.param(TOLD, 5, 5, id="told"), pytest.param(ASKED_TO_WAIT, 40, 30, id="Retry-After alone")],
)
def test_an_unknown_quota_is_used_without_refusals_and_followed_when_it_is_halved_and_doubled(
    form: Form, warm_up: float, settle: float
) -> None:
    organizations, rate = (20, 10.0) if form is TOLD else (4, 50.0)

    async def main(loop: VirtualLoop) -> list[tuple[Tally, float]]:
        service = Service(loop, rate=rate, burst=rate, form=form, latency=noisy(1, 0.03))
        crowd = Crowd(loop, service, make(loop))
        crowd.occupy(organizations)
        phases = []
        await asyncio.sleep(warm_up)
        phases.append((await crowd.measure(15), rate * 15 * organizations))
        for factor in (0.5, 2.0):
            service.change(rate * factor, rate * factor)
            await asyncio.sleep(settle)
            phases.append((await crowd.measure(15), rate * factor * 15 * organizations))
        await crowd.stop()
        return phases

    for tally, allowed in run(main):
        assert tally.served >= 0.95 * allowed
        assert tally.refusal_share < 0.01


@pytest.mark.parametrize(
    ("service", "places"),
    [
        pytest.param({"rate": 50, "burst": 50, "form": REFUSED}, 64, id="429 and nothing else"),
        pytest.param({"rate": 50, "burst": 500, "window": 10.0}, 64, id="a window of ten seconds, told"),
        pytest.param(
            {"rate": 50, "burst": 500, "window": 10.0, "form": ASKED_TO_WAIT}, 64, id="a window, not told"
        ),
        pytest.param({"rate": 50, "burst": 50}, 256, id="more at a time than the quota holds"),
    ],
)
def test_quotas_of_other_shapes_are_used_as_well(service: dict[str, object], places: int) -> None:
    async def main(loop: VirtualLoop) -> Tally:
        crowd = Crowd(
            loop,
            Service(loop, latency=noisy(1, 0.03), **service),  # type: ignore[arg-type] - one of the cases above
            make(loop),
            places=places,
        )
        crowd.occupy(2, tasks=64)
        await asyncio.sleep(40)
        tally = await crowd.measure(60)
        await crowd.stop()
        return tally

    tally = run(main)
    assert tally.served >= 0.95 * 2 * 50 * 60
    assert tally.refusal_share < 0.01


@pytest.mark.parametrize("form", [TOLD, ASKED_TO_WAIT])
def test_a_quota_that_hundreds_of_organizations_share_is_recognized(form: Form) -> None:
    async def main(loop: VirtualLoop) -> tuple[Tally, bool]:
        throttle = make(loop)
        service = Service(loop, rate=100, burst=100, form=form, shared=True, latency=noisy(1, 0.03))
        crowd = Crowd(loop, service, throttle)
        crowd.occupy(600, tasks=1)
        await asyncio.sleep(45)
        tally = await crowd.measure(15)
        await crowd.stop()
        return tally, throttle._everyone is not None

    tally, recognized = run(main)
    assert tally.served >= 0.9 * 100 * 15
    assert tally.refusal_share < 0.01
    assert recognized or form is TOLD


@pytest.mark.parametrize(
    "latency", [pytest.param(lambda: 0.02, id="constant"), pytest.param(noisy(3, 0.02), id="noisy")]
)
def test_without_a_quota_nothing_ever_waits(latency: object) -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        watched = Watched(loop, make(loop))
        service = Service(loop, latency=latency)  # type: ignore[arg-type] - a callable, as above
        crowd = Crowd(loop, service, watched)
        crowd.occupy(10, tasks=10)
        tally = await crowd.measure(5)
        await crowd.stop()
        return watched.waits, tally.served

    waits, served = run(main)
    assert waits == 0
    assert served > 0.8 * 64 / 0.02 * 5


def test_a_quota_that_is_never_short_is_not_in_the_way() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        watched = Watched(loop, make(loop))
        service = Service(loop, rate=1000, burst=1000, latency=lambda: 0.1)
        crowd = Crowd(loop, service, watched)
        crowd.occupy(5, tasks=10)
        tally = await crowd.measure(20)
        await crowd.stop()
        return watched.waits, tally.refused

    assert run(main) == (0, 0)


def test_a_pause_is_for_the_organization_alone_and_stops_those_who_wait_for_a_place_too() -> None:
    async def main(loop: VirtualLoop) -> tuple[list[float], list[float]]:
        throttle = make(loop)
        crowd = Crowd(loop, Service(loop), throttle, places=1)
        began = loop.time()
        own: list[float] = []
        others: list[float] = []

        async def go(number: int, moments: list[float]) -> None:
            await crowd.send(make_request(number))
            moments.append(loop.time() - began)

        async with asyncio.TaskGroup() as group:
            blocker = group.create_task(crowd.hold_place(0.5))
            await asyncio.sleep(0)
            for _ in range(3):
                group.create_task(go(0, own))
                group.create_task(go(1, others))
            await asyncio.sleep(0.1)
            refused = make_request(0)
            await throttle.acquire(refused)
            throttle.release(refused, answer(429, Retry_After="5"))
            await blocker
        return own, others

    own, others = run(main)
    assert min(own) >= 5.1
    assert max(others) < 1.0


def test_a_pause_is_bounded_and_one_past_the_deadline_is_refused_at_once() -> None:
    async def main(loop: VirtualLoop) -> tuple[float, float]:
        throttle = Adaptive(longest=60.0, clock=loop.time, draw=lambda: 1.0)
        request = make_request()
        await throttle.acquire(request)
        throttle.release(request, answer(429, Retry_After="86400"))
        began = loop.time()
        with pytest.raises(DeadlineExceededError, match="asked for a pause of 60 s more, past the deadline"):
            await throttle.acquire(make_request(deadline=began + 59))
        at_once = loop.time() - began
        await throttle.acquire(make_request(deadline=began + 65))
        return at_once, loop.time() - began

    assert run(main) == (0.0, pytest.approx(60, abs=0.2))


def test_refusals_that_do_not_say_how_long_are_met_with_longer_and_longer_pauses() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        throttle = Adaptive(clock=loop.time, draw=lambda: 0.0)
        pauses = []
        for _ in range(6):
            request = make_request()
            await throttle.acquire(request)
            assert throttle.pause(request) == 0.0
            throttle.release(request, answer(429, elapsed=0.0))
            pauses.append(round(throttle.pause(make_request()), 3))
            await asyncio.sleep(100)
        return pauses

    assert run(main) == pytest.approx([0.25, 0.5, 1.0, 2.0, 4.0, 8.0], abs=0.13)


def test_a_service_that_fails_under_load_gets_less_at_a_time_and_all_of_it_again_when_it_is_well() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        throttle = make(loop)
        under_way, most, ill = 0, 0, True

        async def serve(request: Request) -> Response:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            crowded = ill and under_way > 10
            await asyncio.sleep(0.05)
            under_way -= 1
            return answer(503 if crowded else 200, elapsed=0.05)

        service = Service(loop)
        service.send = serve  # type: ignore[method-assign] - a service of another kind
        crowd = Crowd(loop, service, throttle)
        crowd.occupy(4, tasks=32)
        await asyncio.sleep(10)
        most = 0
        await asyncio.sleep(10)
        strained = most
        ill = False
        await asyncio.sleep(15)
        most = 0
        await asyncio.sleep(3)
        await crowd.stop()
        return strained, most

    strained, well = run(main)
    assert strained <= 25
    assert well == 64


def test_lost_connections_count_as_failures() -> None:
    async def main(loop: VirtualLoop) -> int | None:
        throttle = make(loop)
        for _ in range(400):
            request = make_request()
            await asyncio.sleep(0.001)
            throttle.release(request, APIConnectionError("dropped", sent=None))
        return throttle._congestion.limit

    assert run(main) is not None


def test_who_is_cancelled_in_the_line_for_a_strained_service_takes_no_permit_along() -> None:
    async def main(loop: VirtualLoop) -> int:
        throttle = make(loop)
        refused = make_request()
        await throttle.acquire(refused)
        throttle.release(refused, answer(429, Retry_After="1"))
        throttle._congestion.limit = 1
        waiting = [asyncio.create_task(throttle.acquire(make_request())) for _ in range(5)]
        await asyncio.sleep(30)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        (lane,) = throttle._lanes.values()
        return len(lane._permits)

    assert run(main) == 1


def test_quotas_that_are_not_used_are_forgotten_and_never_too_many_are_kept() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        throttle = make(loop)

        def refuse(number: int) -> None:
            request = Request("getAccessKey", "GET", "/", UUID(int=number))
            throttle.release(request, answer(429, elapsed=math.inf, Retry_After="1"))

        most = 0
        for number in range(MAX_LANES + 2_000):
            refuse(number)
            most = max(most, len(throttle._lanes))
        await asyncio.sleep(120)
        refuse(0)
        return most, len(throttle._lanes)

    most, left = run(main)
    assert most <= MAX_LANES + 1
    assert left <= 1


def test_a_higher_priority_waits_less_for_a_quota() -> None:
    async def main(loop: VirtualLoop) -> tuple[float, int]:
        service = Service(loop, rate=10, burst=10, latency=lambda: 0.02)
        crowd = Crowd(loop, service, make(loop))
        crowd.occupy(1, tasks=200)
        await asyncio.sleep(10)
        began = loop.time()
        for _ in range(5):
            await crowd.send(make_request(0, priority=1))
        took = loop.time() - began
        await crowd.stop()
        return took, service.tally.served

    took, _ = run(main)
    assert took < 3


def test_a_service_that_falls_silent_about_its_quota_is_probed() -> None:
    async def main(loop: VirtualLoop) -> Tally:
        service = Service(loop, rate=50, burst=50, latency=lambda: 0.03)
        crowd = Crowd(loop, service, make(loop))
        crowd.occupy(2)
        await asyncio.sleep(5)
        service.form = ASKED_TO_WAIT
        await asyncio.sleep(30)
        tally = await crowd.measure(30)
        await crowd.stop()
        return tally

    tally = run(main)
    assert tally.served >= 0.9 * 2 * 50 * 30
    assert tally.refusal_share < 0.01


def test_a_shared_quota_that_is_not_used_is_forgotten() -> None:
    async def main(loop: VirtualLoop) -> tuple[bool, bool]:
        throttle = make(loop)

        async def refuse(number: int) -> None:
            request = make_request(number)
            await throttle.acquire(request)
            throttle.release(request, answer(429, elapsed=0.0, Retry_After="0"))
            await asyncio.sleep(0.8)

        for number in range(9):
            await refuse(number)
        recognized = throttle._everyone is not None
        await asyncio.sleep(61)
        throttle.release(make_request(50), answer())
        return recognized, throttle._everyone is not None

    assert run(main) == (True, False)


def test_refusals_that_keep_to_few_organizations_give_all_others_their_freedom_back() -> None:
    async def main(loop: VirtualLoop) -> tuple[bool, bool]:
        throttle = make(loop)
        for number in range(9):
            throttle.release(make_request(number), answer(429, elapsed=0.0, Retry_After="0"))
            await asyncio.sleep(0.8)
        recognized = throttle._everyone is not None
        for number in range(10, 30):
            throttle.release(make_request(number), answer())
        for _ in range(20):
            throttle.release(make_request(1), answer(429, elapsed=0.0, Retry_After="0"))
            await asyncio.sleep(0.2)
        return recognized, throttle._everyone is not None

    assert run(main) == (True, False)


def test_a_quota_of_which_something_is_under_way_is_not_forgotten() -> None:
    async def main(loop: VirtualLoop) -> bool:
        throttle = make(loop)
        request = make_request(1)
        await throttle.acquire(request)
        throttle.release(request, answer(429, elapsed=0.0))
        await asyncio.sleep(100)
        waiting = make_request(1)
        await throttle.acquire(waiting)
        assert throttle.pause(waiting) == 0.0
        await asyncio.sleep(100)
        throttle.release(make_request(2), answer(429, elapsed=0.0))
        return request.organization_id.int in throttle._lanes

    assert run(main)


def test_a_bucket_too_shallow_to_tell_anything_is_probed() -> None:
    async def main(loop: VirtualLoop) -> tuple[Tally, bool]:
        throttle = make(loop)
        crowd = Crowd(loop, Service(loop, rate=20, burst=3, latency=lambda: 0.02), throttle)
        crowd.occupy(1)
        await asyncio.sleep(60)
        tally = await crowd.measure(30)
        await crowd.stop()
        return tally, any(lane._picture for lane in throttle._lanes.values())

    tally, is_told = run(main)
    assert not is_told
    assert tally.served >= 0.5 * 20 * 30
    assert tally.refusal_share < 0.01


def make_used_to_silence(loop: VirtualLoop) -> Adaptive:
    throttle = make(loop)
    for _ in range(1001):
        throttle.release(make_request(1), answer())
    assert throttle.acquire_nowait(make_request(1))
    return throttle


def test_after_a_long_silence_a_quota_is_noticed_within_four_answers() -> None:
    async def main(loop: VirtualLoop) -> bool:
        throttle = make_used_to_silence(loop)
        for _ in range(4):
            throttle.release(make_request(1), answer(RateLimit_Limit="50", RateLimit_Remaining="9"))
        return throttle.acquire_nowait(make_request(1))

    assert not run(main)


def test_after_a_long_silence_a_refusal_is_noticed_at_once() -> None:
    async def main(loop: VirtualLoop) -> float:
        throttle = make_used_to_silence(loop)
        throttle.release(make_request(1), answer(429, Retry_After="5"))
        return throttle.pause(make_request(1))

    assert run(main) >= 4.9


def test_after_a_long_silence_a_service_that_fails_is_given_relief() -> None:
    async def main(loop: VirtualLoop) -> bool:
        throttle = make_used_to_silence(loop)
        for _ in range(600):
            await asyncio.sleep(0.001)
            throttle.release(make_request(1), answer(503))
        return throttle.acquire_nowait(make_request(1))

    assert not run(main)


def test_a_service_that_tells_of_its_quotas_is_always_listened_to() -> None:
    async def main(loop: VirtualLoop) -> bool:
        throttle = make(loop)
        for _ in range(1000):
            throttle.release(make_request(1), answer(RateLimit_Limit="50", RateLimit_Remaining="45"))
        throttle.release(make_request(1), answer(RateLimit_Limit="50", RateLimit_Remaining="9"))
        return throttle.acquire_nowait(make_request(1))

    assert not run(main)
