"""The audit as one HTML file for people: it works offline, and its own policy keeps it from the network."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from accesskeys_async._version import __version__
from accesskeys_async.audit.records import OrganizationAudit, Severity, Summary
from accesskeys_async.audit.reports import charts
from accesskeys_async.audit.reports.background import Background, TrendPoint
from accesskeys_async.audit.reports.extras import load
from accesskeys_async.audit.reports.histograms import Histograms
from accesskeys_async.audit.reports.rows import SEVERITIES
from accesskeys_async.audit.reports.tally import WORST_FIRST, Tally
from accesskeys_async.printable import printable

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["MOST_FINDINGS", "MOST_ORGANIZATIONS", "HtmlWriter"]

MOST_FINDINGS: Final = 2_000
"""Rows of the table of findings; the counts and charts are of all of them."""
MOST_ORGANIZATIONS: Final = 1_000
_CHARTED: Final = 12


@frozen
class Figure:
    """A chart, and the same numbers as a table."""

    name: str
    caption: str
    svg: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@define
class HtmlWriter:
    """Keep counts and the worst of everything, and draw it all at the end.

    Raises ConfigurationError where Jinja2 or the charting library is not installed.
    """

    _background: Background
    _tally: Tally = field(init=False)
    _histograms: Histograms = field(init=False)
    _template: Template = field(init=False)

    def __attrs_post_init__(self) -> None:
        load("vl_convert", for_report="HTML", extra="audit")
        self._template = _load_template()
        self._tally = Tally(MOST_FINDINGS, MOST_ORGANIZATIONS)
        self._histograms = Histograms(self._background.idle_days)

    def begin(self) -> bytes:
        """Return nothing: the summary stands first."""
        return b""

    def organization(self, audit: OrganizationAudit) -> bytes:
        """Count the organization and its keys."""
        self._tally.add(audit)
        self._histograms.add(audit.keys, at=audit.taken_at)
        return b""

    def end(self, summary: Summary) -> bytes:
        """Return the whole page."""
        self._tally.add_findings(summary.findings)
        style, script = _read("report.css"), _read("report.js")
        counts = dict(summary.by_severity)
        page = self._template.render(
            background=self._background,
            summary=summary,
            tally=self._tally,
            severities=[(SEVERITIES[severity], counts.get(severity, 0)) for severity in WORST_FIRST],
            figures=self._figures(summary),
            rules=self._rules(summary),
            reasons=Counter(unreadable.reason for _, unreadable in summary.unreadable).most_common(),
            most=MOST_ORGANIZATIONS,
            style=style,
            script=script,
            style_hash=_hash(style),
            script_hash=_hash(script),
            version=__version__,
        )
        return page.encode()

    def _rules(self, summary: Summary) -> list[dict[str, object]]:
        results = {result.rule: result for result in summary.by_rule}
        described = {rule.id: rule for rule in self._background.rules}
        rows: list[dict[str, object]] = []
        for name, counts in self._tally.rule_counts(summary):
            result, rule = results.get(name), described.get(name)
            rows.append(
                {
                    "id": name,
                    "title": self._tally.titles.get(name) or (rule.title if rule else ""),
                    "condition": rule.condition if rule else "",
                    "counts": counts,
                    "total": sum(counts),
                    "passed": result.passed if result else 0,
                    "not_evaluated": result.not_evaluated if result else 0,
                    "reason": result.reason if result else None,
                }
            )
        return rows

    def _figures(self, summary: Summary) -> list[Figure]:
        figures = [
            self._rules_figure(summary),
            self._organizations_figure(),
            self._ages_figure(),
            self._idle_figure(),
            self._cells_figure(),
            self._weeks_figure(),
            self._trend_figure(summary),
        ]
        return [figure for figure in figures if figure is not None]

    def _rules_figure(self, summary: Summary) -> Figure | None:
        counts = [(name, counts) for name, counts in self._tally.rule_counts(summary) if any(counts)]
        caption = "Findings by rule and severity" + _of(len(counts), "rules")
        return _counts_figure("rules", caption, "rule", counts)

    def _organizations_figure(self) -> Figure | None:
        worst = self._tally.worst_organizations()
        counts = [(str(count.subject.organization_id), count.by_severity) for count in worst]
        caption = "The organizations with the worst findings" + _of(len(counts), "")
        return _counts_figure("organizations", caption, "organization", counts, shorten=_shorten)

    def _ages_figure(self) -> Figure:
        days = self._background.rotation_days
        bars = self._histograms.ages(rotation_days=days)
        caption = f"Age of keys; rotation is due by {days:g} days"
        return Figure(
            "ages",
            caption,
            charts.draw(charts.chart_ages(bars, rotation_days=days), label=caption),
            ("age", "keys"),
            tuple((bar.name, f"{bar.count:,}") for bar in bars),
        )

    def _idle_figure(self) -> Figure:
        bars = self._histograms.idle()
        caption = f"Time since the last use; unused from {self._background.idle_days:g} days on"
        return Figure(
            "idle",
            caption,
            charts.draw(charts.chart_idle(bars), label=caption),
            ("last used", "keys"),
            tuple((bar.name, f"{bar.count:,}") for bar in bars),
        )

    def _cells_figure(self) -> Figure:
        cells = self._histograms.cells()
        caption = "Age against time since the last use"
        idle = tuple(dict.fromkeys(cell.idle for cell in cells))
        counts = {(cell.age, cell.idle): f"{cell.count:,}" for cell in cells}
        ages = tuple(dict.fromkeys(cell.age for cell in cells))
        rows = tuple((age, *(counts[age, name] for name in idle)) for age in ages)
        svg = charts.draw(charts.chart_cells(cells), label=caption)
        return Figure("cells", caption, svg, ("age", *idle), rows)

    def _weeks_figure(self) -> Figure | None:
        weeks = self._histograms.weeks()
        if not weeks:
            return None
        caption = "Creations a week, of the keys that are still there"
        svg = charts.draw(charts.chart_weeks(weeks), label=caption)
        rows = tuple((week.isoformat(), f"{count:,}") for week, count in weeks)
        return Figure("weeks", caption, svg, ("week of", "keys"), rows)

    def _trend_figure(self, summary: Summary) -> Figure | None:
        if not self._background.trend:
            return None
        now = TrendPoint(summary.started_at, summary.by_severity, summary.coverage)
        points = [*self._background.trend, now]
        caption = "Findings by severity, audit after audit"
        rows = tuple(
            (
                f"{point.taken_at:%Y-%m-%d %H:%M}",
                *(f"{dict(point.by_severity).get(severity, 0):,}" for severity in WORST_FIRST),
                f"{point.coverage:.1%}",
            )
            for point in points
        )
        headings = ("audit", *(SEVERITIES[severity] for severity in WORST_FIRST), "coverage")
        return Figure(
            "trend", caption, charts.draw(charts.chart_trend(points), label=caption), headings, rows
        )


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
    return text if len(text) <= 14 else f"{text[:13]}…"


def _load_template() -> Template:
    jinja = load("jinja2", for_report="HTML", extra="audit")
    environment = jinja.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja.StrictUndefined
    )
    environment.filters["shown"] = printable
    environment.filters["severity"] = lambda severity: SEVERITIES[Severity(severity)]
    template: Template = environment.from_string(_read("report.html.jinja"))
    return template


def _read(name: str) -> str:
    return resources.files("accesskeys_async.audit.reports").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what names an inline style or script in a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
