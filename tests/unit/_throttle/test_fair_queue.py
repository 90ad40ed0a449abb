from __future__ import annotations

import asyncio
import math
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._throttle.fair_queue import Line, Turnstile, Waiter
from accesskeys_async.errors import DeadlineExceededError
from tests.unit._throttle.quota_simulation import VirtualLoop, make_request, run

pytestmark = pytest.mark.slow

Places = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 1)), max_size=60)


def drain(line: Line) -> list[Waiter]:
    popped = []
    while (waiter := line.pop()) is not None:
        popped.append(waiter)
    return popped


def within_loop(check: Any) -> None:
    async def main() -> None:
        check()

    asyncio.run(main())


@given(Places)
def test_a_line_loses_and_invents_nobody(places: list[tuple[int, int]]) -> None:
    def check() -> None:
        line = Line()
        waiters = [Waiter(make_request(number, priority=priority)) for number, priority in places]
        for waiter in waiters:
            line.join(waiter)
        assert len(line) == len(waiters)
        popped = drain(line)
        assert sorted(map(id, popped)) == sorted(map(id, waiters))
        assert len(line) == 0
        assert [waiter.priority for waiter in popped] == sorted((p for _, p in places), reverse=True)

    within_loop(check)


@given(Places)
def test_organizations_of_one_priority_take_turns_and_keep_their_own_order(
    places: list[tuple[int, int]],
) -> None:
    def check() -> None:
        line = Line()
        waiters = [Waiter(make_request(number)) for number, _ in places]
        for waiter in waiters:
            line.join(waiter)
        popped = drain(line)
        sizes: dict[int, int] = {}
        for waiter in waiters:
            sizes[waiter.organization] = sizes.get(waiter.organization, 0) + 1
        seen: dict[int, int] = {}
        for waiter in popped:
            turn = seen.get(waiter.organization, 0)
            # Nobody has its nth turn while another that has as many waiters is further behind.
            assert all(seen.get(o, 0) >= min(turn, size) for o, size in sizes.items())
            seen[waiter.organization] = turn + 1
        for organization in sizes:
            own = [waiter for waiter in waiters if waiter.organization == organization]
            assert [waiter for waiter in popped if waiter.organization == organization] == own

    within_loop(check)


@given(Places, st.data())
def test_who_leaves_the_line_is_gone_and_the_others_keep_their_order(
    places: list[tuple[int, int]], data: st.DataObject
) -> None:
    leaving = data.draw(st.sets(st.integers(0, max(0, len(places) - 1))))

    def check() -> None:
        whole, rest = Line(), Line()
        waiters = [Waiter(make_request(number, priority=priority)) for number, priority in places]
        for index, waiter in enumerate(waiters):
            whole.join(waiter)
            if index not in leaving:
                rest.join(waiter)
        for index in leaving & set(range(len(waiters))):
            whole.discard(waiters[index])
            whole.discard(waiters[index])
        assert len(whole) == len(rest)
        assert {id(waiter) for waiter in drain(whole)} == {id(waiter) for waiter in drain(rest)}

    within_loop(check)


@given(Places, st.integers(0, 4), st.integers(-1, 1))
def test_at_least_as_many_go_before_a_newcomer_as_are_counted(
    places: list[tuple[int, int]], number: int, priority: int
) -> None:
    def check() -> None:
        line = Line()
        for place, height in places:
            line.join(Waiter(make_request(place, priority=height)))
        newcomer = make_request(number, priority=priority)
        counted = line.count_ahead(newcomer)
        waiter = Waiter(newcomer)
        line.join(waiter)
        assert counted <= drain(line).index(waiter)

    within_loop(check)


class Supply:
    """Something scarce that comes once in so many seconds."""

    def __init__(self, loop: VirtualLoop, every: float) -> None:
        self.loop = loop
        self.every = every
        self.next = loop.time()

    def take(self) -> float:
        if self.loop.time() < self.next - 1e-9:
            return self.next - self.loop.time()
        self.next = self.loop.time() + self.every
        return 0.0


def test_a_turnstile_lets_requests_through_one_at_a_time_in_order() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[int, float]]:
        turnstile = Turnstile(Supply(loop, 1.0).take, clock=loop.time)
        passed: list[tuple[int, float]] = []
        began = loop.time()

        async def go(number: int, priority: int) -> None:
            await turnstile.wait(make_request(number, priority=priority), what="a turn")
            passed.append((number, round(loop.time() - began, 6)))

        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(go(number, 0))
            await asyncio.sleep(0.5)
            group.create_task(go(9, 1))
        return passed

    assert run(main) == [(0, 0.0), (9, 1.0), (1, 2.0), (2, 3.0)]


def test_who_is_cancelled_holds_nobody_up() -> None:
    async def main(loop: VirtualLoop) -> float:
        turnstile = Turnstile(Supply(loop, 1.0).take, clock=loop.time)
        assert turnstile.pass_at_once()
        first = asyncio.create_task(turnstile.wait(make_request(), what="a turn"))
        second = asyncio.create_task(turnstile.wait(make_request(), what="a turn"))
        began = loop.time()
        await asyncio.sleep(0.25)
        first.cancel()
        await second
        assert len(turnstile) == 0
        return loop.time() - began

    assert run(main) == pytest.approx(1.0)


def test_a_turn_past_the_deadline_is_refused_at_once_and_one_that_never_comes_at_the_deadline() -> None:
    async def main(loop: VirtualLoop) -> tuple[float, float]:
        began = loop.time()
        slow = Turnstile(lambda: 10.0, clock=loop.time)
        with pytest.raises(DeadlineExceededError, match=r"a turn comes after the deadline \(in 10 s"):
            await slow.wait(make_request(deadline=began + 5), what="a turn")
        at_once = loop.time() - began
        never = Turnstile(lambda: math.inf, clock=loop.time)
        with pytest.raises(DeadlineExceededError, match="a turn comes after the deadline; allow more"):
            await never.wait(make_request(deadline=began + 5), what="a turn")
        return at_once, loop.time() - began

    assert run(main) == (0.0, pytest.approx(5.0))


def test_a_nudge_makes_the_first_in_line_ask_again() -> None:
    async def main(loop: VirtualLoop) -> bool:
        stock: list[int] = []

        def take() -> float:
            if not stock:
                return math.inf
            stock.pop()
            return 0.0

        turnstile = Turnstile(take, clock=loop.time)
        waiting = [asyncio.create_task(turnstile.wait(make_request(), what="a turn")) for _ in range(2)]
        await asyncio.sleep(1)
        assert not any(task.done() for task in waiting)
        stock.extend((1, 2))
        turnstile.nudge()
        await asyncio.gather(*waiting)
        return not stock

    assert run(main)


async def test_a_turnstile_is_shared_by_loops_in_several_threads() -> None:
    stock = [0]
    lock = threading.Lock()
    passed: list[int] = []

    def take() -> float:
        with lock:
            if not stock[0]:
                return math.inf
            stock[0] -= 1
            return 0.0

    turnstile = Turnstile(take, clock=asyncio.get_running_loop().time)

    def wait_elsewhere(number: int) -> None:
        async def main() -> None:
            await turnstile.wait(make_request(number), what="a turn")
            passed.append(number)

        asyncio.run(main())

    pending = {asyncio.create_task(asyncio.to_thread(wait_elsewhere, number)) for number in range(3)}
    stock[0] = 3
    while pending:
        turnstile.nudge()
        _, pending = await asyncio.wait(pending, timeout=0.01)
    assert sorted(passed) == [0, 1, 2]


def test_what_is_refilled_is_asked_for_by_the_first_in_line() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        stock, refills = [0], [0]

        def take() -> float:
            if not stock[0]:
                return math.inf
            stock[0] -= 1
            return 0.0

        async def refill() -> None:
            refills[0] += 1
            await asyncio.sleep(0.1)
            stock[0] += 3

        turnstile = Turnstile(take, clock=loop.time, refill=refill)
        await asyncio.gather(*(turnstile.wait(make_request(), what="a turn") for _ in range(6)))
        return refills[0], stock[0]

    assert run(main) == (2, 0)


async def test_a_nudge_may_come_from_a_thread_without_a_loop() -> None:
    stock: list[int] = []

    def take() -> float:
        return 0.0 if stock else math.inf

    turnstile = Turnstile(take, clock=asyncio.get_running_loop().time)
    waiting = asyncio.create_task(turnstile.wait(make_request(), what="a turn"))
    await asyncio.sleep(0)
    stock.append(1)
    nudging = threading.Thread(target=turnstile.nudge)
    nudging.start()
    await asyncio.wait_for(waiting, 10)
    nudging.join()
