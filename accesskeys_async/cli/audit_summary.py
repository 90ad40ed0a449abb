"""What an audit came to, on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from accesskeys_async.cli.audit_verdict import Verdict
from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.cli.rows import count_of
from accesskeys_async.cli.screen import Screen
from accesskeys_async.printable import printable

if TYPE_CHECKING:
    from rich.console import ConsoleRenderable
    from rich.table import Table
    from rich.text import Text

    from accesskeys_async.audit import OrganizationAudit, Summary
    from accesskeys_async.audit.reports.tally import Tally

__all__ = ["Comparison", "Overview", "draw_summary"]

RAISED: Final = "the rule raised "
WORST: Final = 5
SHOWN: Final = 10
WIDTH: Final = 120
STYLES: Final = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}


@frozen
class Comparison:
    """What is new since the last time."""

    since: str
    new: int
    fixed: int
    reopened: int


def _make_tally() -> Tally:
    from accesskeys_async.audit.reports.tally import Tally

    return Tally(0, WORST)


@define
class Overview:
    """Keeps of an audit, as it goes by, what its summary does not say."""

    tally: Tally = field(factory=_make_tally)
    failed_rules: set[str] = field(factory=set)
    """Rules that raised."""

    def add(self, audited: OrganizationAudit) -> None:
        """Take in one organization."""
        self.tally.add(audited)
        for result in audited.results:
            if result.reason is not None and result.reason.startswith(RAISED):
                self.failed_rules.add(result.rule)


def draw_summary(
    screen: Screen,
    summary: Summary,
    overview: Overview,
    verdict: Verdict,
    *,
    comparison: Comparison | None = None,
    reports: Sequence[Path] = (),
) -> str:
    """Return it as text for stdout."""
    overview.tally.add_findings(summary.findings)
    parts: list[ConsoleRenderable] = [_title(summary), _facts(summary, comparison)]
    if rules := _list_rules(summary, overview):
        parts += [_heading("Worst rules"), rules]
    if organizations := _list_organizations(overview):
        parts += [_heading("Worst organizations"), organizations]
    if summary.unreadable:
        parts += [_heading("Not read"), *_list_unreadable(summary)]
    if summary.notes:
        parts += [_heading("To note"), *_list_lines(summary.notes)]
    if reports:
        parts += [_heading("Reports"), *_list_lines([str(path) for path in reports])]
    parts.append(_tell_verdict(verdict))
    width = None if screen.stdout_is_terminal else WIDTH
    return screen.draw(*parts, width=width)


def _title(summary: Summary) -> Text:
    from rich.text import Text

    what = f"{count_of(summary.organizations, 'organization')}, {count_of(summary.keys, 'key')}"
    return Text.assemble(("Audit", "bold"), f" of {what}, in {summary.elapsed:.1f} s")


def _facts(summary: Summary, comparison: Comparison | None) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    read = summary.organizations - len(summary.unreadable)
    # Rounded down: 100 % is said of nothing that is less.
    percent = int(summary.coverage * 1000) / 10
    style = "green" if summary.is_complete else "bold red"
    table.add_row("coverage", Text(f"{percent:g} %, {read:,} of {summary.organizations:,} read whole", style))
    counts = [
        (f"{count:,} {severity.name.lower()}", STYLES[severity.name.lower()])
        for severity, count in summary.by_severity
    ]
    findings = Text(", ").join(Text(*count) for count in counts) if counts else Text("none", "green")
    if summary.suppressed:
        findings.append(f"; {summary.suppressed:,} suppressed", "dim")
    table.add_row("findings", findings)
    if comparison is not None:
        said = f"{comparison.new:,} new, {comparison.fixed:,} fixed, {comparison.reopened:,} reopened"
        table.add_row("changes", f"{said} since {comparison.since}")
    table.add_row("policy", summary.policy_hash)
    return table


def _list_rules(summary: Summary, overview: Overview) -> Table | None:
    found = [(rule, counts) for rule, counts in overview.tally.rule_counts(summary) if any(counts)]
    return _list_counts(
        (f"{rule} {overview.tally.titles.get(rule, '')}", counts) for rule, counts in found[:WORST]
    )


def _list_organizations(overview: Overview) -> Table | None:
    return _list_counts(
        (f"{one.subject.organization_id} {' '.join(one.subject.labels)}", one.by_severity)
        for one in overview.tally.worst_organizations()
    )


def _list_counts(rows: Iterator[tuple[str, tuple[int, ...]]]) -> Table | None:
    from rich.table import Table
    from rich.text import Text

    from accesskeys_async.audit.reports.tally import WORST_FIRST

    table = Table.grid(padding=(0, 2))
    for name, counts in rows:
        told = Text(", ").join(
            Text(f"{count:,} {severity.name.lower()}", STYLES[severity.name.lower()])
            for severity, count in zip(WORST_FIRST, counts, strict=True)
            if count
        )
        table.add_row(Text(f"  {printable(name).rstrip()}", no_wrap=True, overflow="ellipsis"), told)
    return table if table.row_count else None


def _list_unreadable(summary: Summary) -> list[Text]:
    lines = []
    for subject, unreadable in summary.unreadable[:SHOWN]:
        place = f" ({subject.source}:{subject.line})" if subject.source else ""
        lines.append(f"{subject.organization_id}{place}: {unreadable.reason}: {unreadable.message}")
    if len(summary.unreadable) > SHOWN:
        lines.append(f"and {len(summary.unreadable) - SHOWN:,} more")
    return _list_lines(lines)


def _list_lines(lines: Sequence[str]) -> list[Text]:
    from rich.text import Text

    return [Text(f"  {printable(line)}") for line in lines]


def _heading(text: str) -> Text:
    from rich.text import Text

    return Text(f"\n{text}", "bold")


def _tell_verdict(verdict: Verdict) -> Text:
    from rich.text import Text

    style = "bold green" if verdict.code is ExitCode.DONE else "bold red"
    return Text.assemble("\n", (f"exit {int(verdict.code)}", style), f": {verdict.reason}")
