from __future__ import annotations

import csv
import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._escaping import (
    csv_cell,
    csv_line,
    html_attribute,
    json_text,
    markdown_text,
    printable,
    sarif_text,
    utf8_text,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(ANY_TEXT)
def test_no_control_character_bidi_override_or_surrogate_is_left(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in BIDI for c in shown)
    shown.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_an_emoji_family_keeps_its_joiners() -> None:
    assert printable("👩‍👩‍👧‍👦") == "👩‍👩‍👧‍👦"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\x7f", "a\\x7f"),
        ("a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("a\u2028b", "a\\u2028b"),
        ("\ud83d", "\\ud83d"),
    ],
)
def test_what_a_terminal_acts_on_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(ANY_TEXT, st.sampled_from([None, 2]))
def test_json_loses_nothing_and_shows_no_control_character(text: str, indent: int | None) -> None:
    written = json_text({"name": text, "more": [text]}, indent=indent)
    assert json.loads(written) == {"name": text, "more": [text]}
    assert printable(written.replace("\n", "")) == written.replace("\n", "")


def test_compact_json_is_one_line_without_spaces() -> None:
    assert json_text({"a": 1, "b": ["é", None]}) == '{"a":1,"b":["é",null]}'


def test_json_for_a_stream_without_unicode_is_ascii() -> None:
    assert json_text("é🙂", ascii_only=True) == '"\\u00e9\\ud83d\\ude42"'


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_cell_that_a_spreadsheet_would_run_is_made_text(first: str) -> None:
    assert csv_cell(f"{first}1+1") == f"'{first}1+1"


@pytest.mark.parametrize("text", ["", "ci", "1-2", "a@b", "a=b", "'quoted"])
def test_a_harmless_cell_stays_as_it_is(text: str) -> None:
    assert csv_cell(text) == text


@pytest.mark.slow
@given(ANY_TEXT, st.booleans())
def test_no_cell_begins_a_formula_or_controls_a_terminal(text: str, for_terminal: bool) -> None:
    cell = csv_cell(text, for_terminal=for_terminal)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    kept = "" if for_terminal else "\t\r\n"
    bare = "".join(c for c in cell if c not in kept)
    assert printable(bare) == bare


@pytest.mark.slow
@given(st.text(st.characters(categories=["L", "N", "P", "Zs"], include_characters='\n\r\t,"')))
def test_a_cell_with_commas_quotes_and_line_ends_comes_back_whole(text: str) -> None:
    line = io.StringIO(newline="")
    csv.writer(line).writerow([csv_cell(text), "next"])
    line.seek(0)
    assert list(csv.reader(line)) == [[csv_cell(text), "next"]]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a; =1+1", "a;' =1+1"),
        ('a;"=1+1"', 'a;\'"=1+1"'),
        ("a\r=1+1", "a\r'=1+1"),
        ("a\n@SUM(1)", "a\n'@SUM(1)"),
        ("a\t＝1", "a\t'＝1"),
        ("a;b", "a;b"),
        ("a,=1", "a,=1"),
    ],
)
def test_what_would_begin_a_cell_inside_a_cell_is_made_text(text: str, cell: str) -> None:
    assert csv_cell(text) == cell


@pytest.mark.parametrize(
    ("cell", "written"),
    [("a", "a"), ("a b", "a b"), ("a\rb", '"a\rb"'), ("a;b", '"a;b"'), ('a"b', '"a""b"'), (" a", '" a"')],
)
def test_a_cell_has_quotes_if_any_reader_may_need_them(cell: str, written: str) -> None:
    assert csv_line(["x", cell]) == f"x,{written}\n"


TRICKY = st.text("ab=+-@;,\t\r\n \"'＝", max_size=12) | ANY_TEXT


@given(st.lists(TRICKY, min_size=1, max_size=4))
def test_a_line_reads_back_as_the_cells_it_was_made_of(texts: list[str]) -> None:
    cells = ["id", *map(csv_cell, texts)]
    assert list(csv.reader(io.StringIO(csv_line(cells), newline=""))) == [cells]


@given(st.lists(TRICKY, min_size=1, max_size=4), st.sampled_from(";\t"), st.booleans())
def test_no_line_has_a_formula_wherever_its_reader_parts_it(
    texts: list[str], separator: str, for_terminal: bool
) -> None:
    line = csv_line(["id", *(csv_cell(text, for_terminal=for_terminal) for text in texts)])
    for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
        for cell in row:
            assert not cell.strip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))


def test_markdown_text_has_no_markup() -> None:
    assert markdown_text("a *b* [c](d) <e> `f` | g_h") == (r"a \*b\* \[c\]\(d\) \<e\> \`f\` \| g\_h")


@pytest.mark.parametrize("text", ["ask @owner", "see #12", "at https://example.org", "www.example.org"])
def test_markdown_text_with_a_link_or_mention_is_code(text: str) -> None:
    assert markdown_text(text) == f"`{text}`"


def test_an_html_attribute_has_no_quotes_or_tags() -> None:
    assert html_attribute('"><b>\x1b') == "&quot;&gt;&lt;b&gt;\\x1b"


def test_sarif_text_has_no_links_or_placeholders() -> None:
    assert sarif_text(r"[a](b) {0} \\") == r"\[a\](b) {{0}} \\\\"


@given(ANY_TEXT)
def test_utf8_text_can_be_encoded(text: str) -> None:
    utf8_text(text).encode()
