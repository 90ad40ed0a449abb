"""Goals: every one is measured by something, and judged in the right direction."""

from __future__ import annotations

import pytest

from benchmarks import audit, goals
from benchmarks.contest import Standing
from benchmarks.contest_table import SHORT, enter_machine, enter_memory
from benchmarks.latency import CONTESTANTS
from benchmarks.measurement import Round
from benchmarks.peers import Environment
from benchmarks.quota import PLAN
from benchmarks.static_server import PROJECT


def _hold() -> dict[str, Standing]:
    contests = enter_machine("http://[::1]:1", SHORT, Environment(PROJECT / "python"))
    contests |= enter_memory("http://[::1]:1", "http://[::1]:2", SHORT)
    return {
        name: Standing(
            contest, {key: [Round(10, 2.0, 1.0, grown_bytes=5_000_000)] for key in contest.entrants}
        )
        for name, contest in contests.items()
    }


def test_every_goal_has_a_figure_that_is_measured() -> None:
    known = set(goals.gather(_hold())) | {f"latency.{name}" for name in CONTESTANTS}
    known |= {f"quota.{name}.{what}" for name, _ in PLAN for what in ("used", "refused")}
    known |= set(audit.gather({name: [Round(10, 2.0, 1.0)] for name in audit.CONTESTANTS}))
    assert [goal.figure for goal in goals.GOALS if goal.figure not in known] == []


def test_figures_of_memory_are_in_the_units_of_their_goals() -> None:
    figures = goals.gather(_hold())
    assert figures["memory.scan"] == 5.0
    assert figures["kept.bytes"] == 500_000


def test_the_audits_own_check_has_the_bounds_of_the_goals() -> None:
    bounds = {goal.figure: goal.bound for goal in goals.GOALS}
    assert bounds["audit.time"] == audit.MOST_RATIO
    assert bounds["audit.memory"] == audit.MOST_MEGABYTES


@pytest.mark.parametrize(
    ("kind", "measured", "is_met"),
    [("at least", 2.0, True), ("at least", 1.9, False), ("at most", 2.0, True), ("at most", 2.1, False)],
)
def test_a_goal_is_met_on_its_side_of_the_bound(kind: str, measured: float, is_met: bool) -> None:
    assert kind in {"at least", "at most"}
    goal = goals.Goal("a", "a", "at least" if kind == "at least" else "at most", 2.0)
    assert goals.Verdict(goal, measured).is_met is is_met


def test_the_table_says_what_was_missed_and_what_was_not_measured() -> None:
    met, *_, unknown = goals.judge({"decode.cpu.msgspec": 0.9, "stream.speed.bare": 0.5})
    table = goals.tabulate([met, goals.judge({"stream.speed.bare": 0.5})[2], unknown]).splitlines()
    assert table[2:] == [
        "| decode: CPU, beside msgspec's structs | at most 1x | 0.900x | met |",
        "| stream: speed, beside bare | at least 1.1x | 0.500x | **not met** |",
        "| audit: memory | at most 300 MB |  | not measured |",
    ]
