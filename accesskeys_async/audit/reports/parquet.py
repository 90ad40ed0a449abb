"""The findings as Parquet, in row groups that leave memory as soon as they are full."""

from __future__ import annotations

import io
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Final, Protocol

from attrs import define, field

from accesskeys_async._contract.fields import format_uuid
from accesskeys_async._contract.writing import dump_printable
from accesskeys_async._escaping import utf8_text
from accesskeys_async.audit.records import OrganizationAudit, Summary
from accesskeys_async.audit.reports.finding_table import COLUMNS, FindingRow, list_rows, table_row
from accesskeys_async.audit.reports.json_rows import summary_row
from accesskeys_async.audit.reports.report_writer import import_optional

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

GROUP_ROWS: Final = 16_384
SUMMARY_KEY: Final = "accesskeys_async.summary"


class _ArrowWriter(Protocol):
    """The part of the writer of pyarrow that is used."""

    def write_table(self, table: object) -> None: ...
    def add_key_value_metadata(self, metadata: dict[str, str]) -> None: ...
    def close(self) -> None: ...


class _PartBuffer(io.RawIOBase):
    """Collects the bytes that pyarrow writes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: ReadableBuffer, /) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._written += len(part)
        return len(part)

    def take(self) -> bytes:
        """Return the bytes written since the last call."""
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole


@define
class ParquetReport:
    """The columns of the CSV report, typed; the summary is JSON in the file's metadata.

    Raises ConfigurationError where pyarrow is not installed.
    """

    _group_rows: int = GROUP_ROWS
    _arrow: ModuleType = field(init=False)
    _schema: object = field(init=False)
    _buffer: _PartBuffer = field(init=False, factory=_PartBuffer)
    _writer: _ArrowWriter = field(init=False)
    _rows: list[FindingRow] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self._arrow = import_optional("pyarrow", for_report="Parquet", extra="parquet")
        parquet = import_optional("pyarrow.parquet", for_report="Parquet", extra="parquet")
        self._schema = _make_schema(self._arrow)
        self._writer = parquet.ParquetWriter(self._buffer, self._schema, compression="zstd")

    def begin(self) -> bytes:
        """Return the magic number."""
        return self._buffer.take()

    def organization(self, audit: OrganizationAudit) -> bytes:
        """Return the row groups that became full."""
        return self._add(list_rows(audit))

    def end(self, summary: Summary) -> bytes:
        """Return the last row group and the footer."""
        groups = self._add(table_row(finding, None) for finding in summary.findings)
        if self._rows:
            self._write(self._rows)
        self._writer.add_key_value_metadata({SUMMARY_KEY: dump_printable(summary_row(summary)).decode()})
        self._writer.close()
        return groups + self._buffer.take()

    def _add(self, lines: Iterable[FindingRow]) -> bytes:
        self._rows.extend(lines)
        while len(self._rows) >= self._group_rows:
            self._write(self._rows[: self._group_rows])
            del self._rows[: self._group_rows]
        return self._buffer.take()

    def _write(self, rows: list[FindingRow]) -> None:
        columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
        for name in ("organizationId", "keyId"):
            columns[name] = tuple(None if value is None else format_uuid(value) for value in columns[name])
        try:
            table = self._arrow.Table.from_pydict(columns, schema=self._schema)
        except UnicodeEncodeError:
            plain = {name: [_encodable(value) for value in values] for name, values in columns.items()}
            table = self._arrow.Table.from_pydict(plain, schema=self._schema)
        self._writer.write_table(table)


def _encodable(value: object) -> object:
    if isinstance(value, tuple):
        return [_encodable(part) for part in value]
    return utf8_text(value) if isinstance(value, str) else value


def _make_schema(arrow: ModuleType) -> object:
    few = arrow.dictionary(arrow.int32(), arrow.string())
    moment = arrow.timestamp("us", tz="UTC")
    kinds = {
        **dict.fromkeys(("outcome", "rule", "severity", "title"), few),
        **dict.fromkeys(("labels", "roleIds", "roleNames"), arrow.list_(arrow.string())),
        **dict.fromkeys(("createdAt", "lastUsedAt"), moment),
        "isOwnKey": arrow.bool_(),
        "line": arrow.int64(),
    }
    return arrow.schema([(name, kinds.get(name, arrow.string())) for name in COLUMNS])
