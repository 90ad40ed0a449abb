"""Access keys as JSON, JSON lines and CSV, in the API's own field names; each writer makes text only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from attrs import define

from accesskeys_async._escaping import csv_cell, csv_line, json_text
from accesskeys_async.cli.output.row_writers import cell_text
from accesskeys_async.records import AccessKey, Token

TOKEN_FIELD: Final = "token"  # noqa: S105 - the contract's name of the field, not a token
COLUMNS: Final = (
    "id",
    "organizationId",
    "name",
    "type",
    "description",
    "suffix",
    "lastUsedAt",
    "createdAt",
    "updatedAt",
    "roleIds",
    "roleRefs",
)


class Writer(Protocol):
    """Turn access keys into text: a listing page by page, or one record alone."""

    def begin(self) -> str:
        """Return what comes before the first page."""
        ...

    def page(self, keys: Iterable[AccessKey]) -> str:
        """Return the text of the next keys."""
        ...

    def end(self) -> str:
        """Return what makes the text whole, also after a listing that broke off."""
        ...

    def record(self, key: AccessKey, token: Token | None = None) -> str:
        """Return one key alone, with the token itself where one is given."""
        ...


@define
class JsonLinesWriter:
    """One compact object a line."""

    ascii_only: bool = False

    def begin(self) -> str:
        """Return nothing."""
        return ""

    def page(self, keys: Iterable[AccessKey]) -> str:
        """Return a line for each key."""
        return "".join(f"{json_text(_row(key), ascii_only=self.ascii_only)}\n" for key in keys)

    def end(self) -> str:
        """Return nothing."""
        return ""

    def record(self, key: AccessKey, token: Token | None = None) -> str:
        """Return one line."""
        return f"{json_text(_row(key, token), ascii_only=self.ascii_only)}\n"


@define
class JsonWriter:
    """One array, a key a line; one record alone is an indented object."""

    ascii_only: bool = False
    _begun: bool = False

    def begin(self) -> str:
        """Open the array."""
        return "["

    def page(self, keys: Iterable[AccessKey]) -> str:
        """Return the next members, with the commas between."""
        parts: list[str] = []
        for key in keys:
            parts.append(",\n" if self._begun else "\n")
            parts.append(json_text(_row(key), ascii_only=self.ascii_only))
            self._begun = True
        return "".join(parts)

    def end(self) -> str:
        """Close the array."""
        return "\n]\n" if self._begun else "]\n"

    def record(self, key: AccessKey, token: Token | None = None) -> str:
        """Return one object over several lines."""
        return f"{json_text(_row(key, token), indent=2, ascii_only=self.ascii_only)}\n"


@define
class CsvWriter:
    """A header line and a line a key, safe to open in a spreadsheet; JSON is the form that loses nothing.

    Absent and null both leave the cell empty. Roles stand in one cell with spaces between, each as
    `--role` takes it.
    """

    for_terminal: bool = False

    def begin(self) -> str:
        """Return the header."""
        return csv_line(COLUMNS)

    def page(self, keys: Iterable[AccessKey]) -> str:
        """Return a line for each key."""
        return "".join(csv_line(self._cells(_row(key), COLUMNS)) for key in keys)

    def end(self) -> str:
        """Return nothing."""
        return ""

    def record(self, key: AccessKey, token: Token | None = None) -> str:
        """Return the header and one line, with one column more where a token is given."""
        columns = COLUMNS if token is None else (*COLUMNS, TOKEN_FIELD)
        return csv_line(columns) + csv_line(self._cells(_row(key, token), columns))

    def _cells(self, row: Mapping[str, object], columns: Iterable[str]) -> list[str]:
        return [csv_cell(cell_text(row.get(column)), for_terminal=self.for_terminal) for column in columns]


def _row(key: AccessKey, token: Token | None = None) -> dict[str, object]:
    from accesskeys_async._contract.writing import dump_key

    row: dict[str, object] = {**dump_key(key)}
    if token is not None:
        row[TOKEN_FIELD] = token.reveal()
    return row
