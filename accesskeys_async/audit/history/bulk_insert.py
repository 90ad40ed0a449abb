"""Many rows written in few calls of the driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeAlias

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

AT_ONCE: Final = 2_000
Values: TypeAlias = dict[str, object]


async def insert_rows(connection: AsyncConnection, table: Table, rows: Iterable[Values]) -> None:
    """Insert rows, however many."""
    for chunk in split(rows):
        await connection.execute(insert(table), chunk)


def split(rows: Iterable[Values]) -> Iterator[list[Values]]:
    """Yield lists of at most so many rows as one call should have; none where there are none."""
    rows = iter(rows)
    while chunk := list(islice(rows, AT_ONCE)):
        yield chunk
