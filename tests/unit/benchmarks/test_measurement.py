"""How rounds are put together."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.measurement import Round, highest, measure, tabulate
from benchmarks.static_server import PROJECT


async def _nothing() -> int:
    return 0


async def _five() -> int:
    return 5


def test_the_table_has_medians_and_the_ratio_to_the_yardstick() -> None:
    measured = {
        "ours": [Round(1000, 2.0, 0.002), Round(1000, 1.0, 0.001), Round(1000, 100.0, 0.1)],
        "bare": [Round(1000, 0.5, 0.0005)],
    }
    assert tabulate(measured, yardstick="bare").splitlines() == [
        "| | keys/s | ratio | µs of CPU a key |",
        "| --- | ---: | ---: | ---: |",
        "| ours | 500 | 0.25 | 2.00 |",
        "| bare | 2,000 | 1.00 | 0.50 |",
    ]


def test_a_measured_round_has_what_the_stream_counted() -> None:
    measured = measure(_nothing, _five)
    assert measured.keys == 5
    assert measured.seconds >= 0


def test_a_round_without_keys_is_no_round() -> None:
    with pytest.raises(ValueError, match="must be > 0"):
        measure(_nothing, _nothing)


def test_the_most_memory_of_a_process_is_not_that_of_the_one_that_started_it() -> None:
    held = bytearray(b"x") * 200_000_000
    code = "from benchmarks.measurement import highest; print(highest())"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, cwd=PROJECT)
    assert int(done.stdout) < len(held) <= highest()
