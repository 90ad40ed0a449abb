"""Keeping keys: they are all there, and the memory that they take is counted."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks import retained_memory
from benchmarks.measurement import Round
from benchmarks.static_server import PROJECT, Target, serve


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with serve(20_000) as target:
        yield target


@pytest.mark.parametrize("name", retained_memory.CONTESTANTS)
def test_a_round_keeps_every_key_and_counts_memory(name: str, target: Target) -> None:
    command = [
        "benchmarks.retained_memory",
        "--contestant",
        name,
        "--base-url",
        target.base_url,
        "--keys",
        "20000",
    ]
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, check=True, cwd=PROJECT, timeout=60
    )
    measured = Round(**json.loads(done.stdout))
    assert measured.keys == 20_000
    assert 200 < measured.grown_bytes / measured.keys < 3_000


async def test_the_collector_is_back_after_the_round_without_it(target: Target) -> None:
    few = Target(target.base_url, 100)
    assert len(await retained_memory.keep_records_without_collector(few)) == 100
    assert gc.isenabled()


def test_more_keys_than_there_are_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        retained_memory.main(["--contestant", "bare", "--base-url", "http://[::1]:1", "--keys", "1000001"])
    assert "--keys is 1000001; it takes 1 to 1,000,000" in capsys.readouterr().err
