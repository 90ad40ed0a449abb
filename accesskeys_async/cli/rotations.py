"""Rotations as a table for people, and as JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from accesskeys_async.cli.invocation import Format, Invocation
from accesskeys_async.cli.screen import Screen
from accesskeys_async.printable import csv_cell, json_text, printable

if TYPE_CHECKING:
    from accesskeys_async.rotation import Rotation

__all__ = ["describe_step", "write_rotations"]

_COLUMNS: Final = (
    "id",
    "organizationId",
    "keyId",
    "suffix",
    "newKeyId",
    "newSuffix",
    "state",
    "stuckAt",
    "dueAt",
    "graceSeconds",
    "requireIdle",
    "plannedAt",
    "cutoverAt",
    "graceUntil",
    "failures",
    "problem",
)
_UNBOUNDED: Final = 100_000


def write_rotations(invocation: Invocation, rotations: Sequence[Rotation]) -> None:
    """Write rotations in the chosen format; else a table on a terminal, JSON lines elsewhere."""
    screen = invocation.screen
    terminal = screen.stdout_is_terminal
    rows = [_row(rotation) for rotation in rotations]
    match invocation.format or (Format.TABLE if terminal else Format.NDJSON):
        case Format.TABLE:
            screen.write(_tabulate(screen, rotations, width=screen.console().width if terminal else None))
        case Format.CSV:
            screen.write(_make_csv(rows, for_terminal=terminal))
        case Format.JSON:
            text = ",\n".join(json_text(row, ascii_only=not screen.speaks_unicode) for row in rows)
            screen.write(f"[\n{text}\n]\n" if rows else "[]\n")
        case Format.NDJSON:
            lines = (json_text(row, ascii_only=not screen.speaks_unicode) for row in rows)
            screen.write("".join(f"{line}\n" for line in lines))


def describe_step(rotation: Rotation, *, due_at: datetime | None) -> str:
    """Say in one line where a rotation stands, and what comes next."""
    line = f"rotation {rotation.id}: {rotation.state}"
    if rotation.aborting:
        line += ", aborting"
    if due_at is not None:
        line += f", next step due {_moment(due_at)}"
    if rotation.problem:
        line += f"; {rotation.problem}"
    return line


def _row(rotation: Rotation) -> dict[str, object]:
    candidate = rotation.candidate
    values = (
        str(rotation.id),
        str(rotation.organization_id),
        str(rotation.key_id),
        rotation.suffix,
        str(candidate.key_id) if candidate and candidate.key_id else None,
        candidate.suffix if candidate else None,
        rotation.state.value,
        rotation.stuck_at.value if rotation.stuck_at else None,
        _moment(rotation.due_at),
        rotation.grace // timedelta(seconds=1),
        rotation.require_idle,
        _moment(rotation.planned_at),
        _moment(rotation.cutover_at),
        _moment(rotation.grace_until),
        rotation.failures,
        rotation.problem,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _make_csv(rows: Sequence[dict[str, object]], *, for_terminal: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        cells = ("" if value is None else str(value) for value in row.values())
        writer.writerow([csv_cell(cell, for_terminal=for_terminal) for cell in cells])
    return text.getvalue()


def _tabulate(screen: Screen, rotations: Sequence[Rotation], *, width: int | None) -> str:
    from rich.table import Table
    from rich.text import Text

    if not rotations:
        return ""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("ROTATION", width=36, no_wrap=True)
    table.add_column("KEYS", no_wrap=True)
    table.add_column("STATE", no_wrap=True)
    table.add_column("DUE", no_wrap=True)
    table.add_column("PROBLEM", overflow="fold")
    for rotation in rotations:
        new = rotation.candidate.suffix if rotation.candidate else None
        table.add_row(
            str(rotation.id),
            Text(printable(f"…{rotation.suffix} → {'…' + new if new else '–'}")),
            Text(rotation.state, style="" if rotation.stuck_at is None else "bold red"),
            _moment(rotation.due_at) or "–",
            Text(printable(rotation.problem or "")),
        )
    return screen.draw(table, width=width or _UNBOUNDED)
