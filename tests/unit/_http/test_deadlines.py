from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable

import pytest

from accesskeys_async._http.deadlines import Alarms

SOON = 0.002
NEVER = 1e6


async def wait_under(alarms: Alarms, when: float | None) -> bool:
    """Wait until cancelled, and return what the alarm says it was."""
    alarm = alarms.arm(when)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if alarms.stop(alarm):
            return True
        raise
    finally:
        alarms.stop(alarm)
    raise AssertionError("nothing sets that event")


@pytest.fixture
async def alarms() -> Alarms:
    return Alarms(asyncio.get_running_loop())


@pytest.fixture
async def now() -> float:
    return asyncio.get_running_loop().time()


def current_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


@pytest.mark.slow
async def test_an_alarm_cancels_its_task_and_leaves_no_trace_of_it(alarms: Alarms, now: float) -> None:
    for when in (now + SOON, now, now - 1, -math.inf):
        assert await wait_under(alarms, when)
        assert current_task().cancelling() == 0
    await asyncio.sleep(0)


async def test_a_task_that_somebody_else_cancels_stays_cancelled(alarms: Alarms) -> None:
    for when in (None, NEVER + asyncio.get_running_loop().time()):
        task = asyncio.create_task(wait_under(alarms, when))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()


@pytest.mark.parametrize("first", ["alarm", "somebody"])
async def test_a_task_cancelled_by_both_stays_cancelled(first: str, alarms: Alarms) -> None:
    async def work() -> bool:
        alarm = alarms.arm(asyncio.get_running_loop().time() + NEVER)
        rings: list[Callable[[], object]] = [lambda: alarms.ring(alarm), current_task().cancel]
        for ring in rings if first == "alarm" else reversed(rings):
            ring()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            if not alarms.stop(alarm):
                raise
        return True

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == 1


async def test_a_task_that_was_being_cancelled_before_is_told_of_the_alarm(alarms: Alarms) -> None:
    async def work() -> bool:
        current_task().cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        # Cleaning up, under a time limit, in a task that is on its way out.
        return await wait_under(alarms, asyncio.get_running_loop().time())

    task = asyncio.create_task(work())
    assert await task
    assert task.cancelling() == 1


async def test_an_alarm_that_was_stopped_never_rings(alarms: Alarms, now: float) -> None:
    early, late = alarms.arm(now), alarms.arm(now + SOON)
    assert not alarms.stop(early)
    assert not alarms.stop(late)
    await asyncio.sleep(2 * SOON)
    assert current_task().cancelling() == 0


async def test_stopping_twice_says_only_once_that_it_rang(alarms: Alarms) -> None:
    alarm = alarms.arm(NEVER)
    alarms.ring(alarm)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert [alarms.stop(alarm), alarms.stop(alarm)] == [True, False]
    assert current_task().cancelling() == 0


class VirtualSelector(selectors.DefaultSelector):
    """Does not wait: what it would have waited is added to `now`."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Has a clock that jumps to the next timer, and counts the timers that are set."""

    def __init__(self) -> None:
        self.selector = VirtualSelector()
        self.timers = 0
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.now

    def call_at(self, *arguments, **options):  # type: ignore[no-untyped-def]
        self.timers += 1
        return super().call_at(*arguments, **options)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (1, 1, 1)])
def test_every_task_is_woken_in_its_own_time_whatever_the_order(order: tuple[int, ...]) -> None:
    woken: list[tuple[int, float]] = []

    async def wait(alarms: Alarms, when: int) -> None:
        assert await wait_under(alarms, when)
        woken.append((when, asyncio.get_running_loop().time()))

    async def main() -> None:
        alarms = Alarms(asyncio.get_running_loop())
        async with asyncio.TaskGroup() as tasks:
            for when in order:
                tasks.create_task(wait(alarms, when))
            await asyncio.sleep(0)
            spare = alarms.arm(NEVER)
            await asyncio.sleep(10)
            assert not alarms.stop(spare)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    assert woken == [(when, pytest.approx(when)) for when in sorted(order)]


def test_a_thousand_requests_that_end_in_time_set_one_timer() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        alarms = Alarms(loop)
        before = loop.timers
        for _ in range(1000):
            alarms.stop(alarms.arm(loop.time() + NEVER))
        alarms.close()
        return loop.timers - before

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == 1


async def test_closed_alarms_do_not_ring(alarms: Alarms, now: float) -> None:
    alarm = alarms.arm(now)
    alarms.close()
    alarms.close()
    await asyncio.sleep(SOON)
    assert not alarms.stop(alarm)
    assert current_task().cancelling() == 0


async def test_an_alarm_needs_a_task(alarms: Alarms) -> None:
    done = asyncio.get_running_loop().create_future()

    def call() -> None:
        try:
            alarms.arm(NEVER)
        except RuntimeError as error:
            done.set_result(str(error))

    asyncio.get_running_loop().call_soon(call)
    assert await done == "a call must be awaited from within a task"


@pytest.mark.parametrize("rings", ["inner", "outer"])
async def test_one_within_another_is_told_apart(rings: str, alarms: Alarms) -> None:
    """A call for a token, in the midst of a call, is bounded for itself."""
    outer = alarms.arm(NEVER)
    inner = alarms.arm(NEVER)
    alarms.ring(inner if rings == "inner" else outer)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert alarms.stop(inner) == (rings == "inner")
    assert alarms.stop(outer) == (rings == "outer")
    assert current_task().cancelling() == 0


@pytest.mark.parametrize(("when", "within", "rings"), [(2, 5, 2), (5, 2, 2), (None, 2, 2), (2, None, 2)])
def test_of_a_time_and_a_span_the_sooner_counts(when: int | None, within: int | None, rings: int) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        alarms = Alarms(loop)
        alarm = alarms.arm(when, within=within)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(9)
        assert alarms.stop(alarm)
        return loop.time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == pytest.approx(rings)


@pytest.mark.parametrize(("blocked", "rings"), [(5.0, 6.0), (2.25, 2.5), (1.0, 2.0)])
def test_a_loop_that_was_blocked_gets_as_long_as_it_was_late_up_to_a_second(
    blocked: float, rings: float
) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        alarms = Alarms(loop)
        alarm = alarms.arm(2.0)
        loop.selector.now += blocked
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(NEVER)
        assert alarms.stop(alarm)
        return loop.time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == rings


def test_what_came_together_with_the_time_counts() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        alarms = Alarms(loop)
        came = loop.create_future()
        loop.call_at(2.0, came.set_result, "it")
        alarm = alarms.arm(2.0)
        await came
        return alarms.stop(alarm)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert not runner.run(main())
