"""Records of any kind as JSON, JSON lines and CSV; what a table looks like is each command's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from accesskeys_async._escaping import csv_cell, csv_line, json_text
from accesskeys_async.cli.invocation import Format
from accesskeys_async.cli.output.screen import Screen


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


def cell_text(value: object) -> str:
    """Write a value of a row as CSV has it: null empty, a list with spaces between, a role as it is typed."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return " ".join(cell_text(part) for part in value)
    if isinstance(value, Mapping):
        workspaces = value.get("workspaces")
        return f"{value.get('id')}{':' + ','.join(map(str, workspaces)) if workspaces else ''}"
    return str(value)


def _make_csv(columns: Sequence[str], rows: Sequence[Mapping[str, object]], *, for_terminal: bool) -> str:
    lines = [csv_line(columns)]
    for row in rows:
        cells = (csv_cell(cell_text(row[column]), for_terminal=for_terminal) for column in columns)
        lines.append(csv_line(cells))
    return "".join(lines)
