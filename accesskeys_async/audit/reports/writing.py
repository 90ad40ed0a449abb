"""Several reports at a time, written while the audit goes by."""

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
from accesskeys_async.audit.reports.context import Background
from accesskeys_async.audit.reports.csv_table import CsvWriter
from accesskeys_async.audit.reports.html import HtmlWriter
from accesskeys_async.audit.reports.json_document import JsonLinesWriter, JsonWriter
from accesskeys_async.audit.reports.markdown import MarkdownWriter
from accesskeys_async.audit.reports.parquet import ParquetWriter
from accesskeys_async.audit.reports.report_file import Destination, ReportError, StreamDestination
from accesskeys_async.audit.reports.rows import withhold
from accesskeys_async.audit.reports.sarif import SarifWriter
from accesskeys_async.audit.reports.writer import Writer
from accesskeys_async.errors import ConfigurationError, one_line

PathLikeText: TypeAlias = str | PathLike[str]

FORMS: Final[Mapping[str, Callable[[Background], Writer]]] = {
    ".csv": lambda _: CsvWriter(),
    ".html": HtmlWriter,
    ".json": lambda _: JsonWriter(),
    ".md": MarkdownWriter,
    ".ndjson": lambda _: JsonLinesWriter(),
    ".parquet": lambda _: ParquetWriter(),
    ".sarif": SarifWriter,
    ".sarif.json": SarifWriter,
}
"""What writes a report, by how its file's name ends."""


@define
class Reports:
    """Reports in the making: a context manager that leaves them whole, or leaves nothing of them."""

    _parts: tuple[tuple[Writer, Destination], ...]
    _secret_keys: set[UUID] = field(factory=set, init=False)

    def __enter__(self) -> Self:
        """Open every file before the first of them is written, and before anything is read."""
        try:
            for _, destination in self._parts:
                destination.open()
            for writer, destination in self._parts:
                destination.write(writer.begin())
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not finished."""
        self._discard()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the reports are, or will be; `-` is a stream."""
        return tuple(destination.path for _, destination in self._parts)

    def add(self, audit: OrganizationAudit) -> None:
        """Write one organization to each report. Raises ReportError."""
        findings = withhold(audit.findings, self._secret_keys)
        if findings is not audit.findings:
            audit = evolve(audit, findings=findings)
        for writer, destination in self._parts:
            destination.write(writer.organization(audit))

    def finish(self, summary: Summary) -> None:
        """Make the reports whole and give them their names. Raises ReportError, and then none has its name.

        Drawing charts takes a second or two.
        """
        summary = evolve(summary, findings=withhold(summary.findings, self._secret_keys))
        for writer, destination in self._parts:
            destination.write(writer.end(summary))
            destination.settle()
        for _, destination in self._parts:
            destination.keep()

    async def follow(
        self, audits: AsyncIterable[OrganizationAudit | Summary]
    ) -> AsyncIterator[OrganizationAudit | Summary]:
        """Hand on each part of an audit once it is written, the summary when the reports are whole."""
        async for part in audits:
            if isinstance(part, Summary):
                await asyncio.to_thread(self.finish, part)
            else:
                self.add(part)
            yield part

    def _discard(self) -> None:
        for _, destination in self._parts:
            destination.discard()


def open_reports(
    paths: Iterable[PathLikeText],
    *,
    background: Background | None = None,
    stream: Callable[[bytes], object] | None = None,
) -> Reports:
    """Choose a writer for each path by how its name ends.

    `stream` is called with each piece of one more report, in JSON lines, as it is written.

    Raises:
        ConfigurationError: A name ends otherwise, is given twice, or asks for what is not installed.
    """
    known = background or Background()
    parts: list[tuple[Writer, Destination]] = []
    for path in map(Path, paths):
        if any(path == destination.path for _, destination in parts):
            raise ConfigurationError(f"{_shown(path)} is named twice; one report would replace the other")
        parts.append((_make_writer(path, known), Destination(path)))
    if stream is not None:
        parts.append((JsonLinesWriter(), StreamDestination(Path("-"), stream)))
    return Reports(tuple(parts))


async def write_reports(
    audits: AsyncIterable[OrganizationAudit | Summary],
    *paths: PathLikeText,
    background: Background | None = None,
) -> Summary:
    """Run an audit to its end, write the reports, and return its summary.

    Raises:
        ConfigurationError: As `open_reports`, before anything is read.
        ReportError: A report could not be written; an audit that ends without a summary leaves none, either.
    """
    with open_reports(paths, background=background) as reports:
        async for part in reports.follow(audits):
            if isinstance(part, Summary):
                return part
    raise ReportError("the audit ended without a summary, so no report was kept")


def _make_writer(path: Path, background: Background) -> Writer:
    name = path.name.lower()
    for ending in sorted(FORMS, key=len, reverse=True):
        if name.endswith(ending):
            return FORMS[ending](background)
    raise ConfigurationError(
        f"{_shown(path)} is no report's name; it should end in one of {', '.join(sorted(FORMS))}"
    )


def _shown(path: Path) -> str:
    return one_line(str(path))
