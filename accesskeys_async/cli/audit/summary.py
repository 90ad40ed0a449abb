"""What an audit came to, on one screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field, frozen

from accesskeys_async._escaping import printable
from accesskeys_async.cli.audit.exit_status import Verdict
from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.cli.output.key_table import TableColumn, render_table
from accesskeys_async.cli.output.row_writers import count_of
from accesskeys_async.cli.output.screen import Screen

if TYPE_CHECKING:
    from uuid import UUID

    from rich.console import ConsoleRenderable
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from accesskeys_async.audit import Finding, OrganizationAudit, Summary
    from accesskeys_async.audit.reports.worst_findings import WorstFindings

WORST: Final = 5
SHOWN: Final = 10
MARGIN: Final = 2
WIDTH: Final = 120
UNBOUNDED: Final = 100_000
STYLES: Final = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}


@frozen
class Comparison:
    """What is new since the last time."""

    since: str
    new: int
    fixed: int
    reopened: int
    policy_hash: str
    """The policy of the last time."""


def _make_worst_findings() -> WorstFindings:
    from accesskeys_async.audit.reports.worst_findings import WorstFindings

    return WorstFindings(WORST, WORST)


@define
class Overview:
    """Keeps of an audit, as it goes by, what its summary does not say."""

    tally: WorstFindings = field(factory=_make_worst_findings)
    failed_rules: set[str] = field(factory=set)
    """Rules that raised."""
    _secret_keys: set[UUID] = field(factory=set, init=False)

    def add(self, audited: OrganizationAudit) -> None:
        """Take in one organization."""
        findings = self.withhold(audited.findings)
        self.tally.add(audited if findings is audited.findings else evolve(audited, findings=findings))
        for result in audited.results:
            if result.raised:
                self.failed_rules.add(result.rule)

    def withhold(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Take the names of keys that have a secret in their metadata out of findings."""
        from accesskeys_async.audit.rules.withheld_names import withhold_names

        return withhold_names(findings, self._secret_keys)


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
    width = screen.console().width if screen.stdout_is_terminal else WIDTH
    overview.tally.add_findings(overview.withhold(summary.findings))
    found = overview.tally.worst_findings()
    sections = {
        "Worst rules": _list_rules(screen, summary, overview, width=width),
        "Worst organizations": _list_organizations(screen, overview, width=width),
        "Worst findings": screen.draw(*_list_findings(found), width=width) if found else "",
        "Not read": screen.draw(*_list_unreadable(summary), width=width) if summary.unreadable else "",
        "Read in part": screen.draw(*_list_partly_read(summary), width=width) if summary.partly_read else "",
        "To note": screen.draw(*_list_lines(summary.notes), width=width) if summary.notes else "",
        "Reports": screen.draw(*_list_reports(reports), width=UNBOUNDED) if reports or found else "",
    }
    drawn = screen.draw(_title(summary), _facts(summary, comparison), width=width)
    drawn += "".join(f"{screen.draw(_heading(name))}{text}" for name, text in sections.items() if text)
    return drawn + screen.draw(_tell_verdict(verdict), width=width)


def _title(summary: Summary) -> Text:
    from rich.text import Text

    what = f"{count_of(summary.organizations, 'organization')}, {count_of(summary.keys, 'key')}"
    return Text.assemble(("Audit", "bold"), f" of {what}, in {summary.elapsed:.1f} s")


def _facts(summary: Summary, comparison: Comparison | None) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    read = summary.organizations - len(summary.unreadable) - summary.partly_read
    # Rounded down: 100 % is said of nothing that is less.
    percent = int(summary.coverage * 1000) / 10
    style = "green" if summary.is_complete else "bold red"
    table.add_row("coverage", Text(f"{percent:g} %, {read:,} of {summary.organizations:,} read whole", style))
    counts = [
        (f"{count:,} {severity.name.lower()}", STYLES[severity.name.lower()])
        for severity, count in summary.by_severity
    ]
    if counts:
        findings = Text(", ").join(Text(*count) for count in counts)
    elif read:
        findings = Text("none", "green") if summary.is_complete else Text("none in what was read")
    else:
        findings = Text("not known: nothing was read", "bold red")
    if summary.suppressed:
        findings.append(f"; {summary.suppressed:,} suppressed", "dim")
    table.add_row("findings", findings)
    if comparison is not None:
        said = f"{comparison.new:,} new, {comparison.fixed:,} fixed, {comparison.reopened:,} reopened"
        then = comparison.policy_hash
        other = f"; the policy was another then, {then}" if then != summary.policy_hash else ""
        table.add_row("changes", f"{said} since {comparison.since}{other}")
    for reason, rules in _find_not_evaluated(summary).items():
        table.add_row("rules", f"{count_of(len(rules), 'rule')} not evaluated ({', '.join(rules)}): {reason}")
    table.add_row("policy", summary.policy_hash)
    return table


def _find_not_evaluated(summary: Summary) -> dict[str, list[str]]:
    """Return the rules that judged nothing at all, by the reason."""
    found: dict[str, list[str]] = {}
    for result in summary.by_rule:
        if result.not_evaluated and not result.passed and not result.failed:
            reason = printable(result.reason or "for no reason that the rule tells")
            found.setdefault(reason, []).append(printable(result.rule))
    return found


def _list_rules(screen: Screen, summary: Summary, overview: Overview, *, width: int) -> str:
    found = [(rule, counts) for rule, counts in overview.tally.rule_counts(summary) if any(counts)]
    columns = (TableColumn("RULE"), TableColumn("TITLE", wraps=True), TableColumn("FINDINGS", wraps=True))
    rows = [
        (rule, overview.tally.titles.get(rule, ""), _tell_counts(counts)) for rule, counts in found[:WORST]
    ]
    return _indent(render_table(screen, columns, rows, width=width - MARGIN))


def _list_organizations(screen: Screen, overview: Overview, *, width: int) -> str:
    columns = (
        TableColumn("ORGANIZATION"),
        TableColumn("LABELS", wraps=True),
        TableColumn("FINDINGS", wraps=True),
    )
    rows = [
        (str(one.subject.organization_id), " ".join(one.subject.labels), _tell_counts(one.by_severity))
        for one in overview.tally.worst_organizations()
    ]
    return _indent(render_table(screen, columns, rows, width=width - MARGIN))


def _tell_counts(counts: Sequence[int]) -> Text:
    from rich.text import Text

    from accesskeys_async.audit.reports.worst_findings import WORST_FIRST

    return Text(", ").join(
        Text(f"{count:,} {severity.name.lower()}", STYLES[severity.name.lower()])
        for severity, count in zip(WORST_FIRST, counts, strict=True)
        if count
    )


def _list_findings(findings: Sequence[Finding]) -> list[ConsoleRenderable]:
    """Give each finding the lines of what was found, and one of what to paste after `accesskeys get`."""
    from rich.padding import Padding
    from rich.text import Text

    lines: list[ConsoleRenderable] = []
    for finding in findings:
        level = finding.severity.name.lower()
        about = "" if finding.key is None else f" {finding.key.id}"
        name = "the organization" if finding.key is None else finding.key.name
        said = printable(f"{finding.rule} {name}: {finding.message}")
        lines.append(Padding(Text.assemble((level, STYLES[level]), f" {said}"), (0, 0, 0, MARGIN)))
        lines += _list_lines([f"{finding.organization_id}{about}"], margin=2 * MARGIN)
    return lines


def _list_reports(reports: Sequence[Path]) -> list[Text]:
    from rich.text import Text

    none = "none; --output audit.html writes every finding to a page"
    return [Text(f"  {printable(line)}") for line in [str(path) for path in reports] or [none]]


def _indent(text: str) -> str:
    return "".join(f"{' ' * MARGIN}{line}".rstrip() + "\n" for line in text.splitlines())


def _list_unreadable(summary: Summary) -> list[Padding]:
    lines = []
    for subject, unreadable in summary.unreadable[:SHOWN]:
        place = f" ({subject.source}:{subject.line})" if subject.source else ""
        lines.append(f"{subject.organization_id}{place}: {unreadable.reason}: {unreadable.message}")
    if len(summary.unreadable) > SHOWN:
        lines.append(f"and {len(summary.unreadable) - SHOWN:,} more")
    return _list_lines(lines)


def _list_partly_read(summary: Summary) -> list[Padding]:
    told = f"the roles of {count_of(summary.unread_roles, 'key')}"
    return _list_lines([f"{told}, in {count_of(summary.partly_read, 'organization')}"])


def _list_lines(lines: Sequence[str], *, margin: int = MARGIN) -> list[Padding]:
    from rich.padding import Padding
    from rich.text import Text

    return [Padding(Text(printable(line)), (0, 0, 0, margin)) for line in lines]


def _heading(text: str) -> Text:
    from rich.text import Text

    return Text(f"\n{text}", "bold")


def _tell_verdict(verdict: Verdict) -> Text:
    from rich.text import Text

    style = "bold green" if verdict.code is ExitCode.DONE else "bold red"
    return Text.assemble("\n", (f"exit {int(verdict.code)}", style), f": {verdict.reason}")
