"""Reports of an audit: JSON, JSON lines, CSV, Markdown, SARIF, Parquet and HTML."""

from accesskeys_async._public import public
from accesskeys_async.audit.reports.context import Background, TrendPoint
from accesskeys_async.audit.reports.report_file import ReportError
from accesskeys_async.audit.reports.writer import Writer
from accesskeys_async.audit.reports.writing import FORMS, Reports, open_reports, write_reports

__all__ = [
    "FORMS",
    "Background",
    "ReportError",
    "Reports",
    "TrendPoint",
    "Writer",
    "open_reports",
    "write_reports",
]

for _name in __all__:
    public(__name__)(globals()[_name])
