"""Escaping of untrusted text for terminals, JSON, CSV, Markdown, HTML, SARIF and Parquet."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Final

# Characters that can move the cursor, reorder or break a line, or can't be encoded: C0, DEL and C1; Arabic
# letter mark; direction marks, embeddings, overrides and isolates; line and paragraph separators; lone
# surrogates. Joiners are not escaped, because emoji consist of them.
_HOSTILE: Final = (
    "\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u206f"
    "\\ufeff\\ufff9-\\ufffb\\ud800-\\udfff"
)
_hostile: Final = re.compile(f"[{_HOSTILE}]")
_hostile_in_cell: Final = re.compile(f"(?![\\t\\n\\r])[{_HOSTILE}]")

# Spreadsheets set to East Asian languages read the wide forms as the narrow ones.
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")
# A spreadsheet that separates cells by semicolons or tabs splits a cell there, and at line ends, even within
# quotes. It drops quotes before what then begins a cell.
_inner_formula: Final = re.compile(r"(?<=[;\t\r\n])(?=[\s\"]*[=+\-@＝＋－＠])")
_ticks: Final = re.compile(r"`+")
# GitHub links the text of issues, people and addresses even if their punctuation is escaped.
_link_or_mention: Final = re.compile(r"[@#]|://|www\.", re.IGNORECASE)
_markdown_marks: Final = re.compile(r"([\\`*_{}\[\]<>()+!|~&-])")
_sarif_marks: Final = re.compile(r"([\\\[\]])")
_needs_quotes: Final = re.compile(r'[",;\t\r\n]|^\s|\s\Z')


def printable(text: str) -> str:
    r"""Replace every character that a terminal interprets by its escape, such as `\x1b` or `\u202e`."""
    return _hostile.sub(_escape, text)


def json_text(value: object, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return a value as JSON that is lossless and safe to show in a terminal."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators)
    if indent is not None:
        # Newlines here are between members: those inside strings are escaped already.
        return "\n".join(_hostile.sub(_json_escape, line) for line in text.split("\n"))
    return escape_json(text)


def escape_json(text: str) -> str:
    r"""Replace every character of compact JSON that a terminal interprets by its JSON escape."""
    return _hostile.sub(_json_escape, text)


def csv_cell(text: str, *, for_terminal: bool = False) -> str:
    """Return a cell that no spreadsheet interprets as a formula and no terminal interprets.

    Tabs and line ends are quoted, not escaped, unless the cell is shown in a terminal.
    """
    harmless = text.isascii() and text.isprintable()  # true for most texts, and fast to check
    shown = text if harmless else (_hostile if for_terminal else _hostile_in_cell).sub(_escape, text)
    if not harmless or ";" in text:
        shown = _inner_formula.sub("'", shown)
    return f"'{shown}" if text.startswith(_FORMULA) else shown


def csv_line(cells: Iterable[str]) -> str:
    """Join cells to a line of CSV, and quote each cell that any reader needs in quotes.

    The csv module of Python before 3.13 does not quote a carriage return, which then ends the line.
    """
    return ",".join(map(_quote, cells)) + "\n"


def html_attribute(text: str) -> str:
    """Return text for a quoted attribute of HTML or SVG."""
    return html.escape(printable(text))


def markdown_code(text: str) -> str:
    """Return text as inline code that works in a table cell. No markup, link, mention or HTML works in it."""
    shown = printable(text).replace("|", "\\|")
    if not shown.strip():
        return ""
    fence = "`" * (max((len(run) for run in _ticks.findall(shown)), default=0) + 1)
    space = " " if shown[0] == "`" or shown[-1] == "`" or shown[0] == shown[-1] == " " else ""
    return f"{fence}{space}{shown}{space}{fence}"


def markdown_text(text: str) -> str:
    """Return text as a Markdown paragraph without markup; as inline code if it may have links or mentions."""
    if _link_or_mention.search(text):
        return markdown_code(text)
    return _markdown_marks.sub(r"\\\1", printable(text))


def sarif_text(text: str) -> str:
    """Return text for a message of SARIF, in which brackets are links and braces are placeholders."""
    return _sarif_marks.sub(r"\\\1", text).replace("{", "{{").replace("}", "}}")


def utf8_text(text: str) -> str:
    """Replace lone surrogates, which UTF-8 can't encode, by their escapes."""
    return text.encode(errors="backslashreplace").decode()


def _quote(cell: str) -> str:
    if _needs_quotes.search(cell) is None:
        return cell
    return '"' + cell.replace('"', '""') + '"'


def _escape(match: re.Match[str]) -> str:
    point = ord(match.group())
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}"


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
