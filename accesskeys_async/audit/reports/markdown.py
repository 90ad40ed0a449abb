"""The audit in Markdown, short enough for a CI step's summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define, field

from accesskeys_async._escaping import markdown_code, markdown_text
from accesskeys_async.audit.records import Finding, OrganizationAudit, Summary
from accesskeys_async.audit.reports.context import ReportContext, list_rule_texts
from accesskeys_async.audit.reports.json_rows import SEVERITIES
from accesskeys_async.audit.reports.key_roles import RoleCounts, list_key_roles
from accesskeys_async.audit.reports.worst_findings import WORST_FIRST, WorstFindings, show_share

MOST_ROWS: Final = 50


@define
class MarkdownReport:
    """Counts, then the worst `most` of everything; what a person wrote is shown as code, and does nothing."""

    _context: ReportContext
    _most: int = MOST_ROWS
    _worst: WorstFindings = field(init=False)
    _roles: RoleCounts = field(init=False, factory=RoleCounts)

    def __attrs_post_init__(self) -> None:
        self._worst = WorstFindings(self._most, self._most)

    def begin(self) -> bytes:
        """Return nothing: the summary stands first."""
        return b""

    def organization(self, audit: OrganizationAudit) -> bytes:
        """Count the organization."""
        self._worst.add(audit)
        self._roles.add(audit.keys)
        return b""

    def end(self, summary: Summary) -> bytes:
        """Return the whole report."""
        self._worst.add_findings(summary.findings)
        sections = [
            self._head(summary),
            self._severities(summary),
            self._rules(summary),
            self._rule_texts(summary),
            self._findings(summary),
            self._organizations(),
            self._role_counts(),
            self._unreadable(summary),
            self._notes(summary),
        ]
        text = "\n\n".join("\n".join(section) for section in map(list, sections) if section)
        return f"{text}\n".encode()

    def _head(self, summary: Summary) -> Iterator[str]:
        read = summary.organizations - len(summary.unreadable) - summary.partly_read
        yield f"# {self._context.title}"
        yield ""
        if summary.unreadable:
            yield (
                f"> **Incomplete:** {len(summary.unreadable):,} of {summary.organizations:,} organizations "
                "could not be read. Their findings are not in this report."
            )
            yield ""
        if summary.partly_read:
            yield (
                f"> **Incomplete:** the roles of {summary.unread_roles:,} keys in {summary.partly_read:,} "
                "organizations could not be read. What they permit is not known."
            )
            yield ""
        yield (
            f"Read {read:,} of {summary.organizations:,} organizations ({show_share(summary.coverage)}) and "
            f"{summary.keys:,} keys at {summary.started_at:%Y-%m-%d %H:%M} UTC in {summary.elapsed:,.1f} s. "
            f"Policy {markdown_code(summary.policy_hash)}."
        )

    def _severities(self, summary: Summary) -> Iterator[str]:
        counts = dict(summary.by_severity)
        yield "| severity | findings |"
        yield "| --- | ---: |"
        for severity in WORST_FIRST:
            yield f"| {SEVERITIES[severity]} | {counts.get(severity, 0):,} |"
        if summary.suppressed:
            yield f"| suppressed | {summary.suppressed:,} |"

    def _rules(self, summary: Summary) -> Iterator[str]:
        results = {result.rule: result for result in summary.by_rule}
        titles = {rule.id: rule.title for rule in self._context.rules} | self._worst.titles
        rows: list[str] = []
        for rule, counts in self._worst.rule_counts(summary):
            result = results.get(rule)
            not_evaluated = 0 if result is None else result.not_evaluated
            if any(counts) or not_evaluated:
                reason = "" if result is None else result.reason or ""
                numbers = (f"{count:,}" for count in (*counts, not_evaluated))
                cells = (
                    markdown_code(rule),
                    markdown_code(titles.get(rule, "")),
                    *numbers,
                    markdown_code(reason),
                )
                rows.append(f"| {' | '.join(cells)} |")
        if rows:
            names = " | ".join(SEVERITIES[severity] for severity in WORST_FIRST)
            yield from ("## Rules", "", f"| rule | title | {names} | not evaluated | why not |")
            yield "| --- | --- | " + " | ".join(["---:"] * 6) + " | --- |"
            yield from rows

    def _rule_texts(self, summary: Summary) -> Iterator[str]:
        described = {rule.id: rule for rule in self._context.rules}
        counted = [name for name, counts in self._worst.rule_counts(summary) if any(counts)]
        rules = [described[name] for name in counted if name in described]
        if rules:
            yield from ("## How to fix findings", "")
            for rule in rules:
                texts = " ".join(map(markdown_text, list_rule_texts(rule)))
                yield f"- {markdown_code(rule.id)} {markdown_code(rule.title)}: {texts}"

    def _findings(self, summary: Summary) -> Iterator[str]:
        findings = self._worst.worst_findings()
        if not findings:
            return
        yield from ("## Findings", "", "| severity | rule | organization | key | roles | what |")
        yield "| --- | --- | --- | --- | --- | --- |"
        for finding in findings:
            cells = (
                SEVERITIES[finding.severity],
                markdown_code(finding.rule),
                markdown_code(str(finding.organization_id)),
                _name(finding),
                _list_roles(finding),
                markdown_code(finding.message),
            )
            yield f"| {' | '.join(cells)} |"
        yield from _left_out(len(findings), sum(count for _, count in summary.by_severity), "findings")

    def _organizations(self) -> Iterator[str]:
        ranked = self._worst.worst_organizations()
        if not ranked:
            return
        names = " | ".join(SEVERITIES[severity] for severity in WORST_FIRST)
        yield from ("## Worst organizations", "", f"| organization | labels | keys | {names} |")
        yield "| --- | --- | " + " | ".join(["---:"] * 6) + " |"
        for count in ranked:
            labels = " ".join(markdown_code(label) for label in count.subject.labels)
            numbers = " | ".join(f"{number:,}" for number in (count.keys, *count.by_severity))
            yield f"| {markdown_code(str(count.subject.organization_id))} | {labels} | {numbers} |"
        yield from _left_out(len(ranked), self._worst.with_findings, "organizations with findings")

    def _role_counts(self) -> Iterator[str]:
        counts = self._roles.ranked()
        if not counts:
            return
        yield from ("## Keys by role", "", "| role | kind | keys |", "| --- | --- | ---: |")
        for count in counts[: self._most]:
            label = count.label if count.role_id is None else markdown_code(str(count.role_id))
            if count.name is not None:
                label = f"{label} {markdown_code(count.name)}"
            yield f"| {label} | {count.kind.value} | {count.keys:,} |"
        yield from _left_out(self._most, len(counts), "roles")

    def _unreadable(self, summary: Summary) -> Iterator[str]:
        if not summary.unreadable:
            return
        yield from ("## Not read", "", "| organization | reason | what |", "| --- | --- | --- |")
        for subject, unreadable in summary.unreadable[: self._most]:
            cells = (str(subject.organization_id), unreadable.reason, unreadable.message)
            yield f"| {' | '.join(map(markdown_code, cells))} |"
        if len(summary.unreadable) > self._most:
            reasons = Counter(unreadable.reason for _, unreadable in summary.unreadable)
            yield from _left_out(self._most, len(summary.unreadable), "organizations")
            yield (
                "Total: "
                + ", ".join(f"{markdown_code(reason)} {n:,}" for reason, n in reasons.most_common())
                + "."
            )

    def _notes(self, summary: Summary) -> Iterator[str]:
        if summary.notes:
            yield from ("## Notes", "")
            yield from (f"- {markdown_code(note)}" for note in summary.notes[: self._most])
            yield from _left_out(self._most, len(summary.notes), "notes")


def _name(finding: Finding) -> str:
    if finding.key is None:
        return ""
    own = " (the auditor's own)" if finding.is_own_key else ""
    return f"{markdown_code(finding.key.name)} {markdown_code(f'…{finding.key.suffix}')}{own}"


def _list_roles(finding: Finding) -> str:
    roles = list_key_roles(finding.key) or ()
    return ", ".join(
        f"{markdown_code(role.label)}{' (managed)' if role.is_managed else ''}" for role in roles
    )


def _left_out(shown: int, all_of_them: int, what: str) -> Iterable[str]:
    return ("", f"{shown:,} of {all_of_them:,} {what} are shown.") if all_of_them > shown else ()
