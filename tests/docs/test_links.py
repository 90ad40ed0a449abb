"""Links between the pages lead somewhere, and no page is left out of the index."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SOURCE: Final = re.compile(r"`((?:accesskeys_async|tests|benchmarks|_\w+)[\w/]*\.(?:py|c|txt))`")
"""A path of the repository, or of the package."""
LINK: Final = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_source_file_that_a_page_names_exists(page: Path) -> None:
    named = SOURCE.findall(page.read_text(encoding="utf-8"))
    places = (ROOT, ROOT / "accesskeys_async", ROOT / "accesskeys_async" / "_contract")
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


@pytest.mark.parametrize("folder", [ROOT / "docs", ROOT / "docs" / "decisions"])
def test_an_index_has_every_page(folder: Path) -> None:
    linked = set(LINK.findall((folder / "index.md").read_text(encoding="utf-8")))
    assert {page.name for page in folder.glob("*.md")} - linked == {"index.md"}
