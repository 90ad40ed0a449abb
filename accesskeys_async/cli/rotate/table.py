"""Rotations as a table for people, and as JSON and CSV for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.output.key_table import TableColumn, render_table
from accesskeys_async.cli.output.row_writers import moment, write_rows
from accesskeys_async.cli.output.screen import Screen
from accesskeys_async.cli.rotate.advice import Advice

if TYPE_CHECKING:
    from accesskeys_async.rotation import Progress, Rotation

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
    "roleRefs",
    "plannedAt",
    "cutoverAt",
    "graceUntil",
    "leaseUntil",
    "failures",
    "problem",
)
_TABLE: Final = (
    TableColumn("ROTATION"),
    TableColumn("KEYS"),
    TableColumn("STATE"),
    TableColumn("DUE"),
    TableColumn("PROBLEM", wraps=True),
)


def write_rotations(invocation: Invocation, rotations: Sequence[Rotation]) -> None:
    """Write rotations in the chosen format; else a table on a terminal, JSON lines elsewhere."""
    screen = invocation.screen
    terminal = screen.stdout_is_terminal
    rows = [_row(rotation) for rotation in rotations]
    width = screen.console().width if terminal else None
    write_rows(screen, invocation.format, _COLUMNS, rows, lambda: _tabulate(screen, rotations, width=width))


def find_waiting(rotations: Sequence[Rotation], now: datetime) -> list[Progress]:
    """Find what has no step due and does not go well: it needs a person, or waits after a failure."""
    from accesskeys_async.rotation import Progress

    return [
        Progress(rotation, rotation.due_at)
        for rotation in rotations
        if not rotation.is_over
        and not rotation.is_due(now)
        and (rotation.stuck_at is not None or rotation.failures)
    ]


def describe_step(progress: Progress, advice: Advice) -> str:
    """Say in one line where a rotation stands, what comes next, and what a person can type."""
    rotation = progress.rotation
    line = f"rotation {rotation.id}: {rotation.state}"
    if rotation.aborting:
        line += ", aborting"
    if progress.busy:
        line += f", held by another worker, or by one that was killed, until {moment(progress.due_at)}"
        line += " at the latest"
    elif progress.due_at is not None:
        line += f", next step due {moment(progress.due_at)}"
    if rotation.problem:
        line += f"; {rotation.problem}"
    if rotation.stuck_at is not None:
        line += f". {advice.advise(rotation)}"
    return line


def _row(rotation: Rotation) -> dict[str, object]:
    from accesskeys_async.rotation.schema import write_ref

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
        moment(rotation.due_at),
        rotation.grace // timedelta(seconds=1),
        rotation.require_idle,
        None if rotation.role_refs is None else [write_ref(ref) for ref in rotation.role_refs],
        moment(rotation.planned_at),
        moment(rotation.cutover_at),
        moment(rotation.grace_until),
        moment(rotation.lease_until),
        rotation.failures,
        rotation.problem,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _tabulate(screen: Screen, rotations: Sequence[Rotation], *, width: int | None) -> str:
    from rich.text import Text

    from accesskeys_async.rotation.settings import utc_now

    now = utc_now()
    rows = [
        (
            str(rotation.id),
            _keys(rotation),
            Text(rotation.state, style="" if rotation.stuck_at is None else "bold red"),
            _due(rotation, now),
            rotation.problem or "",
        )
        for rotation in rotations
    ]
    return render_table(screen, _TABLE, rows, width=width)


def _keys(rotation: Rotation) -> str:
    new = rotation.candidate.suffix if rotation.candidate else None
    return f"…{rotation.suffix} → {'…' + new if new else '–'}"


def _due(rotation: Rotation, now: datetime) -> str:
    """Say when the next step is due, or until when a worker that may be dead keeps others away."""
    if rotation.lease_until is not None and rotation.lease_until > now:
        return f"held until {moment(rotation.lease_until)}"
    return moment(rotation.due_at) or "–"
