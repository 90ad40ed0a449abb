"""Every example in the README and the docs runs, exactly as printed, against the emulator."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from attrs import frozen

from accesskeys_async import AccessKeysClient
from accesskeys_async.emulator import Emulator

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SET_UP = (
    "python3 -m venv .venv && .venv/bin/pip install -q '.[all]' && .venv/bin/accesskeys demo\n",
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/pytest\n",
)
"""What `.ci/run` takes from the README and runs in a fresh clone."""


@frozen
class Block:
    """One fenced block of a page."""

    place: str
    language: str
    text: str

    @property
    def is_test(self) -> bool:
        return self.language == "python" and "def test_" in self.text

    @property
    def is_program(self) -> bool:
        return self.language == "python" and '__name__ == "__main__"' in self.text


def _read_blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield Block(f"{page.relative_to(ROOT)}:{line}", match[1], match[2])


BLOCKS = tuple(_read_blocks())
TESTS = [block for block in BLOCKS if block.is_test]
PROGRAMS = [block for block in BLOCKS if block.is_program]
SNIPPETS = [b for b in BLOCKS if b.language == "python" and not b.is_test and not b.is_program]
COMMANDS = [block for block in BLOCKS if block.language == "sh" and block.text not in SET_UP]


def _place(block: Block) -> str:
    return block.place


def test_every_block_is_of_a_kind_that_is_run_or_is_mere_output() -> None:
    odd = [block.place for block in BLOCKS if block.language not in {"python", "sh", "text"}]
    assert odd == []


def test_the_readme_has_the_two_commands_word_for_word() -> None:
    shown = [block.text for block in BLOCKS if block.place.startswith("README.md") and block.language == "sh"]
    assert tuple(shown[:2]) == SET_UP


def test_each_program_that_is_shown_is_a_file_in_examples() -> None:
    files = {path.read_text(encoding="utf-8"): path.name for path in (ROOT / "examples").glob("*.py")}
    assert sorted(files[block.text] for block in PROGRAMS) == sorted(files.values())


@pytest.mark.parametrize("block", SNIPPETS, ids=_place)
async def test_a_snippet_runs(
    block: Block, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    page, line = block.place.split(":")
    # The blank lines put a traceback on the page's own line numbers.
    code = compile("\n" * int(line) + block.text, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    key, *_ = emulator.keys(emulator.organization_id)
    async with AccessKeysClient(emulator.token, base_url=emulator.base_url) as client:
        names = {
            "client": client,
            "emulator": emulator,
            "org": emulator.organization_id,
            "key_id": key.id,
            "role_id": emulator.roles(emulator.organization_id)[0].id,
            "workspace_id": emulator.workspaces(emulator.organization_id)[0].id,
            "token": emulator.token,
            "base_url": emulator.base_url,
        }
        outcome = eval(code, names)
        if inspect.iscoroutine(outcome):
            await outcome


def test_the_shown_tests_pass(tmp_path: Path) -> None:
    # All in one process: to start pytest takes longer than to run them.
    for block in TESTS:
        name = re.sub(r"\W", "_", block.place)
        (tmp_path / f"test_{name}.py").write_text(block.text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{sum(block.text.count('def test_') for block in TESTS)} passed" in done.stdout


@pytest.mark.parametrize("block", COMMANDS, ids=_place)
def test_shown_commands_work(block: Block, environment: Mapping[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
