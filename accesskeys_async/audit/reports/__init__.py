"""Reports of an audit: JSON, JSON lines, CSV, Markdown, SARIF, Parquet and HTML."""

from accesskeys_async._public import public
from accesskeys_async.audit.reports.context import ReportContext, TrendPoint
from accesskeys_async.audit.reports.report_file import ReportError
from accesskeys_async.audit.reports.report_formats import FORMATS, Reports, open_reports, write_reports
from accesskeys_async.audit.reports.report_writer import ReportWriter

__all__ = [
    "FORMATS",
    "ReportContext",
    "ReportError",
    "ReportWriter",
    "Reports",
    "TrendPoint",
    "open_reports",
    "write_reports",
]

for _name in __all__:
    public(__name__)(globals()[_name])
