"""The history: audits kept in a database, compared, told as a trend, and forgotten by age."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Collection
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from accesskeys_async._database.engine import Database
from accesskeys_async.audit.history.differences import compare_runs
from accesskeys_async.audit.history.recording import Recording
from accesskeys_async.audit.history.records import Diff, PastRun
from accesskeys_async.audit.history.retention import forget
from accesskeys_async.audit.history.runs import find_run, find_runs
from accesskeys_async.audit.history.schema import MIGRATIONS, RUNS
from accesskeys_async.audit.history.writing import take_numbers
from accesskeys_async.audit.policies.policy import Policy
from accesskeys_async.errors import InvalidRequestError

DEFAULT_PLACE: Final = "accesskeys-history.sqlite"


class History:
    """Keep audits in a database: `async with History() as history`.

    Args:
        place: A path of an SQLite file, or a URL: `sqlite:///file` or
            `postgresql://user:password@host/database`. Several audits may share one at the same time.
        create: Whether the file and the tables are created if they are missing; else that is refused.

    Entering it brings its tables to the present version. Each method raises HistoryError where the database
    fails. Entering it raises ConfigurationError if the file is another program's, or if there is no history
    and `create` is False.
    """

    _shown = "<History of a place that can't be read>"

    def __init__(self, place: str | os.PathLike[str] = DEFAULT_PLACE, *, create: bool = True) -> None:
        self._database = Database(place, migrations=MIGRATIONS, synchronous="NORMAL", create=create)
        self._shown = repr(self._database)

    def __repr__(self) -> str:
        return self._shown

    async def __aenter__(self) -> Self:
        """Connect, and migrate the tables."""
        await self._database.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; twice is fine."""
        await self._database.aclose()

    @contextlib.asynccontextmanager
    async def begin(
        self, policy: Policy, *, started_at: datetime, known_keys: Collection[UUID] = ()
    ) -> AsyncGenerator[Recording, None]:
        """Begin a run, or go on with an unfinished one of the same start and policy.

        Args:
            policy: The audit's.
            started_at: The audit's T: its clock's, or that of the checkpoint it resumes.
            known_keys: What rotation journals know, see `read_known_keys`.
        """
        async with self._database.transaction() as connection:
            number = await _begin(connection, started_at.astimezone(UTC), policy.hash)
        recording = Recording(self._database, number, policy, started_at, frozenset(known_keys))
        try:
            yield recording
        finally:
            await recording.flush()

    async def runs(self) -> tuple[PastRun, ...]:
        """Return all runs, those that were never finished too, oldest first."""
        async with self._database.transaction() as connection:
            return await find_runs(connection)

    async def trend(self, *, since: datetime | None = None, last: int | None = None) -> tuple[PastRun, ...]:
        """Return the runs that were finished, oldest first: those begun `since` then, the `last` so many."""
        if last is not None and last < 1:
            raise InvalidRequestError("last", f"is {last}; it takes 1 or more, or None")
        async with self._database.transaction() as connection:
            runs = await find_runs(connection, since=since)
        finished = tuple(run for run in runs if run.is_finished)
        return finished if last is None else finished[-last:]

    async def compare(self, earlier: int, later: int) -> Diff:
        """Return what became of findings and keys from one run to another, by their numbers.

        Raises UnknownRunError; InvalidRequestError where the runs are in the wrong order.
        """
        async with self._database.transaction() as connection:
            before, after = await find_run(connection, earlier), await find_run(connection, later)
            if (before.started_at, earlier) >= (after.started_at, later):
                problem = f"is run {later} of {after.started_at}, not after run {earlier}; swap them"
                raise InvalidRequestError("later", problem)
            return await compare_runs(connection, before, after)

    async def prune(self, older_than: datetime) -> int:
        """Forget what was begun before then, and return how many readings that were.

        The last complete reading of each organization stays, since the next is compared with it; so do open
        findings. A finding that was fixed before then is new when it comes back.
        """
        async with self._database.transaction() as connection:
            return await forget(connection, older_than)


async def _begin(connection: AsyncConnection, started_at: datetime, policy_hash: str) -> int:
    await take_numbers(connection, 0)  # only the turn: runs are numbered for people, one by one
    table = RUNS.c
    found = await connection.execute(
        select(table.id).where(
            table.started_at == started_at, table.policy_hash == policy_hash, table.elapsed.is_(None)
        )
    )
    unfinished: int | None = found.scalars().first()
    if unfinished is not None:
        return unfinished
    counts = (
        "organizations",
        "unreadable",
        "keys",
        "critical",
        "high",
        "medium",
        "low",
        "info",
        "suppressed",
        "partly_read",
    )
    number: int = (await connection.execute(select(func.coalesce(func.max(table.id), 0) + 1))).scalar_one()
    await connection.execute(
        insert(RUNS).values(
            id=number, started_at=started_at, policy_hash=policy_hash, **dict.fromkeys(counts, 0)
        )
    )
    return number
