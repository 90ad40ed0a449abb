"""The formats of reports by file extension, and several reports written while an audit runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias
from uuid import UUID

from attrs import define, evolve, field

from accesskeys_async.audit.records import OrganizationAudit, Summary
from accesskeys_async.audit.reports.context import ReportContext
from accesskeys_async.audit.reports.csv_table import CsvReport
from accesskeys_async.audit.reports.html import HtmlReport
from accesskeys_async.audit.reports.json_document import JsonLinesReport, JsonReport
from accesskeys_async.audit.reports.markdown import MarkdownReport
from accesskeys_async.audit.reports.parquet import ParquetReport
from accesskeys_async.audit.reports.report_file import ReportError, ReportFile, ReportStream
from accesskeys_async.audit.reports.report_writer import ReportWriter
from accesskeys_async.audit.reports.sarif import SarifReport
from accesskeys_async.audit.rules.withheld_names import withhold_names
from accesskeys_async.errors import ConfigurationError, one_line

PathLikeText: TypeAlias = str | PathLike[str]

FORMATS: Final[Mapping[str, Callable[[ReportContext], ReportWriter]]] = {
    ".csv": lambda _: CsvReport(),
    ".html": HtmlReport,
    ".json": JsonReport,
    ".md": MarkdownReport,
    ".ndjson": lambda _: JsonLinesReport(),
    ".parquet": lambda _: ParquetReport(),
    ".sarif": SarifReport,
    ".sarif.json": SarifReport,
}
"""Report formats by file extension. Each value creates the writer of one report."""


@define
class Reports:
    """Several reports that are written while an audit runs. Created by `open_reports`.

    Use it as a context manager. Leaving the block removes every report that was not finished.
    """

    _parts: tuple[tuple[ReportWriter, ReportFile], ...]
    _secret_keys: set[UUID] = field(factory=set, init=False)

    def __enter__(self) -> Self:
        """Open every file, before anything is written and before anything is read from the service."""
        try:
            for _, file in self._parts:
                file.open()
            for writer, file in self._parts:
                file.write(writer.begin())
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove every report that was not finished."""
        self._discard()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths of the reports, before and after they are finished; `-` for a stream."""
        return tuple(file.path for _, file in self._parts)

    def add(self, audit: OrganizationAudit) -> None:
        """Add the result of one organization to each report.

        Args:
            audit: The result of one organization.

        Raises:
            ReportError: A report could not be written.
        """
        findings = withhold_names(audit.findings, self._secret_keys)
        if findings is not audit.findings:
            audit = evolve(audit, findings=findings)
        for writer, file in self._parts:
            file.write(writer.organization(audit))

    def finish(self, summary: Summary) -> None:
        """Complete the reports, and move them to their paths. Drawing charts takes one or two seconds.

        Args:
            summary: The summary of the whole audit.

        Raises:
            ReportError: A report could not be written. None of the reports is at its path then.
        """
        summary = evolve(summary, findings=withhold_names(summary.findings, self._secret_keys))
        for writer, file in self._parts:
            file.write(writer.end(summary))
            file.sync()
        for _, file in self._parts:
            file.commit()

    async def follow(
        self, audits: AsyncIterable[OrganizationAudit | Summary]
    ) -> AsyncIterator[OrganizationAudit | Summary]:
        """Yield each part of an audit after it was added to the reports.

        Args:
            audits: What `audit` yields.

        Yields:
            The same parts. The summary is yielded when the reports are complete.

        Raises:
            ReportError: A report could not be written.
        """
        async for part in audits:
            if isinstance(part, Summary):
                await asyncio.to_thread(self.finish, part)
            else:
                self.add(part)
            yield part

    def _discard(self) -> None:
        for _, file in self._parts:
            file.discard()


def open_reports(
    paths: Iterable[PathLikeText],
    *,
    context: ReportContext | None = None,
    stream: Callable[[bytes], object] | None = None,
) -> Reports:
    """Return reports whose formats are chosen by the file extensions of their paths.

    Args:
        paths: One path for each report. The extension is one of `FORMATS`.
        context: What the reports show besides the results, such as descriptions of rules. None shows less.
        stream: Receives the bytes of one more report in JSON lines, piece by piece as they are written.

    Returns:
        The reports. No file is opened before the context is entered.

    Raises:
        ConfigurationError: An extension is unknown, a path is given twice, or a library is not installed.

    Example:
        >>> with open_reports(["keys.html"], context=ReportContext.of(policy)) as reports:
        ...     async for part in reports.follow(audit(client, ids, policy)):
        ...         print(part)
    """
    known = context or ReportContext()
    parts: list[tuple[ReportWriter, ReportFile]] = []
    for path in map(Path, paths):
        if any(path == file.path for _, file in parts):
            raise ConfigurationError(f"{_shown(path)} is given twice; one report would replace the other")
        parts.append((_make_writer(path, known), ReportFile(path)))
    if stream is not None:
        parts.append((JsonLinesReport(), ReportStream(Path("-"), stream)))
    return Reports(tuple(parts))


async def write_reports(
    audits: AsyncIterable[OrganizationAudit | Summary],
    *paths: PathLikeText,
    context: ReportContext | None = None,
) -> Summary:
    """Run an audit to its end, and write its reports.

    Args:
        audits: What `audit` yields.
        paths: One path for each report. The extension is one of `FORMATS`.
        context: What the reports show besides the results, such as descriptions of rules. None shows less.

    Returns:
        The summary of the audit.

    Raises:
        ConfigurationError: As raised by `open_reports`, before anything is read from the service.
        ReportError: A report could not be written, or the audit ended without a summary. No report is kept.
    """
    with open_reports(paths, context=context) as reports:
        async for part in reports.follow(audits):
            if isinstance(part, Summary):
                return part
    raise ReportError("the audit ended without a summary, so no report was written")


def _make_writer(path: Path, context: ReportContext) -> ReportWriter:
    name = path.name.lower()
    for ending in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(ending):
            return FORMATS[ending](context)
    raise ConfigurationError(
        f"{_shown(path)} has no known report extension; use one of {', '.join(sorted(FORMATS))}"
    )


def _shown(path: Path) -> str:
    return one_line(str(path))
