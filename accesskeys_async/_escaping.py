"""Text from elsewhere, made harmless for where it is shown: a terminal, JSON, a spreadsheet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

# What can move the cursor, reorder the line, break it, or not be encoded: C0, DEL and C1; Arabic letter
# mark; direction marks, embeddings, overrides and isolates; line and paragraph separators; lone
# surrogates. Joiners stay, since emoji are made of them.
_HOSTILE: Final = (
    "\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u206f"
    "\\ufeff\\ufff9-\\ufffb\\ud800-\\udfff"
)
_hostile: Final = re.compile(f"[{_HOSTILE}]")
_hostile_in_cell: Final = re.compile(f"(?![\\t\\n\\r])[{_HOSTILE}]")

# The wide forms are read as their narrow ones by spreadsheets set to East Asian languages.
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")
# A spreadsheet that separates cells by semicolons or tabs parts a cell there in spite of its quotes, and at
# its line ends. What then begins a cell may have quotes before it that are dropped.
_inner_formula: Final = re.compile(r"(?<=[;\t\r\n])(?=[\s\"]*[=+\-@＝＋－＠])")
_needs_quotes: Final = re.compile(r'[",;\t\r\n]|^\s|\s\Z')


def printable(text: str) -> str:
    r"""Show every character that a terminal would act on as its escape, such as `\x1b` or `\u202e`."""
    return _hostile.sub(_escape, text)


def json_text(value: object, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Write a value as JSON that loses nothing and is safe to look at in a terminal."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators)
    if indent is not None:
        # The newlines between members are JSON's own: those inside strings are escaped already.
        return "\n".join(_hostile.sub(_json_escape, line) for line in text.split("\n"))
    return escape_json(text)


def escape_json(text: str) -> str:
    r"""Show every character of compact JSON that a terminal would act on as JSON's own escape."""
    return _hostile.sub(_json_escape, text)


def csv_cell(text: str, *, for_terminal: bool = False) -> str:
    """Make a cell that no spreadsheet takes for a formula and no terminal acts on.

    Tabs and line ends stay, for the quoting to hold, except where a terminal shows the cell.
    """
    harmless = text.isascii() and text.isprintable()  # as most are; and to see it takes no time
    shown = text if harmless else (_hostile if for_terminal else _hostile_in_cell).sub(_escape, text)
    if not harmless or ";" in text:
        shown = _inner_formula.sub("'", shown)
    return f"'{shown}" if text.startswith(_FORMULA) else shown


def csv_line(cells: Iterable[str]) -> str:
    """Join cells to a line of CSV, each in quotes that any reader may need them for.

    The csv module of Python before 3.13 leaves a carriage return without quotes, which then parts the line.
    """
    return ",".join(map(_quote, cells)) + "\n"


def _quote(cell: str) -> str:
    if _needs_quotes.search(cell) is None:
        return cell
    return '"' + cell.replace('"', '""') + '"'


def _escape(match: re.Match[str]) -> str:
    point = ord(match.group())
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}"


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
