"""The audit as one HTML file for people: it works offline, and its own policy keeps it from the network."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from importlib import resources
from typing import Final

from attrs import define, field

from accesskeys_async._escaping import printable
from accesskeys_async._version import __version__
from accesskeys_async.audit.records import OrganizationAudit, Severity, Summary
from accesskeys_async.audit.reports.context import ReportContext
from accesskeys_async.audit.reports.figures import list_figures
from accesskeys_async.audit.reports.histograms import Histograms
from accesskeys_async.audit.reports.json_rows import SEVERITIES
from accesskeys_async.audit.reports.key_roles import RoleCounts, list_key_roles
from accesskeys_async.audit.reports.report_writer import import_optional
from accesskeys_async.audit.reports.worst_findings import WORST_FIRST, WorstFindings, show_share

MOST_FINDINGS: Final = 2_000
"""Rows of the table of findings; the counts and charts are of all of them."""
MOST_ORGANIZATIONS: Final = 1_000


@define
class HtmlReport:
    """Keep counts and the worst of everything, and draw it all at the end.

    Raises ConfigurationError where Jinja2 or the charting library is not installed.
    """

    _context: ReportContext
    _worst: WorstFindings = field(init=False)
    _histograms: Histograms = field(init=False)
    _roles: RoleCounts = field(init=False, factory=RoleCounts)
    _render: Callable[..., str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        import_optional("vl_convert", for_report="HTML", extra="audit")
        self._render = _load_template()
        self._worst = WorstFindings(MOST_FINDINGS, MOST_ORGANIZATIONS)
        self._histograms = Histograms(self._context.idle_days)

    def begin(self) -> bytes:
        """Return nothing: the summary stands first."""
        return b""

    def organization(self, audit: OrganizationAudit) -> bytes:
        """Count the organization and its keys."""
        self._worst.add(audit)
        self._histograms.add(audit.keys, at=audit.taken_at)
        self._roles.add(audit.keys)
        return b""

    def end(self, summary: Summary) -> bytes:
        """Return the whole page."""
        self._worst.add_findings(summary.findings)
        style, script = _read("report.css"), _read("report.js")
        counts = dict(summary.by_severity)
        page = self._render(
            context=self._context,
            summary=summary,
            worst=self._worst,
            severities=[(SEVERITIES[severity], counts.get(severity, 0)) for severity in WORST_FIRST],
            figures=list_figures(summary, self._worst, self._histograms, self._roles, self._context),
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
        described = {rule.id: rule for rule in self._context.rules}
        rows: list[dict[str, object]] = []
        for name, counts in self._worst.rule_counts(summary):
            result, rule = results.get(name), described.get(name)
            rows.append(
                {
                    "id": name,
                    "title": self._worst.titles.get(name) or (rule.title if rule else ""),
                    "condition": rule.condition if rule else "",
                    "remedy": rule.remedy if rule else "",
                    "false_positives": rule.false_positives if rule else "",
                    "counts": counts,
                    "total": sum(counts),
                    "passed": result.passed if result else 0,
                    "not_evaluated": result.not_evaluated if result else 0,
                    "reason": result.reason if result else None,
                }
            )
        return rows


def _load_template() -> Callable[..., str]:
    jinja = import_optional("jinja2", for_report="HTML", extra="audit")
    environment = jinja.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja.StrictUndefined
    )
    environment.filters["shown"] = printable
    environment.filters["share"] = show_share
    environment.filters["roles"] = list_key_roles
    environment.filters["severity"] = lambda severity: SEVERITIES[Severity(severity)]
    render: Callable[..., str] = environment.from_string(_read("report.html.jinja")).render
    return render


def _read(name: str) -> str:
    return resources.files("accesskeys_async.audit.reports").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what names an inline style or script in a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
