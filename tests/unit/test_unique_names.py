"""Each class and each module has a name of its own, so that a search finds one definition."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).parents[2] / "accesskeys_async"
SHARED_MODULE_NAMES: Final = frozenset({"__init__", "commands", "errors", "records", "settings"})
"""Names that each package of the package may use for a module of its own."""

PENDING_CLASSES: Final = frozenset(
    {
        "Reading",
        "Database",
        "Journal",
        "Line",
        "_Recent",
        "Tally",
        "_Run",
        "Verdict",
        "Candidate",
        "Progress",
        "Draft",
        "Outcome",
        "Policy",
    }
)
PENDING_MODULES: Final = frozenset(
    {
        "session",
        "roles",
        "journal",
        "options",
        "failures",
        "engine",
        "delivery",
    }
)


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _duplicates(places: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: found for name, found in sorted(places.items()) if len(found) > 1}


@pytest.mark.slow
def test_class_names_are_unique() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(PACKAGE)}:{node.lineno}")

    duplicates = _duplicates(places)

    assert {name: found for name, found in duplicates.items() if name not in PENDING_CLASSES} == {}
    assert PENDING_CLASSES - duplicates.keys() == set(), "unique by now: remove it from the list"


def test_module_names_are_unique() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in _modules():
        if path.stem not in SHARED_MODULE_NAMES:
            # `_database/` and `emulator/database.py` are two things: a package does not count.
            places[path.stem].append(str(path.relative_to(PACKAGE)))

    duplicates = _duplicates(places)

    assert {name: found for name, found in duplicates.items() if name not in PENDING_MODULES} == {}
    assert PENDING_MODULES - duplicates.keys() == set(), "unique by now: remove it from the list"
