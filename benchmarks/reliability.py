"""How much goes wrong when nearly everything does: `python -m benchmarks.reliability`.

Rotations whose workers are killed, by SIGKILL and simulated, and a storm of recoverable creates. Prints a
table of figures, and ends with 1 where one promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from attrs import define, field

from accesskeys_async.emulator import Emulator
from benchmarks.crashes import MOMENTS, Deaths, ForkServer, Ground, Schedule, simulate
from benchmarks.lives import Errand
from benchmarks.storm import Storm, rage

__all__ = ["Campaign", "fight", "main", "run_real", "run_simulated"]

BATCH: Final = 200
# What a killed process has written stays with the system, on a disk or not: memory is only faster.
SHELF: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
Run = Callable[[Errand, Schedule], Awaitable[Deaths]]


@define
class Campaign:
    """Schedules that were run, and what came of them."""

    title: str
    schedules: int = 0
    deaths: int = 0
    """How many lives were ended before their time."""
    broken: list[str] = field(factory=list)
    """What was not as promised, and in which schedule."""
    outcomes: Counter[str] = field(factory=Counter)
    seconds: float = 0.0


async def run_simulated(schedules: Sequence[Schedule]) -> Campaign:
    """Run schedules in this process, where a death drops what is in memory."""
    return await fight("simulated", schedules, [simulate])


async def run_real(schedules: Sequence[Schedule], *, servers: int = 2) -> Campaign:
    """Run schedules with SIGKILL, over so many servers at a time."""
    async with asyncio.TaskGroup() as group:
        stop = asyncio.Event()
        ready: list[asyncio.Future[Run]] = []
        for _ in range(servers):
            started: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
            group.create_task(_keep_server(started, stop))
            ready.append(started)
        try:
            return await fight("SIGKILL", schedules, [await started for started in ready])
        finally:
            stop.set()


async def _keep_server(started: asyncio.Future[Run], stop: asyncio.Event) -> None:
    async with ForkServer.start() as server:
        started.set_result(server.run)
        await stop.wait()


async def fight(title: str, schedules: Sequence[Schedule], runs: Sequence[Run]) -> Campaign:
    """Run schedules, as many at a time as there are ways to run them, and judge each."""
    campaign = Campaign(title)
    began = time.perf_counter()
    for start in range(0, len(schedules), BATCH):
        await _fight_batch(campaign, schedules[start : start + BATCH], runs)
    campaign.seconds = time.perf_counter() - began
    return campaign


async def _fight_batch(campaign: Campaign, schedules: Sequence[Schedule], runs: Sequence[Run]) -> None:
    numbered = iter(list(enumerate(schedules)))
    with (
        tempfile.TemporaryDirectory(prefix="accesskeys-", dir=SHELF) as folder,
        Emulator(organizations=len(schedules), keys_per_organization=1) as emulator,
    ):
        ground = Ground(emulator, Path(folder))

        async def work(run: Run) -> None:
            for number, schedule in numbered:
                errand = ground.prepare(number, schedule)
                deaths = await run(errand, schedule)
                campaign.schedules += 1
                campaign.deaths += deaths.count
                campaign.outcomes[deaths.state] += 1
                wrong = await ground.judge(errand) if deaths.state == "confirmed" else [deaths.state]
                campaign.broken += [f"{schedule}: {what}" for what in wrong]

        async with asyncio.TaskGroup() as group:
            for run in runs:
                group.create_task(work(run))


def _tabulate(campaigns: Iterable[Campaign], storm: Storm | None) -> str:
    lines = [
        "| rotations | schedules | workers killed | promises broken | seconds |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {c.title} | {c.schedules:,} | {c.deaths:,} | {len(c.broken)} | {c.seconds:.0f} |"
        for c in campaigns
    ]
    if storm is not None:
        figures = (
            storm.creates,
            storm.tasks,
            storm.requests,
            storm.dropped_before,
            storm.dropped_after,
            storm.keys,
            storm.usable_tokens,
            storm.orphans,
            round(storm.seconds),
        )
        lines += [
            "",
            "| creates | tasks | requests | lost before | lost after | keys | usable tokens | orphans | s |",
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            f"| {' | '.join(f'{figure:,}' for figure in figures)} |",
        ]
    return "\n".join(lines)


async def _measure(*, real: int, simulated: int, creates: int, seed: int) -> bool:
    campaigns: list[Campaign] = []
    every_moment = [Schedule.die_at(moment) for moment in range(1, MOMENTS + 1)]
    if real:
        drawn = [Schedule.draw(seed + number) for number in range(max(0, real - len(every_moment)))]
        campaigns.append(await run_real([*every_moment, *drawn][:real]))
    if simulated:
        drawn = [Schedule.draw(seed + real + number) for number in range(simulated)]
        campaigns.append(await run_simulated(drawn))
    storm = await rage(creates=creates, seed=seed) if creates else None
    print(_tabulate(campaigns, storm))
    for campaign in campaigns:
        print(*campaign.broken, sep="\n", end="\n" if campaign.broken else "", file=sys.stderr)
    kept = storm is None or (storm.keys, storm.usable_tokens) == (storm.creates, storm.creates)
    return kept and not any(campaign.broken for campaign in campaigns)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it all, or as much as the options say; return 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000, help="schedules with SIGKILL")
    parser.add_argument("--simulated", type=int, default=2_000, help="schedules with simulated deaths")
    parser.add_argument("--creates", type=int, default=1_000, help="recoverable creates in the storm")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    kept = asyncio.run(
        _measure(real=options.kills, simulated=options.simulated, creates=options.creates, seed=options.seed)
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
