"""All benchmarks in one run, small: that everything runs and is reported, not how fast it is."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import orjson
import pytest

from benchmarks import __main__ as benchmarks
from benchmarks.experiments import EXPERIMENTS
from benchmarks.goals import GOALS
from benchmarks.peers import PEERS


def test_the_short_form_runs_everything_that_needs_no_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmarks.main(["machine", "memory", "quota", "--short", "--output", str(tmp_path)])
    report = capsys.readouterr().out
    assert "A smoke test: everything ran, and the figures mean nothing." in report
    assert "| **accesskeys_async**, to records |" in report
    assert all(f"Skipped: {peer} (peers were not asked for)." in report for peer in PEERS)
    assert (tmp_path / "report.md").read_text() == report
    assert ElementTree.parse(tmp_path / "benchmarks.svg").getroot().tag.endswith("svg")
    results = orjson.loads((tmp_path / "results.json").read_bytes())
    assert [goal["what"] for goal in results["goals"]] == [goal.what for goal in GOALS]
    assert results["machine"]["cores"] >= 1
    assert len(results["experiments"]["machine"]["stream"]["rounds"]["client"]) == 1


@pytest.mark.parametrize("name", ["latency", "audit"])
def test_the_short_form_of_a_benchmark_is_reported(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    benchmarks.main([name, "--short"])
    title, _, table = capsys.readouterr().out.partition("## ")[2].partition("\n\n")
    assert title
    assert table.count("\n|") > 2


def test_an_audit_gives_figures_for_its_goals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benchmarks.main(["audit", "--short", "--output", str(tmp_path)])
    assert "| audit: time, beside listing | at most 1.3x | " in capsys.readouterr().out
    results = orjson.loads((tmp_path / "results.json").read_bytes())
    assert results["figures"].keys() == {"audit.time", "audit.cpu", "audit.memory"}
    measured = {goal["what"]: goal["measured"] for goal in results["goals"]}
    assert measured["audit: time, beside listing"] > 0
    assert 0 < measured["audit: memory"] < 300
    assert [len(rounds) for rounds in results["experiments"]["audit"].values()] == [1, 1]


def test_a_benchmark_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmarks.main(["listings"])
    known = ", ".join(EXPERIMENTS)
    assert f"there is no benchmark 'listings'; there is: {known}" in capsys.readouterr().err


def test_no_rounds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmarks.main(["--rounds", "0"])
    assert "--rounds is 0; it takes 1 or more" in capsys.readouterr().err
