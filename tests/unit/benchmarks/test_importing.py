"""Importing: a round reports its time, and imports what it says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks import importing
from benchmarks.measurement import Round
from benchmarks.static_server import PROJECT


@pytest.mark.parametrize("name", importing.CONTESTANTS)
def test_a_round_is_reported(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    importing.main(name)
    measured = Round(**json.loads(capsys.readouterr().out))
    assert measured.keys == 1
    assert measured.seconds > 0


def test_nothing_that_a_contestant_needs_is_there_before_the_clock_runs() -> None:
    code = (
        "import sys, benchmarks.importing; print({'aiohttp', 'asyncio', 'attr', 'ssl'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT, timeout=60
    )
    assert done.stdout == "set()\n"
