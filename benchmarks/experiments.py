"""Everything that is measured, by name: each gives a section of the report, and figures for the goals."""

from __future__ import annotations

import contextlib
import io
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from attrs import asdict, field, frozen

from benchmarks import audit, goals, latency, quota, reliability, streaming_memory
from benchmarks.contest import Standing, hold, tabulate
from benchmarks.contest_table import FULL, SHORT, enter_machine, enter_memory
from benchmarks.mirror_server import serve as serve_mirror
from benchmarks.peers import Environment
from benchmarks.static_server import MAX_KEYS, serve

__all__ = ["EXPERIMENTS", "Finding", "Setting"]


@frozen
class Setting:
    """How thoroughly to measure."""

    rounds: int
    short: bool
    """Whether it is only to be seen that everything runs."""
    environment: Environment
    tell: Callable[[str], None]
    """Takes a line on what is under way."""


@frozen
class Finding:
    """What an experiment found."""

    title: str
    table: str
    """Markdown."""
    figures: Mapping[str, float] = field(factory=dict)
    data: object = None
    """Everything that was measured, for JSON."""
    standings: Mapping[str, Standing] = field(factory=dict)


Experiment: TypeAlias = Callable[[Setting], Finding]


def measure_machine(setting: Setting) -> Finding:
    """Hold the contests of decoding, streaming, single reads, keeping and importing."""
    scale = SHORT if setting.short else FULL
    with serve(scale.keys) as target:
        contests = enter_machine(target.base_url, scale, setting.environment)
        standings = hold(contests, rounds=setting.rounds, tell=setting.tell)
    return _sum_up("The machine", standings)


def measure_memory(setting: Setting) -> Finding:
    """Let many keys pass, once: memory has no moods."""
    scale = SHORT if setting.short else FULL
    with serve_mirror(keys=scale.streamed) as whole, serve_mirror(keys=streaming_memory.SHARE) as shares:
        contests = enter_memory(whole, shares, scale)
        standings = hold(contests, rounds=1, tell=setting.tell)
    return _sum_up("Memory", standings)


def _sum_up(title: str, standings: Mapping[str, Standing]) -> Finding:
    return Finding(
        title,
        "\n\n".join(f"{one.contest.title}:\n\n{tabulate(one)}" for one in standings.values()),
        goals.gather(standings),
        {
            name: {
                "title": one.contest.title,
                "rounds": {key: [asdict(entry) for entry in rounds] for key, rounds in one.rounds.items()},
                "skipped": one.skipped,
            }
            for name, one in standings.items()
        },
        standings,
    )


def measure_latency(setting: Setting) -> Finding:
    """Read over a latency, beside what can't be beaten."""
    names = ("scan",) if setting.short else tuple(latency.CONTESTANTS)
    setting.tell(f"latency: {setting.rounds} rounds")
    measured = latency.compete(names, rounds=setting.rounds)
    ratios = {
        f"latency.{name}": statistics.median(
            one.seconds / latency.CONTESTANTS[name].bound(one) for one in rounds
        )
        for name, rounds in measured.items()
    }
    data = {name: [asdict(one) for one in rounds] for name, rounds in measured.items()}
    return Finding("Latency: 20 ms a reply", latency.tabulate(measured), ratios, data)


def measure_quota(setting: Setting) -> Finding:
    """Find a quota that nobody announced, and follow it."""
    setting.tell("quota: steady, halved, doubled")
    if setting.short:
        phases = quota.try_phases(2, rate=20.0, seconds=0.2, warm_up=0.1)
    else:
        phases = quota.try_phases(20, rate=50.0, seconds=20.0, warm_up=5.0)
    figures: dict[str, float] = {}
    for phase in phases:
        figures[f"quota.{phase.name}.used"] = phase.utilisation * 100
        figures[f"quota.{phase.name}.refused"] = phase.refusals * 100
    return Finding("Quota: unknown to the client", quota.tabulate(phases), figures, [*map(asdict, phases)])


def measure_audit(setting: Setting) -> Finding:
    """Audit a fleet, beside merely listing it."""
    keys, organizations = (1_000, 10) if setting.short else (MAX_KEYS, audit.ORGANIZATIONS)
    setting.tell(f"audit: {setting.rounds} rounds")
    measured = audit.compete(keys, organizations, rounds=setting.rounds)
    return Finding(
        f"An audit of a fleet: {organizations:,} organizations, {keys:,} keys",
        audit.tabulate(measured),
        audit.gather(measured),
        {name: [asdict(one) for one in rounds] for name, rounds in measured.items()},
    )


def run_printing(
    title: str, main: Callable[[Sequence[str]], object], *, full: Sequence[str] = (), short: Sequence[str]
) -> Experiment:
    """Make an experiment of a program that prints its report."""

    def run(setting: Setting) -> Finding:
        setting.tell(title)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            main(short if setting.short else full)
        return Finding(title, printed.getvalue().strip())

    return run


EXPERIMENTS: Final[Mapping[str, Experiment]] = {
    "machine": measure_machine,
    "memory": measure_memory,
    "latency": measure_latency,
    "quota": measure_quota,
    "audit": measure_audit,
    "reliability": run_printing(
        "Reliability", reliability.main, short=("--kills", "2", "--simulated", "5", "--creates", "10")
    ),
}
