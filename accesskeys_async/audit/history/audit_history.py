"""`History`: audits stored in a database, compared, shown as a trend, and deleted by age."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Collection
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from accesskeys_async._database.engine import Database, DatabaseResource
from accesskeys_async.audit.history.differences import compare_runs
from accesskeys_async.audit.history.history_tables import MIGRATIONS, RUNS
from accesskeys_async.audit.history.reading_writer import reserve_numbers
from accesskeys_async.audit.history.recording import Recording
from accesskeys_async.audit.history.records import Diff, PastRun
from accesskeys_async.audit.history.runs import delete_old_readings, find_run, find_runs
from accesskeys_async.audit.policies.policy import Policy
from accesskeys_async.errors import InvalidRequestError

DEFAULT_DATABASE: Final = "accesskeys-history.sqlite"


class History(DatabaseResource):
    """Stores audits in a database, and compares them.

    Use it as an async context manager. Entering it creates missing tables or migrates them to the current
    version. Several audits may share one database at the same time.

    Args:
        database: A path of an SQLite file, or a URL: `sqlite:///file` or
            `postgresql://user:password@host/database`.
        create: Whether to create the file and the tables if they are missing. If False, a missing history is
            an error.

    Raises:
        ConfigurationError: The database can't be used: its URL is invalid, it belongs to another program, or
            `create` is False and it has no history. All but the first are raised on entering.
        HistoryError: The database failed, on entering or in any method.

    Example:
        >>> async with History("audits.sqlite") as history:
        ...     for run in await history.runs():
        ...         print(run.number, run.started_at, run.keys)
    """

    _shown = "<History of a database that can't be read>"

    def __init__(self, database: str | os.PathLike[str] = DEFAULT_DATABASE, *, create: bool = True) -> None:
        super().__init__(Database(database, migrations=MIGRATIONS, synchronous="NORMAL", create=create))

    @contextlib.asynccontextmanager
    async def begin(
        self, policy: Policy, *, started_at: datetime, known_keys: Collection[UUID] = ()
    ) -> AsyncGenerator[Recording, None]:
        """Begin a run, or resume an unfinished run with the same start and policy.

        Args:
            policy: The policy of the audit.
            started_at: The start of the audit (T): the time of its clock, or of the checkpoint it resumes.
            known_keys: Keys of rotation journals, as returned by `read_known_keys`. AK102, AK103 and
                AK107 ignore them.

        Yields:
            The recording of the run. Leaving the block writes what was not written yet.

        Raises:
            HistoryError: The database failed.
        """
        async with self._database.transaction() as connection:
            number = await _begin(connection, started_at.astimezone(UTC), policy.hash)
        recording = Recording(self._database, number, policy, started_at, frozenset(known_keys))
        try:
            yield recording
        finally:
            await recording.flush()

    async def runs(self) -> tuple[PastRun, ...]:
        """Return all runs, oldest first, including runs that were not finished."""
        async with self._database.transaction() as connection:
            return await find_runs(connection)

    async def trend(self, *, since: datetime | None = None, last: int | None = None) -> tuple[PastRun, ...]:
        """Return finished runs, oldest first.

        Args:
            since: Return runs that began at this time or later. None returns runs of any age.
            last: Maximum number of runs, 1 or more; the newest are returned. None returns all.

        Raises:
            InvalidRequestError: `last` is less than 1.
            HistoryError: The database failed.
        """
        if last is not None and last < 1:
            raise InvalidRequestError("last", f"is {last}; it takes 1 or more, or None")
        async with self._database.transaction() as connection:
            runs = await find_runs(connection, since=since)
        finished = tuple(run for run in runs if run.is_finished)
        return finished if last is None else finished[-last:]

    async def compare(self, earlier: int, later: int) -> Diff:
        """Return what changed between two runs.

        Args:
            earlier: Number of the run that began first.
            later: Number of the run that began last.

        Returns:
            The changes of findings and keys, in organizations that both runs read completely.

        Raises:
            UnknownRunError: The history has no run of one of the numbers.
            InvalidRequestError: `later` did not begin after `earlier`.
            HistoryError: The database failed.
        """
        async with self._database.transaction() as connection:
            before, after = await find_run(connection, earlier), await find_run(connection, later)
            if (before.started_at, earlier) >= (after.started_at, later):
                problem = f"is run {later} of {after.started_at}, not after run {earlier}; swap them"
                raise InvalidRequestError("later", problem)
            return await compare_runs(connection, before, after)

    async def prune(self, older_than: datetime) -> int:
        """Delete readings that are older than a time.

        The last complete reading of each organization is kept for the next comparison. Open findings are kept
        as well. A finding that was fixed before the given time counts as new if it is found again.

        Args:
            older_than: Delete what began before this time.

        Returns:
            The number of deleted readings.

        Raises:
            HistoryError: The database failed.
        """
        async with self._database.transaction() as connection:
            return await delete_old_readings(connection, older_than)


async def _begin(connection: AsyncConnection, started_at: datetime, policy_hash: str) -> int:
    await reserve_numbers(connection, 0)  # only the lock: run numbers are for people, without gaps
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
