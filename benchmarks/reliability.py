"""Reliability under crashes and lost replies: `python -m benchmarks.reliability`.

It runs rotations whose workers are killed, by SIGKILL and simulated, and recoverable creates with lost
replies. It prints a table of figures, and exits with 1 if a promise was broken.
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
from benchmarks.crash_worker import RotationJob
from benchmarks.crashes import MOMENTS, CrashResult, ForkServer, RotationSetup, Schedule, simulate
from benchmarks.lost_replies import LostReplies, create_over_lossy_network

__all__ = ["Campaign", "main", "run_campaign", "run_real", "run_simulated"]

BATCH: Final = 200
# The writes of a killed process survive it, on disk or in memory. Memory is faster.
SHELF: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
Run = Callable[[RotationJob, Schedule], Awaitable[CrashResult]]


@define
class Campaign:
    """Schedules that were run, and their outcomes."""

    title: str
    schedules: int = 0
    crashes: int = 0
    """The number of workers that were killed."""
    broken: list[str] = field(factory=list)
    """Each broken promise, with its schedule."""
    outcomes: Counter[str] = field(factory=Counter)
    seconds: float = 0.0


async def run_simulated(schedules: Sequence[Schedule]) -> Campaign:
    """Run schedules in this process, where a crash drops what is in memory."""
    return await run_campaign("simulated", schedules, [simulate])


async def run_real(schedules: Sequence[Schedule], *, servers: int = 2) -> Campaign:
    """Run schedules with SIGKILL, over `servers` fork servers."""
    async with asyncio.TaskGroup() as group:
        stop = asyncio.Event()
        ready: list[asyncio.Future[Run]] = []
        for _ in range(servers):
            started: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
            group.create_task(_keep_server(started, stop))
            ready.append(started)
        try:
            return await run_campaign("SIGKILL", schedules, [await started for started in ready])
        finally:
            stop.set()


async def _keep_server(started: asyncio.Future[Run], stop: asyncio.Event) -> None:
    async with ForkServer.start() as server:
        started.set_result(server.run)
        await stop.wait()


async def run_campaign(title: str, schedules: Sequence[Schedule], runs: Sequence[Run]) -> Campaign:
    """Run schedules, one at a time for each of `runs`, and check the promises after each."""
    campaign = Campaign(title)
    began = time.perf_counter()
    for start in range(0, len(schedules), BATCH):
        await _run_batch(campaign, schedules[start : start + BATCH], runs)
    campaign.seconds = time.perf_counter() - began
    return campaign


async def _run_batch(campaign: Campaign, schedules: Sequence[Schedule], runs: Sequence[Run]) -> None:
    numbered = iter(list(enumerate(schedules)))
    with (
        tempfile.TemporaryDirectory(prefix="accesskeys-", dir=SHELF) as folder,
        Emulator(organizations=len(schedules), keys_per_organization=1) as emulator,
    ):
        setup = RotationSetup(emulator, Path(folder))

        async def work(run: Run) -> None:
            for number, schedule in numbered:
                job = setup.prepare(number, schedule)
                crashes = await run(job, schedule)
                campaign.schedules += 1
                campaign.crashes += crashes.count
                campaign.outcomes[crashes.state] += 1
                wrong = await setup.find_violations(job) if crashes.state == "confirmed" else [crashes.state]
                campaign.broken += [f"{schedule}: {what}" for what in wrong]

        async with asyncio.TaskGroup() as group:
            for run in runs:
                group.create_task(work(run))


def _tabulate(campaigns: Iterable[Campaign], lost: LostReplies | None) -> str:
    lines = [
        "| rotations | schedules | workers killed | promises broken | seconds |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {c.title} | {c.schedules:,} | {c.crashes:,} | {len(c.broken)} | {c.seconds:.0f} |"
        for c in campaigns
    ]
    if lost is not None:
        figures = (
            lost.creates,
            lost.tasks,
            lost.requests,
            lost.dropped_before,
            lost.dropped_after,
            lost.keys,
            lost.usable_tokens,
            lost.orphans,
            round(lost.seconds),
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
    every_moment = [Schedule.crash_at(moment) for moment in range(1, MOMENTS + 1)]
    if real:
        drawn = [Schedule.draw(seed + number) for number in range(max(0, real - len(every_moment)))]
        campaigns.append(await run_real([*every_moment, *drawn][:real]))
    if simulated:
        drawn = [Schedule.draw(seed + real + number) for number in range(simulated)]
        campaigns.append(await run_simulated(drawn))
    lost = await create_over_lossy_network(creates=creates, seed=seed) if creates else None
    print(_tabulate(campaigns, lost))
    for campaign in campaigns:
        print(*campaign.broken, sep="\n", end="\n" if campaign.broken else "", file=sys.stderr)
    kept = lost is None or (lost.keys, lost.usable_tokens) == (lost.creates, lost.creates)
    return kept and not any(campaign.broken for campaign in campaigns)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything, or as much as the options say. Return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000, help="schedules with SIGKILL")
    parser.add_argument("--simulated", type=int, default=2_000, help="schedules with simulated crashes")
    parser.add_argument("--creates", type=int, default=1_000, help="recoverable creates with lost replies")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    kept = asyncio.run(
        _measure(real=options.kills, simulated=options.simulated, creates=options.creates, seed=options.seed)
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
