"""The findings as CSV that a spreadsheet opens without running any of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from accesskeys_async._contract.fields import format_uuid
from accesskeys_async._escaping import csv_cell, csv_line
from accesskeys_async.audit.records import OrganizationAudit, Summary
from accesskeys_async.audit.reports.finding_table import COLUMNS, FindingRow, list_rows, table_row


class CsvReport:
    """A header, a row for each finding, and one for each organization that could not be read.

    A cell is empty where there is nothing to say. JSON is the form that loses nothing.
    """

    def begin(self) -> bytes:
        """Return the header."""
        return _join([COLUMNS])

    def organization(self, audit: OrganizationAudit) -> bytes:
        """Return the rows of one organization."""
        return _join(_cells(line) for line in list_rows(audit))

    def end(self, summary: Summary) -> bytes:
        """Return the rows of what was found across organizations."""
        return _join(_cells(table_row(finding, None)) for finding in summary.findings)


def _cells(line: FindingRow) -> tuple[str, ...]:
    return (
        line.outcome,
        _text(line.rule),
        line.severity or "",
        _text(line.title),
        _text(line.message),
        format_uuid(line.organization_id),
        _text(" ".join(line.labels)),
        "" if line.key_id is None else format_uuid(line.key_id),
        _text(line.key_name),
        _text(line.key_suffix),
        _time(line.created_at),
        _time(line.last_used_at),
        "true" if line.is_own_key else "false",
        _text(line.suppressed),
        line.fingerprint or "",
        _text(line.source),
        "" if line.line is None else str(line.line),
        " ".join(line.role_ids or ()),
        _text("; ".join(line.role_names or ())),
    )


def _text(text: str | None) -> str:
    return csv_cell(text) if text else ""


def _time(time: datetime | None) -> str:
    return "" if time is None else f"{time.isoformat()[:19]}Z"


def _join(rows: Iterable[Iterable[str]]) -> bytes:
    return "".join(map(csv_line, rows)).encode()
