from __future__ import annotations

import asyncio
import random

import pytest

from accesskeys_async._throttle.concurrency import ConcurrencyLimit
from accesskeys_async.errors import ConfigurationError, DeadlineExceededError
from tests.unit._throttle.quota_simulation import VirtualLoop, make_request, run


def test_a_limit_takes_one_or_more() -> None:
    with pytest.raises(ConfigurationError, match="max_concurrency is 0; it takes 1 or more"):
        ConcurrencyLimit(0)


@pytest.mark.parametrize("seed", range(20))
def test_a_place_is_never_lost_and_never_given_twice(seed: int) -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        draw = random.Random(seed)
        limit = ConcurrencyLimit(3)
        under_way = most = 0

        async def work() -> None:
            nonlocal under_way, most
            request = make_request(draw.randrange(4), priority=draw.randrange(2))
            if draw.random() < 0.3:
                request = make_request(draw.randrange(4), deadline=loop.time() + draw.random() * 3)
            await limit.acquire(request)
            under_way += 1
            most = max(most, under_way)
            try:
                await asyncio.sleep(draw.random())
            finally:
                under_way -= 1
                limit.release()

        tasks = []
        for _ in range(60):
            tasks.append(asyncio.create_task(work()))
            await asyncio.sleep(draw.choice((0, 0, 0.1)))
            if draw.random() < 0.4:
                draw.choice(tasks).cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(
            outcome is None or isinstance(outcome, asyncio.CancelledError | DeadlineExceededError)
            for outcome in done
        )
        return most, limit.active

    most, active = run(main)
    assert most == 3
    assert active == 0


async def test_a_place_given_just_as_its_taker_is_cancelled_goes_to_the_next() -> None:
    limit = ConcurrencyLimit(1)
    await limit.acquire(make_request())
    first = asyncio.create_task(limit.acquire(make_request()))
    second = asyncio.create_task(limit.acquire(make_request()))
    await asyncio.sleep(0)
    limit.release()
    first.cancel()
    await asyncio.wait_for(second, 5)
    assert first.cancelled()
    assert limit.active == 1
    limit.release()
    assert limit.active == 0


def test_a_place_that_is_not_free_before_the_deadline_is_given_up_then() -> None:
    async def main(loop: VirtualLoop) -> float:
        limit = ConcurrencyLimit(1)
        await limit.acquire(make_request())
        began = loop.time()
        with pytest.raises(DeadlineExceededError, match="no place among 1 was free before the deadline"):
            await limit.acquire(make_request(deadline=began + 2))
        took = loop.time() - began
        limit.release()
        assert limit.active == 0
        return took

    assert run(main) == pytest.approx(2.0)


async def test_nobody_passes_those_who_wait() -> None:
    limit = ConcurrencyLimit(1)
    await limit.acquire(make_request())
    waiting = asyncio.create_task(limit.acquire(make_request()))
    await asyncio.sleep(0)
    assert not limit.take()
    limit.release()
    assert not limit.take()
    await waiting
    limit.release()
    assert limit.take()


@pytest.mark.slow
async def test_ten_thousand_requests_of_one_organization_do_not_hold_up_another() -> None:
    limit = ConcurrencyLimit(2)
    order: list[int] = []

    async def work(number: int, priority: int = 0) -> None:
        await limit.acquire(make_request(number, priority=priority))
        order.append(number)
        await asyncio.sleep(0)
        limit.release()

    async with asyncio.TaskGroup() as group:
        for _ in range(10_000):
            group.create_task(work(0))
        await asyncio.sleep(0)
        for _ in range(3):
            group.create_task(work(1))
        group.create_task(work(2, priority=1))
    first = order[:14]
    assert 2 in first
    assert first.count(1) == 3
