from __future__ import annotations

import asyncio
import random
from uuid import UUID

import pytest
from multidict import CIMultiDict

from accesskeys_async._http.messages import Request, Response
from accesskeys_async._throttle.adaptive import MAX_QUOTAS, Adaptive
from accesskeys_async._throttle.learned_quota import EVIDENCE, FORGET, LONGEST_PAUSE, STARVED
from accesskeys_async.errors import APIConnectionError, DeadlineExceededError
from tests.unit._throttle.quota_simulation import (
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

pytestmark = pytest.mark.slow

TOLD = Form()
ASKED_TO_WAIT = Form(headers=False)
REFUSED = Form(headers=False, retry_after=False)


def make(loop: VirtualLoop) -> Adaptive:
    return Adaptive(clock=loop.time, draw=random.Random(7).random)


def refuse_together(throttle: Adaptive, number: int = 0, *, count: int = EVIDENCE, **headers: str) -> None:
    """Let so many requests that were sent together be refused."""
    for _ in range(count + 1):
        throttle.release(make_request(number), answer(429, elapsed=1.0, **headers))


def answer(status: int = 200, elapsed: float = 0.02, **headers: str) -> Response:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, named, b"", 0.0, elapsed)


@pytest.mark.parametrize(
    ("form", "warm_up", "settle"),
    [pytest.param(TOLD, 5, 5, id="told"), pytest.param(ASKED_TO_WAIT, 60, 60, id="Retry-After alone")],
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
        await asyncio.sleep(60)
        tally = await crowd.measure(30)
        await crowd.stop()
        return tally

    tally = run(main)
    assert tally.served >= 0.9 * 2 * 50 * 30
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


def test_a_service_that_tells_of_its_quotas_is_always_listened_to() -> None:
    async def main(loop: VirtualLoop) -> bool:
        throttle = make(loop)
        for _ in range(1000):
            throttle.release(make_request(1), answer(RateLimit_Limit="50", RateLimit_Remaining="45"))
        throttle.release(make_request(1), answer(RateLimit_Limit="50", RateLimit_Remaining="9"))
        return throttle.acquire_nowait(make_request(1))

    assert not run(main)


def test_one_refusal_is_its_own_call_s_alone_whatever_it_requests() -> None:
    async def main(loop: VirtualLoop) -> list[bool]:
        throttle = make(loop)
        throttle.release(make_request(), answer(429, Retry_After="5"))
        return [throttle.acquire_nowait(make_request()), throttle.pause(make_request()) == 0.0]

    assert run(main) == [True, True]


def test_refusals_of_a_client_that_sends_one_request_at_a_time_show_nothing() -> None:
    async def main(loop: VirtualLoop) -> bool:
        throttle = make(loop)
        for _ in range(1000):
            request = make_request()
            await throttle.acquire(request)
            await asyncio.sleep(0.02)
            throttle.release(request, answer(429))
        return throttle.acquire_nowait(make_request())

    assert run(main)


def test_refusals_that_are_the_rule_hold_their_organization_back_and_no_other() -> None:
    async def main(loop: VirtualLoop) -> list[bool]:
        throttle = make(loop)
        refuse_together(throttle, 0, count=EVIDENCE - 1)
        before = throttle.acquire_nowait(make_request(0))
        refuse_together(throttle, 0, count=1)
        return [before, throttle.acquire_nowait(make_request(0)), throttle.acquire_nowait(make_request(1))]

    assert run(main) == [True, False, True]


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
            refuse_together(throttle, Retry_After="5")
            await blocker
        return own, others

    own, others = run(main)
    assert min(own) >= 5.1
    assert max(others) < 1.0


def test_a_requested_pause_past_the_deadline_is_an_error_at_once() -> None:
    async def main(loop: VirtualLoop) -> float:
        throttle = Adaptive(longest=60.0, clock=loop.time, draw=lambda: 0.0)
        refuse_together(throttle, Retry_After="60")
        began = loop.time()
        with pytest.raises(DeadlineExceededError, match="requested a pause of 60 s more, past the deadline"):
            await throttle.acquire(make_request(deadline=began + 59))
        assert loop.time() == began
        await throttle.acquire(make_request(deadline=began + 65))
        return loop.time() - began

    assert run(main) == pytest.approx(60, abs=0.2)


def test_a_pause_that_no_call_would_wait_for_holds_nothing_back() -> None:
    async def main(loop: VirtualLoop) -> float:
        throttle = Adaptive(longest=60.0, clock=loop.time, draw=lambda: 0.0)
        refuse_together(throttle, Retry_After="86400")
        return throttle.pause(make_request())

    assert run(main) == 0.0


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "0"}, {"Retry_After": "soon"}])
def test_no_pause_that_the_service_did_not_request_is_longer_than_two_seconds(
    headers: dict[str, str],
) -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        throttle = make(loop)
        refuse_together(throttle, **headers)
        pauses = []
        for _ in range(10):
            pauses.append(throttle.pause(make_request()))
            await asyncio.sleep(pauses[-1])
            throttle.release(make_request(), answer(429, elapsed=0.0, **headers))
        return pauses

    pauses = run(main)
    assert 0 < pauses[0] < 0.5
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE) == 2.0


def test_a_learned_rate_is_forgotten_seconds_after_nobody_queues() -> None:
    async def main(loop: VirtualLoop) -> list[bool]:
        throttle = make(loop)
        refuse_together(throttle)
        before = throttle.acquire_nowait(make_request())
        await asyncio.sleep(FORGET + 0.1)
        return [before, throttle.acquire_nowait(make_request())]

    assert run(main) == [False, True]
    assert FORGET <= 5.0


def test_while_nothing_is_served_at_all_calls_are_let_go_to_fail_by_their_policy() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        service = Service(loop, rate=1e-6, burst=0.5, form=REFUSED)
        crowd = Crowd(loop, service, make(loop))
        crowd.occupy(1, tasks=64)
        early = (await crowd.measure(STARVED - 1)).refused
        late = (await crowd.measure(STARVED)).refused
        await crowd.stop()
        return early, late

    early, late = run(main)
    assert early < 150  # 64 that were in flight, and one a pause
    assert late > 300


def test_a_quota_that_most_organizations_are_refused_for_is_shared_and_forgotten_when_it_is_not_used() -> (
    None
):
    async def main(loop: VirtualLoop) -> list[bool]:
        throttle = make(loop)
        for number in range(EVIDENCE):
            throttle.release(make_request(number), answer(429))
        shared = throttle.acquire_nowait(make_request(1000))
        await asyncio.sleep(FORGET + 0.1)
        return [shared, throttle.acquire_nowait(make_request(1000))]

    assert run(main) == [False, True]


def test_a_shared_quota_holds_when_the_quotas_of_those_that_were_refused_are_forgotten() -> None:
    async def main(loop: VirtualLoop) -> tuple[bool, int]:
        throttle = make(loop)
        for number in range(EVIDENCE):
            throttle.release(make_request(number), answer(429))
        throttle._quotas.clear()  # as after a minute in which others alone were in the queue
        request = make_request(1000)
        held = not throttle.acquire_nowait(request)
        await throttle.acquire(request)
        assert throttle.pause(request) == 0.0
        throttle.release(request, answer())
        assert throttle._shared is not None
        return held, len(throttle._shared._pending)

    assert run(main) == (True, 0)


def test_a_request_that_was_sent_before_its_quota_turned_out_to_be_shared_is_not_kept_in_its_own() -> None:
    async def main(loop: VirtualLoop) -> int:
        throttle = make(loop)
        throttle.release(make_request(0), answer(RateLimit_Limit="50", RateLimit_Remaining="9"))
        request = make_request(0)
        await throttle.acquire(request)
        assert throttle.pause(request) == 0.0
        for number in range(1, EVIDENCE + 1):
            throttle.release(make_request(number), answer(429))
        throttle.release(request, answer())
        return len(throttle._quotas[make_request(0).organization_id.int]._pending)

    assert run(main) == 0


def test_who_is_cancelled_in_the_queue_takes_no_permit_along() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        throttle = make(loop)
        refuse_together(throttle)
        waiting = [asyncio.create_task(throttle.acquire(make_request())) for _ in range(5)]
        await asyncio.sleep(0.1)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        (quota,) = throttle._quotas.values()
        return len(quota._pending), len(quota._turnstile)

    assert run(main) == (0, 0)


def test_lost_connections_and_failures_of_the_service_hold_nothing_back() -> None:
    async def main(loop: VirtualLoop) -> bool:
        throttle = make(loop)
        for _ in range(400):
            throttle.release(make_request(), APIConnectionError("dropped", sent=None))
            throttle.release(make_request(), answer(503))
        return throttle.acquire_nowait(make_request())

    assert run(main)


def test_quotas_that_are_not_used_are_forgotten_and_never_too_many_are_kept() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        throttle = make(loop)

        def refuse(number: int) -> None:
            request = Request("getAccessKey", "GET", "/", UUID(int=number))
            throttle.release(request, answer())
            throttle.release(request, answer(429))

        most = 0
        for number in range(MAX_QUOTAS + 2_000):
            refuse(number)
            throttle.release(make_request(5), answer())
            most = max(most, len(throttle._quotas))
        await asyncio.sleep(120)
        refuse(0)
        return most, len(throttle._quotas)

    most, left = run(main)
    assert most <= MAX_QUOTAS + 1
    assert left <= 1


def test_after_a_long_silence_refusals_are_still_noticed_at_once() -> None:
    async def main(loop: VirtualLoop) -> bool:
        throttle = make_used_to_silence(loop)
        refuse_together(throttle)
        return throttle.acquire_nowait(make_request())

    assert not run(main)
