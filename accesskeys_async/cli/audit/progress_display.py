"""How far an audit is, for whoever waits for it: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Final

from attrs import define, field

from accesskeys_async.cli.output.screen import Screen

if TYPE_CHECKING:
    from accesskeys_async.audit import Progress

WINDOW: Final = 10.0
"""Seconds over which the rate of requests is taken."""
ON_TERMINAL: Final = 0.25
ELSEWHERE: Final = 30.0


@define
class Pace:
    """Says how far an audit is, how fast, and how long it will take."""

    _progress: Progress
    _clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _samples: deque[tuple[float, int]] = field(factory=deque, init=False)

    def __attrs_post_init__(self) -> None:
        self._began = self._clock()
        self._samples.append((self._began, self._progress.requests))

    def tell(self) -> str:
        """Say it in one line."""
        now, progress = self._clock(), self._progress
        self._samples.append((now, progress.requests))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW:
            self._samples.popleft()
        since, before = self._samples[0]
        rate = (progress.requests - before) / (now - since) if now > since else 0.0
        total = "" if progress.total is None else f"/{progress.total:,}"
        parts = [
            f"{progress.organizations:,}{total} organizations",
            f"{progress.unreadable:,} failed",
            f"{progress.keys:,} keys",
            f"{rate:,.0f} requests/s",
            f"{progress.throttled:,} × 429",
        ]
        if progress.roles_wanted:
            parts.insert(3, f"roles of {progress.roles_read:,}/{progress.roles_wanted:,}")
        if (left := self._estimate(now)) is not None:
            parts.append(f"{_tell_span(left)} left")
        return ", ".join(parts)

    def _estimate(self, now: float) -> float | None:
        """Return the seconds that are left, if as much has been done as tells anything."""
        progress = self._progress
        # What came from a checkpoint took no time, and says nothing of the rest.
        done = progress.organizations - progress.resumed
        if progress.total is None or done < 1:
            return None
        return (now - self._began) / done * max(0, progress.total - progress.organizations)


def _tell_span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextlib.asynccontextmanager
async def show_progress(
    screen: Screen, progress: Progress, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> AsyncGenerator[None]:
    """Show how far the audit is, on stderr, until the block is left; nothing where quiet was asked for."""
    if screen.quiet:
        yield
        return
    pace = Pace(progress)
    teller = asyncio.ensure_future(
        _draw(screen, progress, pace, sleep) if screen.stderr_is_terminal else _write(screen, pace, sleep)
    )
    try:
        yield
    finally:
        teller.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await teller


async def _write(screen: Screen, pace: Pace, sleep: Callable[[float], Awaitable[object]]) -> None:
    while True:
        await sleep(ELSEWHERE)
        screen.notice(f"audit: {pace.tell()}")


async def _draw(
    screen: Screen, progress: Progress, pace: Pace, sleep: Callable[[float], Awaitable[object]]
) -> None:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
    with Bars(*columns, console=screen.console(on_stderr=True), transient=True) as bars:
        task = bars.add_task(pace.tell(), total=progress.total)
        try:
            while True:
                await sleep(ON_TERMINAL)
                bars.update(task, completed=progress.organizations, description=pace.tell())
        finally:
            bars.update(task, completed=progress.organizations, description=pace.tell(), refresh=True)
