from __future__ import annotations

import pytest

from benchmarks import reliability
from benchmarks.storm import rage


async def test_a_thousand_creates_over_a_network_that_loses_three_of_ten_make_a_thousand_keys() -> None:
    storm = await rage(creates=1_000, tasks=32, share=0.3, seed=1)

    assert (storm.keys, storm.usable_tokens, storm.orphans, storm.marked) == (1_000, 1_000, 0, 0)
    lost = storm.dropped_before + storm.dropped_after
    assert 0.25 < lost / storm.requests < 0.35
    assert min(storm.dropped_before, storm.dropped_after) > 0.4 * lost


def test_the_figures_are_printed_and_a_kept_promise_is_a_success(capsys: pytest.CaptureFixture[str]) -> None:
    code = reliability.main(["--kills", "2", "--simulated", "2", "--creates", "4"])

    printed = capsys.readouterr().out
    assert code == 0
    assert "| SIGKILL | 2 | 2 | 0 |" in printed
    assert "| simulated | 2 |" in printed
    assert "| 4 | 32 |" in printed


async def test_a_broken_promise_is_counted() -> None:
    async def forget(errand: object, schedule: object) -> reliability.Deaths:
        return reliability.Deaths(1, 1, "needs-human")

    schedule = reliability.Schedule((), (), is_own=False)
    campaign = await reliability.fight("forgetful", [schedule] * 3, [forget])

    assert (campaign.schedules, campaign.deaths, len(campaign.broken)) == (3, 3, 3)
