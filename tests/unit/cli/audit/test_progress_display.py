from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from accesskeys_async.audit import Progress
from accesskeys_async.cli.audit.progress_display import ELSEWHERE, ON_TERMINAL, WINDOW, Pace, show_progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_says_how_far_how_fast_and_how_long(clock: Clock) -> None:
    progress = Progress(total=5000)
    pace = Pace(progress, clock)
    clock.now += 10
    progress.organizations, progress.unreadable, progress.keys = 1000, 3, 200_000
    progress.requests, progress.throttled = 2500, 12

    assert pace.tell() == (
        "1,000/5,000 organizations, 3 failed, 200,000 keys, 250 requests/s, 12 × 429, 40 s left"
    )


def test_roles_are_counted_once_they_are_requested(clock: Clock) -> None:
    progress = Progress(total=2, organizations=1, keys=300)
    pace = Pace(progress, clock)
    assert "roles" not in pace.tell()
    progress.roles_wanted, progress.roles_read = 3_400, 1_200

    assert pace.tell().startswith("1/2 organizations, 0 failed, 300 keys, roles of 1,200/3,400, ")


def test_the_rate_is_that_of_the_last_seconds(clock: Clock) -> None:
    progress = Progress(total=10)
    pace = Pace(progress, clock)
    progress.requests = 1_000_000
    for _ in range(int(WINDOW) + 2):
        clock.now += 1
        pace.tell()
    progress.requests += 50

    assert " 5 requests/s" in pace.tell()


def test_what_came_from_a_checkpoint_does_not_count_as_fast(clock: Clock) -> None:
    progress = Progress(total=100)
    pace = Pace(progress, clock)
    clock.now += 60
    progress.organizations, progress.resumed = 60, 50

    assert pace.tell().endswith(", 4 min left")
    progress.organizations = progress.resumed = 50
    assert "left" not in pace.tell()


@pytest.mark.parametrize(("elapsed", "told"), [(1, "9 s"), (9, "81 s"), (11, "2 min"), (1000, "2.5 h")])
def test_the_time_left_is_told_in_a_fitting_unit(clock: Clock, elapsed: float, told: str) -> None:
    progress = Progress(total=10, organizations=1)
    pace = Pace(progress, clock)
    clock.now += elapsed

    assert pace.tell().endswith(f", {told} left")


def test_without_a_total_no_time_is_guessed(clock: Clock) -> None:
    progress = Progress(organizations=7)

    assert Pace(progress, clock).tell().startswith("7 organizations, ")
    assert "left" not in Pace(progress, clock).tell()


class Sleep:
    """Ends at once, so many times, and then never."""

    def __init__(self, times: int) -> None:
        self.asked: list[float] = []
        self.over = asyncio.Event()
        self._times = times

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        if len(self.asked) > self._times:
            self.over.set()
            await asyncio.Event().wait()


async def test_a_pipe_gets_a_line_now_and_then(make_desk: Callable) -> None:
    desk, sleep = make_desk(), Sleep(2)

    async with show_progress(desk.screen, Progress(total=3), sleep=sleep):
        await sleep.over.wait()

    assert desk.err.count("audit: 0/3 organizations, 0 failed, ") == 2
    assert set(sleep.asked) == {ELSEWHERE}


async def test_a_terminal_gets_a_bar_that_goes_away_and_quiet_nothing(make_desk: Callable) -> None:
    desk, sleep = make_desk(terminal=True), Sleep(2)
    progress = Progress(total=3)

    async with show_progress(desk.screen, progress, sleep=sleep):
        await sleep.over.wait()
        progress.organizations = 3
    assert "3/3 organizations" in desk.err
    assert set(sleep.asked) == {ON_TERMINAL}

    desk.screen.quiet = True
    before = desk.err
    async with show_progress(desk.screen, progress):
        pass
    assert desk.err == before
