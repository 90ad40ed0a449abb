"""Rotations whose workers are killed. `python -m benchmarks.reliability` does the same by the thousand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from accesskeys_async.emulator import Emulator
from accesskeys_async.rotation import State
from benchmarks.crashes import MOMENTS, RotationSetup, Schedule, simulate
from benchmarks.reliability import run_real, run_simulated

SCHEDULES = int(os.environ.get("ACCESSKEYS_SCHEDULES", "24"))
"""How many seeded schedules the tests of each kind run; thousands take a minute or more."""


async def test_an_undisturbed_rotation_has_as_many_moments_as_schedules_are_drawn_over(
    tmp_path: Path,
) -> None:
    with Emulator(keys_per_organization=1) as emulator:
        setup = RotationSetup(emulator, tmp_path)
        job = setup.prepare(0, Schedule((), (), is_own=False))

        crashes = await simulate(job, Schedule((), (), is_own=False))

        assert (crashes.count, crashes.moments, crashes.state) == (0, MOMENTS, State.CONFIRMED)
        assert await setup.find_violations(job) == []


async def test_a_worker_killed_at_any_moment_leaves_one_key_and_no_orphan() -> None:
    campaign = await run_real([Schedule.crash_at(moment) for moment in range(1, MOMENTS + 1)])

    assert campaign.broken == []
    assert campaign.crashes == MOMENTS


async def test_a_worker_back_before_its_lease_is_over_waits_and_continues() -> None:
    moments = range(3, MOMENTS + 1, 6)

    campaign = await run_real([Schedule.crash_at(moment, downtime=1.0) for moment in moments])

    assert campaign.broken == []
    assert campaign.outcomes == {State.CONFIRMED: len(moments)}


@pytest.mark.parametrize("half", [0, 1])
async def test_workers_killed_again_and_again_with_lost_replies_leave_one_key_and_no_orphan(
    half: int,
) -> None:
    seeds = range(half, SCHEDULES, 2)

    campaign = await run_real([Schedule.draw(seed) for seed in seeds])

    assert campaign.broken == []
    assert campaign.crashes > 0


@pytest.mark.parametrize("half", [0, 1])
async def test_schedules_of_simulated_crashes_end_the_same_way(half: int) -> None:
    seeds = range(10_000 + half, 10_000 + 2 * SCHEDULES, 2)

    campaign = await run_simulated([Schedule.draw(seed) for seed in seeds])

    assert campaign.broken == []
    assert campaign.crashes > 0


async def test_a_violated_promise_is_found(tmp_path: Path) -> None:
    schedule = Schedule((), (), is_own=False)
    with Emulator(keys_per_organization=1) as emulator:
        setup = RotationSetup(emulator, tmp_path)
        job = setup.prepare(0, schedule)
        await simulate(job, schedule)
        job.sink.write_text("another")

        assert await setup.find_violations(job) == ["the sink's token is not the new key's"]
