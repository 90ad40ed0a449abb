"""Records of any kind as JSON, JSON lines and CSV; what a table looks like is each command's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from accesskeys_async.cli.invocation import Format
from accesskeys_async.cli.screen import Screen
from accesskeys_async.printable import csv_cell, csv_line, json_text

__all__ = ["count_of", "moment", "write_rows"]


def write_rows(
    screen: Screen,
    chosen: Format | None,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, object]],
    tabulate: Callable[[], str],
) -> None:
    """Write rows in the chosen format; else a table on a terminal, JSON lines elsewhere."""
    terminal = screen.stdout_is_terminal
    ascii_only = not screen.speaks_unicode
    match chosen or (Format.TABLE if terminal else Format.NDJSON):
        case Format.TABLE:
            screen.write(tabulate())
        case Format.CSV:
            screen.write(_make_csv(columns, rows, for_terminal=terminal))
        case Format.JSON:
            text = ",\n".join(json_text(row, ascii_only=ascii_only) for row in rows)
            screen.write(f"[\n{text}\n]\n" if rows else "[]\n")
        case Format.NDJSON:
            screen.write("".join(f"{json_text(row, ascii_only=ascii_only)}\n" for row in rows))


def moment(time: datetime | None) -> str | None:
    """Write a time as the API does, to the second."""
    return None if time is None else time.isoformat(timespec="seconds").replace("+00:00", "Z")


def count_of(number: int, noun: str) -> str:
    """Write how many there are of something: `1 key`, `2,000 keys`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _make_csv(columns: Sequence[str], rows: Sequence[Mapping[str, object]], *, for_terminal: bool) -> str:
    lines = [csv_line(columns)]
    for row in rows:
        cells = ("" if row[column] is None else str(row[column]) for column in columns)
        lines.append(csv_line(csv_cell(cell, for_terminal=for_terminal) for cell in cells))
    return "".join(lines)
