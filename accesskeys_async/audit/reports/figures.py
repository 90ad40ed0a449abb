"""The charts of the HTML report, each with its numbers as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from accesskeys_async.audit.records import Summary
from accesskeys_async.audit.reports import charts
from accesskeys_async.audit.reports.context import ReportContext, TrendPoint
from accesskeys_async.audit.reports.histograms import Histograms
from accesskeys_async.audit.reports.json_rows import SEVERITIES
from accesskeys_async.audit.reports.key_roles import RoleCounts
from accesskeys_async.audit.reports.worst_findings import WORST_FIRST, WorstFindings, show_share

_CHARTED: Final = 12
"""Bars of a chart that has one for each rule or organization."""


@frozen
class Figure:
    """A chart, and the same numbers as a table."""

    name: str
    caption: str
    svg: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def list_figures(
    summary: Summary, worst: WorstFindings, histograms: Histograms, roles: RoleCounts, context: ReportContext
) -> list[Figure]:
    """Draw the charts that there is something to show in."""
    figures = [
        _rules_figure(worst, summary),
        _organizations_figure(worst),
        _roles_figure(roles),
        _ages_figure(histograms, context.rotation_days),
        _idle_figure(histograms, context.idle_days),
        _cells_figure(histograms),
        _weeks_figure(histograms),
        _trend_figure(context.trend, summary),
    ]
    return [figure for figure in figures if figure is not None]


def _rules_figure(worst: WorstFindings, summary: Summary) -> Figure | None:
    counts = [
        (f"{name} {worst.titles.get(name, '')}".rstrip(), counts)
        for name, counts in worst.rule_counts(summary)
        if any(counts)
    ]
    caption = "Findings by rule and severity" + _of(len(counts), "rules")
    return _counts_figure("rules", caption, "rule", counts, shorten=_shorten)


def _organizations_figure(worst: WorstFindings) -> Figure | None:
    ranked = worst.worst_organizations()
    counts = [
        (" ".join([*count.subject.labels, str(count.subject.organization_id)]), count.by_severity)
        for count in ranked
    ]
    caption = "The organizations with the worst findings" + _of(worst.with_findings, "")
    return _counts_figure("organizations", caption, "organization", counts, shorten=_shorten)


def _roles_figure(roles: RoleCounts) -> Figure | None:
    counts = roles.ranked()
    if not counts:
        return None
    single = [count for count in counts if count.role_id is not None]
    shown = [*single[:_CHARTED], *(count for count in counts if count.role_id is None)]
    caption = "Keys by role, the managed ones marked" + _of(len(single), "roles")
    svg = charts.draw(charts.chart_roles(shown), label=caption)
    rows = tuple(
        (str(count.role_id or count.label), count.name or "", count.kind.value, f"{count.keys:,}")
        for count in shown
    )
    return Figure("roles", caption, svg, ("role", "name", "kind", "keys"), rows)


def _ages_figure(histograms: Histograms, days: float) -> Figure:
    bars = histograms.ages(rotation_days=days)
    caption = f"Age of keys; rotation is due by {days:g} days"
    return Figure(
        "ages",
        caption,
        charts.draw(charts.chart_ages(bars, rotation_days=days), label=caption),
        ("age", "keys"),
        tuple((bar.name, f"{bar.count:,}") for bar in bars),
    )


def _idle_figure(histograms: Histograms, days: float) -> Figure:
    bars = histograms.idle()
    caption = f"Time since the last use; unused from {days:g} days on"
    return Figure(
        "idle",
        caption,
        charts.draw(charts.chart_idle(bars), label=caption),
        ("last used", "keys"),
        tuple((bar.name, f"{bar.count:,}") for bar in bars),
    )


def _cells_figure(histograms: Histograms) -> Figure:
    cells = histograms.cells()
    caption = "Age against time since the last use"
    idle = tuple(dict.fromkeys(cell.idle for cell in cells))
    counts = {(cell.age, cell.idle): f"{cell.count:,}" for cell in cells}
    ages = tuple(dict.fromkeys(cell.age for cell in cells))
    rows = tuple((age, *(counts[age, name] for name in idle)) for age in ages)
    svg = charts.draw(charts.chart_cells(cells), label=caption)
    return Figure("cells", caption, svg, ("age", *idle), rows)


def _weeks_figure(histograms: Histograms) -> Figure | None:
    weeks = histograms.weeks()
    if not weeks:
        return None
    caption = "Creations a week, of the keys that are still there"
    svg = charts.draw(charts.chart_weeks(weeks), label=caption)
    rows = tuple((week.isoformat(), f"{count:,}") for week, count in weeks)
    return Figure("weeks", caption, svg, ("week of", "keys"), rows)


def _trend_figure(trend: tuple[TrendPoint, ...], summary: Summary) -> Figure | None:
    if not trend:
        return None
    now = TrendPoint(summary.started_at, summary.by_severity, summary.coverage)
    points = [*trend, now]
    caption = "Findings by severity, audit after audit"
    rows = tuple(
        (
            f"{point.taken_at:%Y-%m-%d %H:%M}",
            *(f"{dict(point.by_severity).get(severity, 0):,}" for severity in WORST_FIRST),
            show_share(point.coverage),
        )
        for point in points
    )
    headings = ("audit", *(SEVERITIES[severity] for severity in WORST_FIRST), "coverage")
    return Figure("trend", caption, charts.draw(charts.chart_trend(points), label=caption), headings, rows)


def _counts_figure(
    name: str,
    caption: str,
    heading: str,
    counts: list[tuple[str, tuple[int, ...]]],
    *,
    shorten: Callable[[str], str] = str,
) -> Figure | None:
    if not counts:
        return None
    worst = counts[:_CHARTED]
    chart = charts.chart_counts((shorten(label), numbers) for label, numbers in worst)
    headings = (heading, *(SEVERITIES[severity] for severity in WORST_FIRST))
    rows = tuple((label, *(f"{number:,}" for number in numbers)) for label, numbers in worst)
    return Figure(name, caption, charts.draw(chart, label=caption), headings, rows)


def _of(count: int, what: str) -> str:
    return f"; the first {_CHARTED} of {count:,} {what}".rstrip() if count > _CHARTED else ""


def _shorten(text: str) -> str:
    return text if len(text) <= 26 else f"{text[:25]}…"
