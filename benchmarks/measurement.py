"""What a round of a contestant took, and what many rounds say together."""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import orjson
from attrs import asdict, field, frozen, validators

from benchmarks.static_server import PROJECT

__all__ = ["Round", "highest", "measure", "report", "run_rounds", "tabulate", "time_after"]


@frozen
class Round:
    """One contestant's one go."""

    keys: int = field(validator=validators.gt(0))
    seconds: float
    cpu_seconds: float
    """The processor's time, which what else runs on the machine disturbs less."""
    peak_bytes: int = 0
    """The most memory that the process ever had resident."""
    grown_bytes: int = 0
    """The memory that what was kept made resident."""

    @property
    def rate(self) -> float:
        """Keys a second."""
        return self.keys / self.seconds


def measure(warm_up: Callable[[], Awaitable[int]], stream: Callable[[], Awaitable[int]]) -> Round:
    """Time a stream in this process, after a warm-up on the same event loop."""
    return asyncio.run(time_after(warm_up, stream))


async def time_after(warm_up: Callable[[], Awaitable[int]], stream: Callable[[], Awaitable[int]]) -> Round:
    """Time a stream on the running event loop, after a warm-up."""
    await warm_up()
    began, cpu_began = time.perf_counter(), time.process_time()
    keys = await stream()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    return Round(keys, seconds, cpu_seconds, highest())


def highest() -> int:
    """Return how many bytes of memory this process had resident at most.

    `getrusage` says no less than what the process that started this one had.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def report(measured: Round) -> str:
    """Write a round down for the process that asked for it."""
    return orjson.dumps(asdict(measured)).decode()


def run_rounds(commands: Mapping[str, Sequence[str]], *, rounds: int) -> dict[str, list[Round]]:
    """Run each command in turn, `rounds` times over, each time in a new process.

    A command is a Python module and its arguments, and writes `report` to stdout. In turn, because the
    machine's mood then hits all alike.
    """
    measured: dict[str, list[Round]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            done = subprocess.run(
                [sys.executable, "-m", *command],
                stdout=subprocess.PIPE,
                check=True,
                cwd=PROJECT,
            )
            measured[name].append(Round(**orjson.loads(done.stdout)))
    return measured


def tabulate(measured: Mapping[str, Sequence[Round]], *, yardstick: str) -> str:
    """Draw a Markdown table of medians; the ratio is of keys a second, to those of `yardstick`."""
    unit = statistics.median(one.rate for one in measured[yardstick])
    lines = ["| | keys/s | ratio | µs of CPU a key |", "| --- | ---: | ---: | ---: |"]
    for name, rounds in measured.items():
        rate = statistics.median(one.rate for one in rounds)
        cpu = statistics.median(one.cpu_seconds / one.keys for one in rounds) * 1e6
        lines.append(f"| {name} | {rate:,.0f} | {rate / unit:.2f} | {cpu:.2f} |")
    return "\n".join(lines)
