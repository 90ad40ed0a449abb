"""The changelog of the next release can be built from its fragments."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SETTINGS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]


def test_each_fragment_has_a_known_type() -> None:
    types = {kind["directory"] for kind in SETTINGS["type"]}
    fragments = [path.name for path in (ROOT / SETTINGS["directory"]).iterdir() if path.name != "README.md"]
    assert [name for name in fragments if name.split(".")[1:] not in [[kind, "md"] for kind in types]] == []


def test_the_table_of_types_has_each_of_them() -> None:
    page = (ROOT / SETTINGS["directory"] / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{kind['directory']}` |" in page for kind in SETTINGS["type"])


def test_a_draft_is_built() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("## next (")
    assert SETTINGS["start_string"] in (ROOT / SETTINGS["filename"]).read_text(encoding="utf-8")
