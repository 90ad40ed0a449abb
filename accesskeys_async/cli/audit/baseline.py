"""The history that an audit is compared with and added to."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer
from attrs import frozen

from accesskeys_async.cli.audit.summary import Comparison
from accesskeys_async.cli.exits import CommandError

if TYPE_CHECKING:
    from accesskeys_async.audit import Policy, Summary
    from accesskeys_async.audit.history import History, PastRun, Recording
    from accesskeys_async.audit.reports import TrendPoint

POINTS: Final = 52
"""How many earlier audits a report's trend shows."""

HistoryPlace = Annotated[
    str,
    typer.Option(
        "--history",
        metavar="FILE|URL",
        help="The history: an SQLite file, or a URL of SQLite or PostgreSQL.",
    ),
]


@contextlib.contextmanager
def history_told() -> Generator[None]:
    """Say what to install where the history's libraries are missing, and tell a wrong run as wrong usage."""
    try:
        from accesskeys_async.audit.history import UnknownRunError
    except ImportError as error:
        message = f"a history needs {error.name}: pip install 'accesskeys-async[history]'"
        raise CommandError(message) from error
    try:
        yield
    except UnknownRunError as error:
        raise CommandError(str(error)) from error


@frozen
class Past:
    """A history while an audit is added to it."""

    recording: Recording
    trend: tuple[TrendPoint, ...]
    """Earlier audits, oldest first."""
    _history: History
    _last: PastRun | None
    """The audit before this one."""

    async def compare(self, summary: Summary) -> Comparison | None:
        """Finish the audit's run, and say what is new; None where there was no earlier one."""
        await self.recording.finish(summary)
        if self._last is None:
            return None
        [run] = [run for run in await self._history.runs() if run.number == self.recording.number]
        since = f"{self._last.started_at:%Y-%m-%d %H:%M} UTC"
        return Comparison(since, run.new, run.fixed, run.reopened, self._last.policy_hash)


@contextlib.asynccontextmanager
async def open_past(
    place: str, policy: Policy, *, started_at: datetime, journal: str | None
) -> AsyncGenerator[Past]:
    """Open the history at a place, and begin a run. Raises CommandError, HistoryError, JournalError."""
    with history_told():
        from accesskeys_async.audit.history import History, read_known_keys
        from accesskeys_async.audit.reports import TrendPoint
        from accesskeys_async.rotation import Journal

        known: frozenset[UUID] = frozenset()
        if journal is not None:
            async with Journal(journal, create=False) as opened:
                known = await read_known_keys(opened)
        async with History(place) as history:
            earlier = [run for run in await history.trend(last=POINTS) if run.started_at < started_at]
            trend = tuple(TrendPoint(run.started_at, run.by_severity, run.coverage) for run in earlier)
            last = earlier[-1] if earlier else None
            async with history.begin(policy, started_at=started_at, known_keys=known) as recording:
                yield Past(recording, trend, history, last)
