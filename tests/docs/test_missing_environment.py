"""The programs in examples name the environment variables that they miss."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SET = {"ACCESSKEYS_TOKEN": "t", "PATH": "/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("program", "missing"),
    [
        (
            ("-m", "examples.worker.in_memory", "1", "KEY"),
            "ACCESSKEYS_JOURNAL, TOKEN_DIR, ACCESSKEYS_ORGANIZATION",
        ),
        (
            ("-m", "examples.worker.request", "1", "KEY"),
            "ACCESSKEYS_JOURNAL, TOKEN_DIR, ACCESSKEYS_ORGANIZATION",
        ),
        (("examples/event_worker.py",), "ACCESSKEYS_ORGANIZATION"),
        (("examples/bulk_audit.py",), "ACCESSKEYS_ORGANIZATION"),
        (("examples/web_app.py",), "ACCESSKEYS_ORGANIZATION"),
    ],
)
def test_an_example_ends_with_one_line_that_names_the_missing_variables(
    program: tuple[str, ...], missing: str
) -> None:
    done = subprocess.run(
        [sys.executable, *program],
        input="KEY\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=SET,
        timeout=60,
    )

    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines() == [f"set these environment variables: {missing}"]
