"""Contests: the same work, done by several contestants in turn, each round in a process of its own."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import orjson
from attrs import define, field, frozen

from benchmarks.measurement import Round
from benchmarks.static_server import PROJECT

__all__ = ["OURS", "Contest", "Entrant", "Standing", "hold", "tabulate"]

OURS: Final = "client"
"""The name of this library in every contest."""
PATIENCE: Final = 300.0
"""Seconds that a round may take."""


@frozen
class Entrant:
    """A contestant, and the command of its round: a Python module and arguments."""

    title: str
    command: Sequence[str]
    python: Path = Path(sys.executable)
    imports: tuple[Path, ...] = ()
    """Folders to import packages from."""
    environment: Mapping[str, str] = field(factory=dict)
    """Variables of its process, beside those of this one."""
    may_fail: bool = False
    """Whether it is skipped where it fails: it is not ours to mend."""


@frozen
class Contest:
    """The same work for each entrant."""

    title: str
    unit: str
    """What is counted, in the plural."""
    yardstick: str
    entrants: Mapping[str, Entrant]
    skipped: Mapping[str, str] = field(factory=dict)
    """Who can't enter, because."""


@define
class Standing:
    """The rounds of a contest so far."""

    contest: Contest
    rounds: dict[str, list[Round]] = field(factory=dict)
    skipped: dict[str, str] = field(factory=dict)

    def rate(self, name: str) -> float:
        """Return the median of what a contestant did a second."""
        return statistics.median(one.rate for one in self.rounds[name])

    def cpu(self, name: str) -> float:
        """Return the median of the processor's microseconds for one."""
        return statistics.median(one.cpu_seconds / one.keys for one in self.rounds[name]) * 1e6

    def bytes_each(self, name: str) -> float:
        """Return the median of the bytes that one takes in memory."""
        return statistics.median(one.grown_bytes / one.keys for one in self.rounds[name])

    def times_as_fast(self, name: str, other: str) -> float:
        """Return the median, over rounds, of how many times as much one did a second as another."""
        pairs = zip(self.rounds[name], self.rounds[other], strict=True)
        return statistics.median(one.rate / beside.rate for one, beside in pairs)

    def times_the_cpu(self, name: str, other: str) -> float:
        """Return the median, over rounds, of how many times another's CPU time one took."""
        pairs = zip(self.rounds[name], self.rounds[other], strict=True)
        return statistics.median(
            (one.cpu_seconds / one.keys) / (beside.cpu_seconds / beside.keys) for one, beside in pairs
        )


def hold(contests: Mapping[str, Contest], *, rounds: int, tell: Callable[[str], None]) -> dict[str, Standing]:
    """Hold all contests, `rounds` times over.

    One round of everything after another, and not one contest after another: the machine's mood then hits
    all alike. Every other round goes backwards, so that nobody always comes after the same.
    """
    standings = {name: Standing(contest, {}, dict(contest.skipped)) for name, contest in contests.items()}
    for number in range(1, rounds + 1):
        for name, standing in standings.items():
            tell(f"round {number} of {rounds}: {name}")
            entrants = [*standing.contest.entrants.items()]
            for key, entrant in entrants if number % 2 else entrants[::-1]:
                if key not in standing.skipped:
                    _enter(standing, key, entrant)
    return standings


def _enter(standing: Standing, key: str, entrant: Entrant) -> None:
    environment = {**os.environ, **entrant.environment}
    if entrant.imports:
        environment["PYTHONPATH"] = os.pathsep.join(str(folder) for folder in entrant.imports)
    try:
        done = subprocess.run(
            [str(entrant.python), "-m", *entrant.command],
            capture_output=True,
            check=True,
            cwd=PROJECT,
            env=environment,
            text=True,
            timeout=PATIENCE,
        )
        measured = Round(**orjson.loads(done.stdout))
    except subprocess.SubprocessError as error:
        said = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
        reason = (said or str(error)).strip().splitlines()[-1]
        if not entrant.may_fail:
            raise RuntimeError(f"{entrant.title} failed: {reason}") from error
        standing.skipped[key] = reason
        standing.rounds.pop(key, None)
    else:
        standing.rounds.setdefault(key, []).append(measured)


def tabulate(standing: Standing) -> str:
    """Draw a Markdown table of medians, beside the yardstick's."""
    contest = standing.contest
    has_bytes = any(one.grown_bytes for rounds in standing.rounds.values() for one in rounds)
    columns = [f"{contest.unit}/s", "times as many", "µs of CPU each", "times the CPU"]
    columns += ["bytes each"] if has_bytes else []
    lines = [f"| | {' | '.join(columns)} |", f"| ---{' | ---:' * len(columns)} |"]
    for key, entrant in contest.entrants.items():
        if key in standing.rounds:
            cells = [
                f"{standing.rate(key):,.0f}",
                f"{standing.times_as_fast(key, contest.yardstick):.2f}",
                f"{standing.cpu(key):,.2f}",
                f"{standing.times_the_cpu(key, contest.yardstick):.2f}",
            ]
            cells += [f"{standing.bytes_each(key):,.0f}"] if has_bytes else []
            lines.append(f"| {entrant.title} | {' | '.join(cells)} |")
    lines += [f"\nSkipped: {key} ({reason})." for key, reason in standing.skipped.items()]
    return "\n".join(lines)
