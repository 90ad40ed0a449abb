"""The audit as one JSON document, described by report.schema.json, and as JSON lines."""

from __future__ import annotations

from typing import Final

from attrs import define, field

from accesskeys_async._contract.writing import dump_printable
from accesskeys_async.audit.records import OrganizationAudit, Summary
from accesskeys_async.audit.reports.context import ReportContext
from accesskeys_async.audit.reports.json_rows import (
    finding_row,
    generator_row,
    organization_row,
    rule_row,
    summary_row,
)

SCHEMA_VERSION: Final = "1"
SCHEMA_ID: Final = f"urn:accesskeys-async:audit-report:{SCHEMA_VERSION}"


@define
class JsonReport:
    """One object: the organizations with their findings, one per line, then rules and the summary."""

    _context: ReportContext = field(factory=ReportContext)
    _begun: bool = field(init=False, default=False)

    def begin(self) -> bytes:
        """Return the start of the document."""
        head = {"$schema": SCHEMA_ID, "schemaVersion": SCHEMA_VERSION, "generator": generator_row()}
        return dump_printable(head).removesuffix(b"}") + b',"organizations":['

    def organization(self, audit: OrganizationAudit) -> bytes:
        """Return an item of the organizations."""
        comma, self._begun = (b",\n" if self._begun else b"\n"), True
        row = organization_row(audit)
        row["findings"] = [finding_row(finding) for finding in audit.findings]
        return comma + dump_printable(row)

    def end(self, summary: Summary) -> bytes:
        """Return the findings across organizations, the rules, and the summary."""
        tail = {
            "fleetFindings": [finding_row(finding) for finding in summary.findings],
            "rules": [rule_row(rule) for rule in self._context.rules],
            "summary": summary_row(summary),
        }
        return b"\n]," + dump_printable(tail).removeprefix(b"{") + b"\n"


class JsonLinesReport:
    """One object per line: each finding, each organization after its findings, and the summary last.

    A file whose last line is not the summary is incomplete.
    """

    def begin(self) -> bytes:
        """Return nothing."""
        return b""

    def organization(self, audit: OrganizationAudit) -> bytes:
        """Return the findings of the organization, and the organization."""
        lines = [dump_printable({"kind": "finding", **finding_row(finding)}) for finding in audit.findings]
        lines.append(dump_printable({"kind": "organization", **organization_row(audit)}))
        return b"\n".join(lines) + b"\n"

    def end(self, summary: Summary) -> bytes:
        """Return the findings across organizations, and the summary."""
        lines = [dump_printable({"kind": "finding", **finding_row(finding)}) for finding in summary.findings]
        lines.append(
            dump_printable({"kind": "summary", "generator": generator_row(), **summary_row(summary)})
        )
        return b"\n".join(lines) + b"\n"
