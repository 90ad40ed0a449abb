"""Runs of the past, read back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from accesskeys_async.audit.history.history_tables import READINGS, RUNS
from accesskeys_async.audit.history.records import PastRun, UnknownRunError
from accesskeys_async.audit.records import Severity


async def find_runs(connection: AsyncConnection, *, since: datetime | None = None) -> tuple[PastRun, ...]:
    """Return runs begun at or after a time, oldest first."""
    query = _select().order_by(RUNS.c.started_at, RUNS.c.id)
    if since is not None:
        query = query.where(RUNS.c.started_at >= since)
    return tuple(_make_run(row) for row in await connection.execute(query))


async def find_run(connection: AsyncConnection, number: int) -> PastRun:
    """Return one run. Raises UnknownRunError."""
    row = (await connection.execute(_select().where(RUNS.c.id == number))).one_or_none()
    if row is None:
        raise UnknownRunError(f"there is no run {number} in this history; see its trend")
    return _make_run(row)


def _select() -> Select[*tuple[Any, ...]]:
    table = READINGS.c
    counts = (
        select(
            table.run_id,
            func.sum(table.new).label("new"),
            func.sum(table.fixed).label("fixed"),
            func.sum(table.reopened).label("reopened"),
        )
        .group_by(table.run_id)
        .subquery()
    )
    columns = (counts.c.new, counts.c.fixed, counts.c.reopened)
    return select(RUNS, *columns).outerjoin(counts, counts.c.run_id == RUNS.c.id)


def _make_run(row: Row[Any]) -> PastRun:
    counts = ((severity, row._mapping[severity.name.lower()]) for severity in sorted(Severity, reverse=True))
    return PastRun(
        number=row.id,
        started_at=row.started_at,
        policy_hash=row.policy_hash,
        elapsed=row.elapsed,
        organizations=row.organizations,
        unreadable=row.unreadable,
        keys=row.keys,
        by_severity=tuple((severity, count) for severity, count in counts if count),
        suppressed=row.suppressed,
        partly_read=row.partly_read,
        new=int(row.new or 0),
        fixed=int(row.fixed or 0),
        reopened=int(row.reopened or 0),
    )
