"""The findings as SARIF 2.1.0, for code scanning, each at its organization's line of the inventory."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import quote
from uuid import UUID

from attrs import define, field

from accesskeys_async._contract.writing import dump_printable
from accesskeys_async._escaping import printable, sarif_text
from accesskeys_async._version import __version__
from accesskeys_async.audit.records import Finding, OrganizationAudit, Severity, Subject, Summary
from accesskeys_async.audit.reports.context import ReportContext, list_rule_texts
from accesskeys_async.audit.reports.json_rows import SEVERITIES, Row, finding_row
from accesskeys_async.audit.rules.rule import Rule

MOST_RESULTS: Final = 25_000
"""As many as code scanning takes of one run."""

VIRTUAL_FOLDER: Final = "accesskeys/organizations"
"""Where the results of organizations stand that no file names; there is no such folder."""

_LEVELS: Final = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
# From 9.0 code scanning says critical, from 7.0 high, from 4.0 medium.
_SCORES: Final = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.INFO: "0.1",
}
_NO_KEY: Final = UUID(int=0)


@define
class SarifReport:
    """One run. Of more than `most` results the first are kept, and a notification says which are not.

    Those that count come first, and of those the most severe; what follows is the order of organizations,
    rules and keys, so that the same findings are the same log in whatever order they came.
    """

    _context: ReportContext
    _most: int = MOST_RESULTS
    _subjects: dict[UUID, Subject] = field(factory=dict, init=False)
    _findings: list[Finding] = field(factory=list, init=False)
    _left_out: Counter[tuple[bool, Severity]] = field(factory=Counter, init=False)
    _rules: dict[str, Rule | Finding] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rules = {rule.id: rule for rule in self._context.rules}

    def begin(self) -> bytes:
        """Return nothing: which results come first is known at the end."""
        return b""

    def organization(self, audit: OrganizationAudit) -> bytes:
        """Keep the organization's findings."""
        self._subjects[audit.subject.organization_id] = audit.subject
        for finding in audit.findings:
            self._keep(finding)
        return b""

    def end(self, summary: Summary) -> bytes:
        """Return the whole log."""
        for finding in summary.findings:
            self._keep(finding)
        self._leave_out()
        run = {
            "tool": {"driver": self._driver()},
            "columnKind": "unicodeCodePoints",
            "invocations": [self._invocation(summary)],
            "properties": {"policyHash": summary.policy_hash, "coverage": summary.coverage},
        }
        log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0"}
        return b"".join(
            [
                *(
                    dump_printable(log).removesuffix(b"}"),
                    b',"runs":[',
                    dump_printable(run).removesuffix(b"}"),
                ),
                *(
                    b',"results":[\n',
                    b",\n".join(dump_printable(self._result(one)) for one in self._findings),
                ),
                b"\n]}]}\n",
            ]
        )

    def _keep(self, finding: Finding) -> None:
        self._rules.setdefault(finding.rule, finding)
        self._findings.append(finding)
        if len(self._findings) >= 2 * self._most:  # sorted now and then, and not at each
            self._leave_out()

    def _leave_out(self) -> None:
        self._findings.sort(key=_order)
        self._left_out.update(
            (finding.suppressed is not None, finding.severity) for finding in self._findings[self._most :]
        )
        del self._findings[self._most :]

    def _result(self, finding: Finding) -> Row:
        subject = self._subjects.get(finding.organization_id)
        name = finding.organization_id if finding.key is None else finding.key.id
        logical: Row = {
            "fullyQualifiedName": f"{finding.organization_id}/{name}",
            "kind": "organization" if finding.key is None else "accessKey",
        }
        # Code scanning refuses the whole log if one result has no place in a file.
        source, line = f"{VIRTUAL_FOLDER}/{finding.organization_id}", None
        if subject is not None and subject.source is not None:
            source, line = subject.source, subject.line
        location = {"physicalLocation": _locate(source, line), "logicalLocations": [logical]}
        row = finding_row(finding)
        result: Row = {
            "ruleId": finding.rule,
            "level": _LEVELS[finding.severity],
            "message": {"text": sarif_text(f"{_name(finding)}: {finding.message}")},
            "locations": [location],
            "partialFingerprints": {
                "primaryLocationLineHash": finding.fingerprint,
                "accessKeysFinding/v1": finding.fingerprint,
            },
            "properties": {name: row[name] for name in ("severity", "organizationId", "key", "isOwnKey")},
        }
        if finding.suppressed is not None:
            suppression = {"kind": "external", "status": "accepted", "justification": finding.suppressed}
            result["suppressions"] = [suppression]
        return result

    def _driver(self) -> Row:
        return {
            "name": "accesskeys audit",
            "version": __version__,
            "semanticVersion": __version__,
            "rules": [_describe(name, rule) for name, rule in sorted(self._rules.items())],
            "notifications": [
                {"id": "organization-not-read", "name": "OrganizationNotRead"},
                {"id": "roles-not-read", "name": "RolesNotRead"},
                {"id": "results-left-out", "name": "ResultsLeftOut"},
                {"id": "note", "name": "AuditNote"},
            ],
        }

    def _invocation(self, summary: Summary) -> Row:
        notifications = [
            _notify(
                "organization-not-read",
                "error",
                f"organization {subject.organization_id} was not read: "
                f"{unreadable.reason}: {unreadable.message}",
                subject,
            )
            for subject, unreadable in summary.unreadable
        ]
        if summary.partly_read:
            text = (
                f"the roles of {summary.unread_roles:,} keys in {summary.partly_read:,} organizations "
                "could not be read"
            )
            notifications.append(_notify("roles-not-read", "error", text))
        if self._left_out:
            text = (
                f"{self._left_out.total():,} results are left out: {_list_left_out(self._left_out)}; "
                f"the first {self._most:,} are here, suppressed ones last, and each by severity"
            )
            notifications.append(_notify("results-left-out", "warning", text))
        notifications += [_notify("note", "note", note) for note in summary.notes]
        return {
            "executionSuccessful": summary.is_complete,
            "startTimeUtc": summary.started_at,
            "toolExecutionNotifications": notifications,
        }


def _order(finding: Finding) -> tuple[bool, int, UUID, str, UUID, str]:
    key_id = _NO_KEY if finding.key is None else finding.key.id
    return (
        finding.suppressed is not None,
        -finding.severity,
        finding.organization_id,
        finding.rule,
        key_id,
        finding.fingerprint,
    )


def _list_left_out(left_out: Counter[tuple[bool, Severity]]) -> str:
    ordered = sorted(left_out.items(), key=lambda one: (one[0][0], -one[0][1]))
    return ", ".join(
        f"{count:,} {SEVERITIES[severity]}{' (suppressed)' if is_suppressed else ''}"
        for (is_suppressed, severity), count in ordered
    )


def _name(finding: Finding) -> str:
    if finding.key is None:
        return f"organization {finding.organization_id}"
    return f"{printable(finding.key.name)} (…{printable(finding.key.suffix)})"


def _describe(name: str, rule: Rule | Finding) -> Row:
    row: Row = {
        "id": name,
        "name": "".join(word.capitalize() for word in re.findall(r"\w+", rule.title)),
        "shortDescription": {"text": sarif_text(rule.title)},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }
    properties: Row = {
        "severity": SEVERITIES[rule.severity],
        "security-severity": _SCORES[rule.severity],
        "tags": ["security", "access-keys"],
    }
    if isinstance(rule, Rule):
        row["fullDescription"] = {"text": sarif_text(rule.condition)}
        row["help"] = {"text": sarif_text("\n".join(list_rule_texts(rule)))}
        properties["tags"] = ["security", "access-keys", *rule.controls]
    return {**row, "properties": properties}


def _locate(source: str, line: int | None) -> Row:
    path = Path(source)
    if path.is_absolute():
        artifact: Row = {"uri": path.as_uri()}
    else:
        artifact = {"uri": quote(path.as_posix(), errors="surrogatepass"), "uriBaseId": "%SRCROOT%"}
    return {"artifactLocation": artifact, "region": {"startLine": line or 1}}


def _notify(name: str, level: str, text: str, subject: Subject | None = None) -> Row:
    row: Row = {"descriptor": {"id": name}, "level": level, "message": {"text": sarif_text(text)}}
    if subject is not None and subject.source is not None:
        row["locations"] = [{"physicalLocation": _locate(subject.source, subject.line)}]
    return row
