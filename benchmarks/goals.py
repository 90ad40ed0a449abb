"""What the figures ought to be, and whether they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from attrs import frozen

from benchmarks.contest import OURS, Standing

__all__ = ["GOALS", "Goal", "Verdict", "gather", "judge", "tabulate"]


@frozen
class Goal:
    """One figure and its bound."""

    what: str
    figure: str
    """Its name, as `gather` and the experiments give it."""
    kind: Literal["at least", "at most"]
    bound: float
    unit: str = "x"


@frozen
class Verdict:
    """A goal, and what was measured; None where it was not."""

    goal: Goal
    measured: float | None

    @property
    def is_met(self) -> bool | None:
        """Whether it is met; None where nothing was measured."""
        if self.measured is None:
            return None
        if self.goal.kind == "at least":
            return self.measured >= self.goal.bound
        return self.measured <= self.goal.bound


def _speed(contest: str, other: str, bound: float) -> Goal:
    return Goal(f"{contest}: speed, beside {other}", f"{contest}.speed.{other}", "at least", bound)


def _cpu(contest: str, other: str, bound: float) -> Goal:
    return Goal(f"{contest}: CPU, beside {other}", f"{contest}.cpu.{other}", "at most", bound)


GOALS: Final[Sequence[Goal]] = (
    Goal("decode: CPU, beside msgspec's structs", "decode.cpu.msgspec", "at most", 1.0),
    Goal("decode without C: CPU, beside msgspec's structs", "decode.plain.cpu.msgspec", "at most", 1.25),
    _speed("stream", "bare", 1.10),
    _cpu("stream", "bare", 1.05),
    _speed("stream", "cattrs", 3.0),
    _speed("stream", "openapi-generator", 4.5),
    _speed("stream", "openapi-python-client", 5.5),
    _speed("stream", "vendor-runtime", 20.0),
    _speed("single", "bare", 1.0),
    _cpu("single", "bare", 1.05),
    _speed("single", "openapi-generator", 3.5),
    _speed("single", "httpx", 14.0),
    _speed("single", "openapi-python-client", 14.0),
    Goal("kept: memory of a key", "kept.bytes", "at most", 750, " bytes"),
    Goal("import: the package, beside aiohttp", "import.package", "at most", 1.15),
    Goal("latency: list, beside pages x latency", "latency.list", "at most", 1.06),
    Goal("latency: scan, beside pages x latency", "latency.scan", "at most", 0.56),
    Goal("latency: list_many, beside its bound", "latency.pages", "at most", 1.15),
    *(
        goal
        for phase in ("steady", "halved", "doubled")
        for goal in (
            Goal(f"quota: used, {phase}", f"quota.{phase}.used", "at least", 95, " %"),
            Goal(f"quota: refused, {phase}", f"quota.{phase}.refused", "at most", 1, " %"),
        )
    ),
    Goal("memory: a million keys through list", "memory.list", "at most", 20, " MB"),
    Goal("memory: a million keys through scan", "memory.scan", "at most", 120, " MB"),
    Goal("memory: a million keys through list_many", "memory.list_many", "at most", 40, " MB"),
    Goal("audit: time, beside listing", "audit.time", "at most", 1.3),
    Goal("audit: memory", "audit.memory", "at most", 300, " MB"),
)


def gather(standings: Mapping[str, Standing]) -> dict[str, float]:
    """Return the figures of contests by name: `CONTEST.speed.OTHER`, `CONTEST.cpu.OTHER`, and what is kept.

    Each compares this library with another contestant; of `decode`, `kept` and `import` not all make sense.
    """
    figures: dict[str, float] = {}
    for name, standing in standings.items():
        if name == "memory":
            for key, rounds in standing.rounds.items():
                figures[f"memory.{key}"] = max(one.grown_bytes for one in rounds) / 1e6
            continue
        for other in standing.rounds.keys() - {OURS}:
            figures[f"{name}.speed.{other}"] = standing.times_as_fast(OURS, other)
            figures[f"{name}.cpu.{other}"] = standing.times_the_cpu(OURS, other)
    if "decode" in standings:
        figures["decode.plain.cpu.msgspec"] = standings["decode"].times_the_cpu("plain", "msgspec")
    if "kept" in standings:
        figures["kept.bytes"] = standings["kept"].bytes_each(OURS)
    if "import" in standings:
        figures["import.client"] = standings["import"].times_the_cpu(OURS, "aiohttp")
        figures["import.package"] = standings["import"].times_the_cpu("package", "aiohttp")
    return figures


def judge(figures: Mapping[str, float]) -> list[Verdict]:
    """Hold the figures to the goals."""
    return [Verdict(goal, figures.get(goal.figure)) for goal in GOALS]


def tabulate(verdicts: Sequence[Verdict]) -> str:
    """Draw a Markdown table of goals, what was measured, and whether it is met."""
    lines = ["| what | goal | measured | |", "| --- | ---: | ---: | --- |"]
    words = {True: "met", False: "**not met**", None: "not measured"}
    for verdict in verdicts:
        goal = verdict.goal
        measured = "" if verdict.measured is None else f"{verdict.measured:,.3f}{goal.unit}"
        bound = f"{goal.kind} {goal.bound:g}{goal.unit}"
        lines.append(f"| {goal.what} | {bound} | {measured} | {words[verdict.is_met]} |")
    return "\n".join(lines)
