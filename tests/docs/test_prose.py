"""No text has a phrase of a short list: each has a plainer word that readers search for."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.slow  # `nox -s lint` runs it

ROOT: Final = Path(__file__).parents[2]

PLAIN: Final = {
    r"nor": "or, and not",
    r"all the same": "nevertheless, still",
    r"in vain": "without use, unused",
    r"at the most": "at most",
    r"of which": "two sentences",
    r"no more(?![^.;]*\bthan\b)": "no longer",
    r"ha(?:s|ve) the (?:last )?word": "decides",
    r"hand(?:s|ed|ing)? on": "pass, emit",
    r"ke(?:ep|eps|pt|eping) still": "pause",
    r"(?:by|at) hand": "manually, available",
    r"under way": "in flight, running",
    r"asked for": "requested",
    r"whoever": "the caller",
    r"glance[sd]?": "peek",
    r"twins?": "unfrozen subclass",
    r"told|heard": "says, received, is called with",
    r"com(?:e|es|ing) again|came again": "is repeated",
    r"anew": "again",
    r"goes out|went out": "is sent",
    r"let(?:s|ting)? go of": "release",
    r"(?:is|are|was|were|be|been) made(?! (?:of|up|for))": "created",
    r"answers?": "response",
    r"houses?|rooms?|towers?|crews?": "package, capacity, worker pool",
    r"lest|albeit|whilst|thereof|therein|henceforth|thence|whence": "plain modern English",
    r"so many": "the number",
    r"but for": "except",
    r"half-way|half way": "incomplete",
}
"""A phrase, as a regular expression of whole words, and what to write instead."""
PHRASE: Final = re.compile(
    r"\b(?:" + "|".join(phrase.replace(" ", r"\s+(?:#\s+)?") for phrase in PLAIN) + r")\b", re.IGNORECASE
)
INVERTED: Final = re.compile(r"(?:^|[.!?:;]\s)Where\s(?!the\s\w+\scomes?\sfrom)[^.?!|\n]*,", re.MULTILINE)
"""A sentence that begins with a condition: `Where X, Y is Z`. Write `Y is Z if X`."""

FENCED: Final = re.compile(r"^```\w*\n.*?^```$", re.MULTILINE | re.DOTALL)
SPAN: Final = re.compile(r"`[^`\n]*`")

PAGES: Final = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "changelog.d").glob("*.md")),
)
CODE: Final = (
    *sorted(ROOT.glob("*.py")),
    *sorted((ROOT / "accesskeys_async").rglob("*.py")),
    *sorted((ROOT / "benchmarks").rglob("*.py")),
    *sorted((ROOT / "examples").rglob("*.py")),
)
TESTS: Final = tuple(sorted((ROOT / "tests").rglob("*.py")))
PENDING: Final = frozenset(Path(__file__).with_name("not_plain_yet.txt").read_text().split())
"""Files that still have such phrases. None may be added."""


def _blank(match: re.Match[str]) -> str:
    """Keep the lines of what is left out, so that line numbers stay right."""
    return re.sub(r"[^\n]", " ", match[0])


def _read_page(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    yield 1, SPAN.sub(_blank, FENCED.sub(_blank, text))


def _read_code(path: Path) -> Iterator[tuple[int, str]]:
    """The comments, names and texts of a module, with their lines; of a test, no texts except docstrings."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name.replace("_", " ")
        if path in TESTS:
            if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield getattr(node, "lineno", 1), SPAN.sub(_blank, ast.get_docstring(node, clean=False) or "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, SPAN.sub(_blank, node.value)


def find_phrases(path: Path) -> list[str]:
    """Return each line of a file that has a phrase of the list, with the phrase."""
    read = _read_page if path.suffix == ".md" else _read_code
    found = []
    for first, text in read(path):
        for match in [*PHRASE.finditer(text), *INVERTED.finditer(text)]:
            line = first + text.count("\n", 0, match.start())
            found.append(f"{path.relative_to(ROOT)}:{line}: {' '.join(match[0].split())}")
    return found


@pytest.mark.parametrize("path", [*PAGES, *CODE, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_text_is_in_plain_words(path: Path) -> None:
    if path != Path(__file__) and str(path.relative_to(ROOT)) not in PENDING:
        assert find_phrases(path) == []


def test_each_exempt_file_still_has_such_phrases() -> None:
    assert {name for name in PENDING if not (ROOT / name).exists() or not find_phrases(ROOT / name)} == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It waits, but in\nvain.", ["in vain"]),
        ("Where it is compiled, it is faster.", ["Where it is compiled,"]),
        ("`nor` is the name of a gate.", []),
        ("No more than ten keys; north and normal.", []),
    ],
)
def test_the_list_finds_phrases_and_no_names(tmp_path: Path, text: str, found: list[str]) -> None:
    cleaned = SPAN.sub(_blank, text)
    matches = [*PHRASE.finditer(cleaned), *INVERTED.finditer(cleaned)]
    assert [" ".join(match[0].split()) for match in matches] == found
