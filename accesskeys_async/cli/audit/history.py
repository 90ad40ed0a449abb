"""`accesskeys audit diff`, `trend` and `prune`: what the history of audits tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from accesskeys_async.cli.audit.baseline import HistoryPlace, history_told
from accesskeys_async.cli.durations import read_span
from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Format
from accesskeys_async.cli.loop import run
from accesskeys_async.cli.options import local
from accesskeys_async.cli.output.key_table import TableColumn, render_table
from accesskeys_async.cli.output.row_writers import count_of, moment, write_rows
from accesskeys_async.cli.output.screen import Screen

if TYPE_CHECKING:
    from uuid import UUID

    from accesskeys_async.audit.history import Diff, History, PastFinding, PastRun
    from accesskeys_async.records import AccessKey

T = TypeVar("T")

DEFAULT_HISTORY: Final = "accesskeys-history.sqlite"
UNBOUNDED: Final = 100_000
_LEVELS: Final = ("critical", "high", "medium", "low", "info")
_TREND: Final = (
    *("run", "startedAt", "organizations", "unreadable", "keys"),
    *_LEVELS,
    *("suppressed", "new", "fixed", "reopened", "policyHash"),
)
_DIFF: Final = ("change", "severity", "rule", "title", "organizationId", "keyId", "name", "message", "since")
_DIFF_TABLE: Final = (
    *(TableColumn(title) for title in ("CHANGE", "SEVERITY", "RULE", "ORGANIZATION", "KEY")),
    TableColumn("NAME", wraps=True),
    TableColumn("WHAT", wraps=True),
)
_TREND_TABLE: Final = (
    TableColumn("RUN", right=True),
    TableColumn("BEGAN (UTC)"),
    *(
        TableColumn(title, right=True)
        for title in ("READ", "KEYS", "CRIT", "HIGH", "MED", "LOW", "INFO", "NEW", "FIXED")
    ),
)

Earlier = Annotated[
    int | None,
    typer.Argument(
        metavar="EARLIER",
        help="The earlier audit's number, as `accesskeys audit trend` shows it.",
        show_default=False,
    ),
]
Later = Annotated[
    int | None, typer.Argument(metavar="LATER", help="The later audit's number.", show_default=False)
]
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format", "-f", help="How data is written. Default: table on a terminal, ndjson elsewhere."
    ),
]


@local
def diff(
    screen: Screen,
    earlier: Earlier = None,
    later: Later = None,
    *,
    history: HistoryPlace = DEFAULT_HISTORY,
    output_format: FormatOption = None,
) -> None:
    """Compare two audits of the history. Default: the last two.

    Shows which findings and keys are new, gone or changed. Only organizations that both audits read whole
    are compared.
    """
    if (earlier is None) is not (later is None):
        raise CommandError("give two runs, the earlier first, or none for the last two")

    async def compare(opened: History) -> Diff:
        if earlier is not None and later is not None:
            return await opened.compare(earlier, later)
        runs = await opened.trend(last=2)
        if len(runs) < 2:
            raise CommandError("the history has fewer than two audits: nothing to compare yet")
        return await opened.compare(runs[0].number, runs[1].number)

    found = _ask(history, compare)
    rows = list(_list_changes(found))
    write_rows(screen, output_format, _DIFF, rows, lambda: _draw_diff(screen, found, rows))
    before, after = found.earlier.policy_hash, found.later.policy_hash
    if before != after:
        screen.notice(
            f"the runs had different policies: {before}, then {after}; findings of rules that were off in "
            "either are neither new nor fixed"
        )
    for one in found.not_compared:
        screen.notice(f"not compared: {one.organization_id}: {one.reason}")


@local
def trend(
    screen: Screen,
    *,
    last: Annotated[int, typer.Option(min=1, help="How many audits to show, up to the last.")] = 20,
    history: HistoryPlace = DEFAULT_HISTORY,
    output_format: FormatOption = None,
) -> None:
    """Show the audits of the history, the oldest first."""

    async def find(opened: History) -> tuple[PastRun, ...]:
        return await opened.trend(last=last)

    runs = _ask(history, find)
    rows = [_tell_run(past) for past in runs]
    write_rows(screen, output_format, _TREND, rows, lambda: _draw_trend(screen, runs))
    changed = [str(now.number) for before, now in pairwise(runs) if before.policy_hash != now.policy_hash]
    if changed:
        screen.notice(
            f"the policy changed with run {', '.join(changed)}: "
            "the counts before and after are of different rules"
        )


@local
def prune(
    screen: Screen,
    *,
    older_than: Annotated[
        str, typer.Option(metavar="SPAN", help="Forget what was read longer ago than this, such as 400d.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Forget without asking.")] = False,
    history: HistoryPlace = DEFAULT_HISTORY,
) -> None:
    """Forget old audits. Open findings and the last complete reading of each organization stay."""
    before = datetime.now(UTC) - read_span("--older-than", older_than)
    if not yes:
        if not screen.stdin_is_terminal:
            raise CommandError(
                "forgetting asks first, and stdin is not a terminal; use --yes to forget without a question"
            )
        if not screen.ask(f"forget what was read before {before:%Y-%m-%d %H:%M} UTC?"):
            raise CommandError("nothing was forgotten", code=ExitCode.DECLINED)

    async def forget(opened: History) -> int:
        return await opened.prune(before)

    screen.notice(f"forgot {count_of(_ask(history, forget), 'reading')}")


def _ask(place: str, question: Callable[[History], Awaitable[T]]) -> T:
    async def ask() -> T:
        from accesskeys_async.audit.history import History

        async with History(place, create=False) as history:
            return await question(history)

    with history_told():
        return run(ask())


def _tell_run(past: PastRun) -> dict[str, object]:
    counts = {severity.name.lower(): count for severity, count in past.by_severity}
    return {
        "run": past.number,
        "startedAt": moment(past.started_at),
        "organizations": past.organizations,
        "unreadable": past.unreadable,
        "keys": past.keys,
        **{level: counts.get(level, 0) for level in _LEVELS},
        "suppressed": past.suppressed,
        "new": past.new,
        "fixed": past.fixed,
        "reopened": past.reopened,
        "policyHash": past.policy_hash,
    }


def _list_changes(found: Diff) -> Iterator[dict[str, object]]:
    for change, findings in (("new", found.new), ("reopened", found.reopened), ("fixed", found.fixed)):
        for finding in findings:
            yield _tell_finding(change, finding)
    for change, keys in (("key appeared", found.appeared), ("key gone", found.gone)):
        for key in keys:
            yield _tell_key(change, key)
    for _, key in found.edited:
        yield _tell_key("key edited", key)


def _tell_finding(change: str, finding: PastFinding) -> dict[str, object]:
    told = _row(change, finding.organization_id, finding.key_id, finding.key_name)
    return {
        **told,
        "severity": finding.severity.name.lower(),
        "rule": finding.rule,
        "title": finding.title,
        "message": finding.message,
        "since": moment(finding.open_since),
    }


def _tell_key(change: str, key: AccessKey) -> dict[str, object]:
    return {**_row(change, key.organization_id, key.id, key.name), "since": moment(key.created_at)}


def _row(change: str, organization_id: UUID, key_id: UUID | None, name: str | None) -> dict[str, object]:
    return {
        "change": change,
        "severity": None,
        "rule": None,
        "title": None,
        "organizationId": str(organization_id),
        "keyId": None if key_id is None else str(key_id),
        "name": name,
        "message": None,
        "since": None,
    }


def _draw_diff(screen: Screen, found: Diff, rows: list[dict[str, object]]) -> str:
    from rich.text import Text

    head = (
        f"Run {found.earlier.number} ({found.earlier.started_at:%Y-%m-%d %H:%M}) to run "
        f"{found.later.number} ({found.later.started_at:%Y-%m-%d %H:%M} UTC), "
        f"{count_of(found.compared, 'organization')} compared\n"
        f"{len(found.new):,} new, {len(found.reopened):,} reopened, {len(found.fixed):,} fixed, "
        f"{found.unchanged:,} unchanged; keys: {len(found.appeared):,} appeared, {len(found.gone):,} gone, "
        f"{len(found.edited):,} edited"
    )
    cells = [
        [str(row[name] or "") for name in ("change", "severity", "rule", "organizationId", "keyId")]
        + [str(row["name"] or ""), str(row["message"] or "")]
        for row in rows
    ]
    width = _width(screen)
    return screen.draw(Text(head), width=width or UNBOUNDED) + render_table(
        screen, _DIFF_TABLE, cells, width=width
    )


def _draw_trend(screen: Screen, runs: tuple[PastRun, ...]) -> str:
    rows = []
    for past in runs:
        row = _tell_run(past)
        read = past.organizations - past.unreadable
        rows.append(
            [
                str(past.number),
                f"{past.started_at:%Y-%m-%d %H:%M}",
                f"{read:,}/{past.organizations:,}",
                *(f"{row[name]:,}" for name in ("keys", *_LEVELS, "new", "fixed")),
            ]
        )
    return render_table(screen, _TREND_TABLE, rows, width=_width(screen))


def _width(screen: Screen) -> int | None:
    return screen.console().width if screen.stdout_is_terminal else None
