"""Contests: rounds in turn, ratios within a round, and those who can't enter."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contest import Contest, Entrant, Standing, hold, tabulate
from benchmarks.measurement import Round

REPORT = 'import sys; sys.stdout.write(\'{"keys": 10, "seconds": 2.0, "cpu_seconds": 0.001}\')'


def _contest(**entrants: Entrant) -> Contest:
    return Contest("Count", "keys", "bare", entrants)


def _standing() -> Standing:
    contest = _contest(client=Entrant("ours", ("ours",)), bare=Entrant("bare", ("bare",)))
    rounds = {
        "client": [Round(100, 1.0, 0.1), Round(100, 4.0, 0.1), Round(100, 2.0, 0.3)],
        "bare": [Round(100, 2.0, 0.1), Round(100, 2.0, 0.2), Round(100, 2.0, 0.1)],
    }
    return Standing(contest, rounds)


def _module(folder: Path, name: str, text: str, *, may_fail: bool = False) -> Entrant:
    (folder / f"{name}.py").write_text(text)
    return Entrant(name, (name,), imports=(folder,), may_fail=may_fail)


def test_a_ratio_is_the_median_of_what_each_round_says() -> None:
    assert _standing().times_as_fast("client", "bare") == 1.0  # of 2, 0.5 and 1
    assert _standing().times_the_cpu("client", "bare") == 1.0  # of 1, 0.5 and 3


def test_the_table_has_medians_and_ratios_to_the_yardstick() -> None:
    assert tabulate(_standing()).splitlines() == [
        "| | keys/s | times as many | µs of CPU each | times the CPU |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| ours | 50 | 1.00 | 1,000.00 | 1.00 |",
        "| bare | 50 | 1.00 | 1,000.00 | 1.00 |",
    ]


def test_the_table_has_memory_where_some_was_kept() -> None:
    standing = _standing()
    standing.rounds["client"] = [Round(100, 1.0, 0.1, grown_bytes=70_000)] * 3
    assert tabulate(standing).splitlines()[2].endswith(" | 700 |")


def test_rounds_of_all_contests_are_held_in_turn(tmp_path: Path) -> None:
    log = tmp_path / "log"
    text = f"{REPORT}; open({str(log)!r}, 'a').write(__file__[-4])"
    first = Contest("A", "keys", "a", {name: _module(tmp_path, name, text) for name in "ab"})
    second = Contest("C", "keys", "c", {"c": _module(tmp_path, "c", text)})
    told: list[str] = []
    standings = hold({"first": first, "second": second}, rounds=2, tell=told.append)
    assert log.read_text() == "abcbac"
    assert [len(standings["first"].rounds[name]) for name in "ab"] == [2, 2]
    assert told[0] == "round 1 of 2: first"


def test_a_peer_that_fails_is_skipped_with_the_last_that_it_said(tmp_path: Path) -> None:
    failing = _module(tmp_path, "failing", "raise SystemExit('no such client')", may_fail=True)
    standing = hold(
        {"one": _contest(bare=_module(tmp_path, "bare", REPORT), peer=failing)}, rounds=2, tell=print
    )
    assert standing["one"].skipped == {"peer": "no such client"}
    assert tabulate(standing["one"]).endswith("\n\nSkipped: peer (no such client).")
    assert len(standing["one"].rounds["bare"]) == 2


def test_an_entrant_has_variables_of_its_own(tmp_path: Path) -> None:
    text = f"import os; assert os.environ['MOOD'] == 'steady'; {REPORT}"
    (tmp_path / "one.py").write_text(text)
    entrant = Entrant("one", ("one",), imports=(tmp_path,), environment={"MOOD": "steady"})
    assert len(hold({"one": _contest(bare=entrant)}, rounds=1, tell=print)["one"].rounds["bare"]) == 1


def test_a_contestant_of_ours_that_fails_ends_the_run(tmp_path: Path) -> None:
    failing = _module(tmp_path, "failing", "raise SystemExit('read 1 of 2')")
    with pytest.raises(RuntimeError, match=r"^failing failed: read 1 of 2$"):
        hold({"one": _contest(bare=failing)}, rounds=1, tell=print)
