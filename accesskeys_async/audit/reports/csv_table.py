"""The findings as CSV that a spreadsheet opens without running any of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime

from attrs import astuple

from accesskeys_async.audit.records import OrganizationAudit, Summary
from accesskeys_async.audit.reports.table import COLUMNS, Line, finding_line, list_lines
from accesskeys_async.printable import csv_cell

__all__ = ["CsvWriter"]


class CsvWriter:
    """A header, a row for each finding, and one for each organization that could not be read.

    A cell is empty where there is nothing to say. JSON is the form that loses nothing.
    """

    def begin(self) -> bytes:
        """Return the header."""
        return _join([COLUMNS])

    def organization(self, audit: OrganizationAudit) -> bytes:
        """Return the rows of one organization."""
        return _join(_cells(line) for line in list_lines(audit))

    def end(self, summary: Summary) -> bytes:
        """Return the rows of what was found across organizations."""
        return _join(_cells(finding_line(finding, None)) for finding in summary.findings)


def _cells(line: Line) -> list[str]:
    return [_cell(value) for value in astuple(line, recurse=False)]


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return f"{value:%Y-%m-%dT%H:%M:%SZ}"
        case tuple():
            return csv_cell(" ".join(str(part) for part in value))
        case _:
            return csv_cell(str(value))


def _join(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
