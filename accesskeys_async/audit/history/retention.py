"""What is old, forgotten."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, delete, exists, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from accesskeys_async.audit.history.history_tables import FINDINGS, PARTS, READINGS, RUNS
from accesskeys_async.audit.history.reading_writer import reserve_numbers


async def delete_old_readings(connection: AsyncConnection, older_than: datetime) -> int:
    """Delete the readings taken before a time, and what only they need; return how many.

    The last complete reading of each organization stays, and what came after it.
    """
    await reserve_numbers(connection, 1)  # no reading may be written meanwhile
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
