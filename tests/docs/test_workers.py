"""The workers in examples rotate a key: in one process, and over a real Redis."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from accesskeys_async.emulator import Emulator

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


@pytest.fixture
def surroundings(environment: Mapping[str, str], tmp_path: Path) -> dict[str, str]:
    return {
        **environment,
        "ACCESSKEYS_JOURNAL": str(tmp_path / "journal.sqlite"),
        "TOKEN_DIR": str(tmp_path),
        "ROTATE_EVERY": "1",
    }


def _read_states(folder: Path) -> list[str]:
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{folder}/journal.sqlite?mode=ro", uri=True)
        ) as journal:
            return [state for (state,) in journal.execute("SELECT state FROM accesskeys_rotations")]
    except sqlite3.OperationalError:  # no worker has opened it yet
        return []


def _assert_rotated(emulator: Emulator, folder: Path, old_id: str) -> None:
    token = (folder / old_id).read_text().strip()
    assert emulator.verify(emulator.organization_id, token) is not None
    assert old_id not in {key.id for key in emulator.keys(emulator.organization_id)}


def test_a_worker_in_one_process_rotates_each_key_into_a_file_of_its_own(
    emulator: Emulator, surroundings: dict[str, str], tmp_path: Path
) -> None:
    old = [key.id for key in emulator.keys(emulator.organization_id)[:2]]

    done = subprocess.run(
        [sys.executable, "-m", "examples.worker.in_memory", "1", *old],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=surroundings,
        timeout=PATIENCE,
    )

    assert done.returncode == 0, done.stderr
    # Which states are printed depends on which task was first; the journal has the last ones.
    assert len({line.split()[0] for line in done.stdout.splitlines()}) == 2
    assert _read_states(tmp_path) == ["confirmed"] * 2
    for old_id in old:
        _assert_rotated(emulator, tmp_path, old_id)


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("folder", "needs-human the sink can't keep a token: "), ("key", "could not be rotated: ")],
)
def test_a_worker_in_one_process_ends_with_the_reason_if_a_rotation_needs_a_person(
    emulator: Emulator, surroundings: dict[str, str], tmp_path: Path, missing: str, reason: str
) -> None:
    old, key_id = emulator.keys(emulator.organization_id)[0].id, "0c0ffee0-0000-4000-8000-000000000bad"
    environment = {**surroundings, "TOKEN_DIR": str(tmp_path / "missing")}

    done = subprocess.run(
        [sys.executable, "-m", "examples.worker.in_memory", "1", old if missing == "folder" else key_id],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=PATIENCE,
    )

    assert done.returncode == 1, done.stderr
    assert reason in done.stdout + done.stderr
    assert "in_memory.py" not in done.stderr  # no traceback but what taskiq logs of the task itself


@pytest.mark.parametrize("module", ["in_memory", "request"])
@pytest.mark.parametrize("arguments", [[], ["7d", "KEY_ID"], ["60"]])
def test_a_call_without_its_arguments_says_which_there_are(
    surroundings: dict[str, str], module: str, arguments: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"examples.worker.{module}", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=surroundings,
        timeout=PATIENCE,
    )

    usage = f"usage: python -m examples.worker.{module} GRACE_SECONDS KEY_ID...\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", usage)


@contextlib.contextmanager
def _running(arguments: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "taskiq", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        # taskiq's worker sometimes waits for Redis without end; its processes are in one group.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def test_two_workers_behind_redis_rotate_a_key_once_although_it_was_requested_twice(
    emulator: Emulator, surroundings: dict[str, str], tmp_path: Path, redis_url: str
) -> None:
    old = emulator.keys(emulator.organization_id)[0]
    environment = {**surroundings, "REDIS_URL": redis_url}
    worker = ["worker", "examples.worker.tasks:broker", "--workers", "2"]
    scheduler = ["scheduler", "examples.worker.tasks:scheduler", "--loop-interval", "1"]
    request = [sys.executable, "-m", "examples.worker.request", "1", old.id, old.id]

    with (
        _running(worker, environment, tmp_path / "worker.log"),
        _running(scheduler, environment, tmp_path / "scheduler.log"),
    ):
        subprocess.run(request, cwd=ROOT, env=environment, check=True, timeout=PATIENCE)
        until = time.monotonic() + PATIENCE
        while _read_states(tmp_path) != ["confirmed"]:
            assert time.monotonic() < until, (tmp_path / "worker.log").read_text()
            time.sleep(0.1)

    _assert_rotated(emulator, tmp_path, old.id)
