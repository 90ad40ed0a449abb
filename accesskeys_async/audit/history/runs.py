"""Runs of the past: found by number or time, and deleted by age."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from accesskeys_async.audit.history.history_tables import FINDINGS, PARTS, READINGS, RUNS
from accesskeys_async.audit.history.reading_writer import reserve_numbers
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
        raise UnknownRunError(f"there is no run {number} in this history; list runs: accesskeys audit trend")
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
    counts = ((severity, getattr(row, severity.name.lower())) for severity in sorted(Severity, reverse=True))
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


async def delete_old_readings(connection: AsyncConnection, older_than: datetime) -> int:
    """Delete readings taken before a time, and what only they need; return their number.

    The last complete reading of each organization and all readings after it are kept.
    """
    await reserve_numbers(connection, 1)  # no reading may be written at the same time
    table = READINGS.c
    complete = READINGS.alias("complete")
    is_same = and_(complete.c.organization_id == table.organization_id, complete.c.identities.is_not(None))
    # What came after the last complete reading stays with it: it tells since when nobody could evaluated.
    is_superseded = exists().where(is_same, complete.c.id > table.id)
    was_never_read = ~exists().where(is_same)
    old = delete(READINGS).where(table.taken_at < older_than, or_(is_superseded, was_never_read))
    count: int = (await connection.execute(old)).rowcount
    remaining = READINGS.alias("remaining")
    needs_part = exists().where(
        remaining.c.organization_id == PARTS.c.organization_id,
        or_(*(remaining.c[part] == PARTS.c.id for part in ("identities", "uses", "roles", "rules"))),
    )
    await connection.execute(delete(PARTS).where(~needs_part))
    is_seen = exists().where(
        remaining.c.organization_id == FINDINGS.c.organization_id, remaining.c.id < FINDINGS.c.closed
    )
    await connection.execute(delete(FINDINGS).where(FINDINGS.c.closed.is_not(None), ~is_seen))
    has_readings = exists().where(remaining.c.run_id == RUNS.c.id)
    await connection.execute(delete(RUNS).where(and_(RUNS.c.started_at < older_than, ~has_readings)))
    return count
