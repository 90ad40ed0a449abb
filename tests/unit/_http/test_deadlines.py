from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable

import pytest

from accesskeys_async._http.deadlines import DeadlineTimer

SOON = 0.002
NEVER = 1e6


async def wait_under(timer: DeadlineTimer, when: float | None) -> bool:
    """Wait until cancelled, and return what the time_limit says it was."""
    time_limit = timer.start(when)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if timer.cancel(time_limit):
            return True
        raise
    finally:
        timer.cancel(time_limit)
    raise AssertionError("nothing sets that event")


@pytest.fixture
async def timer() -> DeadlineTimer:
    return DeadlineTimer(asyncio.get_running_loop())


@pytest.fixture
async def now() -> float:
    return asyncio.get_running_loop().time()


def current_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


@pytest.mark.slow
async def test_an_expired_time_limit_cancels_its_task_and_is_gone(timer: DeadlineTimer, now: float) -> None:
    for when in (now + SOON, now, now - 1, -math.inf):
        assert await wait_under(timer, when)
        assert current_task().cancelling() == 0
    await asyncio.sleep(0)


async def test_a_task_that_another_one_cancels_stays_cancelled(timer: DeadlineTimer) -> None:
    for when in (None, NEVER + asyncio.get_running_loop().time()):
        task = asyncio.create_task(wait_under(timer, when))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()


@pytest.mark.parametrize("first", ["expiry", "somebody"])
async def test_a_task_cancelled_by_both_stays_cancelled(first: str, timer: DeadlineTimer) -> None:
    async def work() -> bool:
        time_limit = timer.start(asyncio.get_running_loop().time() + NEVER)
        endings: list[Callable[[], object]] = [lambda: timer.expire(time_limit), current_task().cancel]
        for end in endings if first == "expiry" else reversed(endings):
            end()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            if not timer.cancel(time_limit):
                raise
        return True

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == 1


async def test_a_task_cancelled_before_sees_its_time_limit_expire(
    timer: DeadlineTimer,
) -> None:
    async def work() -> bool:
        current_task().cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        # Cleaning up, under a time limit, in a task that is on its way out.
        return await wait_under(timer, asyncio.get_running_loop().time())

    task = asyncio.create_task(work())
    assert await task
    assert task.cancelling() == 1


async def test_a_cancelled_time_limit_never_expires(timer: DeadlineTimer, now: float) -> None:
    early, late = timer.start(now), timer.start(now + SOON)
    assert not timer.cancel(early)
    assert not timer.cancel(late)
    await asyncio.sleep(2 * SOON)
    assert current_task().cancelling() == 0


async def test_cancelling_twice_returns_only_once_that_it_expired(timer: DeadlineTimer) -> None:
    time_limit = timer.start(NEVER)
    timer.expire(time_limit)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert [timer.cancel(time_limit), timer.cancel(time_limit)] == [True, False]
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

    async def wait(timer: DeadlineTimer, when: int) -> None:
        assert await wait_under(timer, when)
        woken.append((when, asyncio.get_running_loop().time()))

    async def main() -> None:
        timer = DeadlineTimer(asyncio.get_running_loop())
        async with asyncio.TaskGroup() as tasks:
            for when in order:
                tasks.create_task(wait(timer, when))
            await asyncio.sleep(0)
            spare = timer.start(NEVER)
            await asyncio.sleep(10)
            assert not timer.cancel(spare)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    assert woken == [(when, pytest.approx(when)) for when in sorted(order)]


def test_a_thousand_requests_that_end_in_time_set_one_timer() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        timer = DeadlineTimer(loop)
        before = loop.timers
        for _ in range(1000):
            timer.cancel(timer.start(loop.time() + NEVER))
        timer.close()
        return loop.timers - before

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == 1


async def test_a_closed_timer_expires_nothing(timer: DeadlineTimer, now: float) -> None:
    time_limit = timer.start(now)
    timer.close()
    timer.close()
    await asyncio.sleep(SOON)
    assert not timer.cancel(time_limit)
    assert current_task().cancelling() == 0


async def test_a_time_limit_needs_a_task(timer: DeadlineTimer) -> None:
    done = asyncio.get_running_loop().create_future()

    def call() -> None:
        try:
            timer.start(NEVER)
        except RuntimeError as error:
            done.set_result(str(error))

    asyncio.get_running_loop().call_soon(call)
    assert await done == "a call must be awaited from within a task"


@pytest.mark.parametrize("expires", ["inner", "outer"])
async def test_a_time_limit_within_another_is_distinguished(expires: str, timer: DeadlineTimer) -> None:
    """A call for a token, in the midst of a call, is bounded for itself."""
    outer = timer.start(NEVER)
    inner = timer.start(NEVER)
    timer.expire(inner if expires == "inner" else outer)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert timer.cancel(inner) == (expires == "inner")
    assert timer.cancel(outer) == (expires == "outer")
    assert current_task().cancelling() == 0


@pytest.mark.parametrize(("when", "within", "expires"), [(2, 5, 2), (5, 2, 2), (None, 2, 2), (2, None, 2)])
def test_of_a_time_and_a_span_the_sooner_counts(when: int | None, within: int | None, expires: int) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        timer = DeadlineTimer(loop)
        time_limit = timer.start(when, within=within)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(9)
        assert timer.cancel(time_limit)
        return loop.time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == pytest.approx(expires)


@pytest.mark.parametrize(("blocked", "expires"), [(5.0, 6.0), (2.25, 2.5), (1.0, 2.0)])
def test_a_loop_that_was_blocked_gets_as_long_as_it_was_late_up_to_a_second(
    blocked: float, expires: float
) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        timer = DeadlineTimer(loop)
        time_limit = timer.start(2.0)
        loop.selector.now += blocked
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(NEVER)
        assert timer.cancel(time_limit)
        return loop.time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(main()) == expires


def test_what_came_together_with_the_time_counts() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        timer = DeadlineTimer(loop)
        came = loop.create_future()
        loop.call_at(2.0, came.set_result, "it")
        time_limit = timer.start(2.0)
        await came
        return timer.cancel(time_limit)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert not runner.run(main())
