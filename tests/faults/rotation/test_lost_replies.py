from __future__ import annotations

import pytest

from benchmarks import reliability
from benchmarks.lost_replies import create_over_lossy_network


async def test_a_thousand_creates_over_a_network_that_loses_three_of_ten_create_a_thousand_keys() -> None:
    result = await create_over_lossy_network(creates=1_000, tasks=32, share=0.3, seed=1)

    assert (result.keys, result.usable_tokens, result.orphans, result.marked) == (1_000, 1_000, 0, 0)
    lost = result.dropped_before + result.dropped_after
    assert 0.25 < lost / result.requests < 0.35
    assert min(result.dropped_before, result.dropped_after) > 0.4 * lost


def test_figures_are_printed_and_the_exit_code_is_0_if_each_promise_was_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = reliability.main(["--kills", "2", "--simulated", "2", "--creates", "4"])

    printed = capsys.readouterr().out
    assert code == 0
    assert "| SIGKILL | 2 | 2 | 0 |" in printed
    assert "| simulated | 2 |" in printed
    assert "| 4 | 32 |" in printed


async def test_a_broken_promise_is_counted() -> None:
    async def fail(job: object, schedule: object) -> reliability.CrashResult:
        return reliability.CrashResult(1, 1, "needs-human")

    schedule = reliability.Schedule((), (), is_own=False)
    campaign = await reliability.run_campaign("failing", [schedule] * 3, [fail])

    assert (campaign.schedules, campaign.crashes, len(campaign.broken)) == (3, 3, 3)
