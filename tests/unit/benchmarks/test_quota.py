"""The quota's benchmark, small: that it runs and counts, not how well it does."""

from __future__ import annotations

import pytest

from benchmarks import quota


def test_every_phase_has_its_row_of_one_small_run(capsys: pytest.CaptureFixture[str]) -> None:
    quota.main(["--organizations", "2", "--rate", "20", "--seconds", "0.3", "--warm-up", "0.1"])
    said, _, table = capsys.readouterr().out.partition("\n\n")
    assert said == "2 organizations, 20 requests/s each, unknown to the client:"
    _, _, *rows = table.splitlines()
    assert [row.split(" | ")[0] for row in rows] == [f"| {name}" for name, _ in quota.PLAN]


def test_the_table_tells_what_of_the_quota_was_used_and_refused() -> None:
    phase = quota.Phase("steady", allowed=1000.0, served=950, refused=50)
    assert quota.tabulate([phase]).splitlines()[-1] == "| steady | 950 | 95.0% | 5.00% |"


@pytest.mark.parametrize("name", ["organizations", "rate", "seconds"])
def test_an_option_out_of_bounds_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        quota.main([f"--{name}", "0"])
    assert f"--{name} is 0" in capsys.readouterr().err
