"""Rows inserted in chunks. Separate from the tables because it runs statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeAlias

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

CHUNK_ROWS: Final = 2_000
Values: TypeAlias = dict[str, object]


async def insert_rows(connection: AsyncConnection, table: Table, rows: Iterable[Values]) -> None:
    """Insert any number of rows."""
    for chunk in split(rows):
        await connection.execute(insert(table), chunk)


def split(rows: Iterable[Values]) -> Iterator[list[Values]]:
    """Yield the rows in lists of at most `CHUNK_ROWS`."""
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK_ROWS)):
        yield chunk
