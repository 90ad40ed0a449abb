from __future__ import annotations

from datetime import datetime

import pytest

from benchmarks import audit
from benchmarks.fleet import AUDITED_AT, organization_ids, records
from benchmarks.measurement import Round


def test_a_short_run_prints_both_and_their_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    audit.main(["--organizations", "4", "--keys", "1000", "--rounds", "1"])
    told = capsys.readouterr().out
    assert told.startswith("4 organizations, 1,000 keys, 1 rounds in turn:\n")
    assert "| list | " in told
    assert "| audit | " in told
    assert told.count("\n|") == 4


def test_a_fleet_is_the_same_each_time_and_mostly_in_order() -> None:
    (organization_id,) = organization_ids(1)
    made = list(records(organization_id, 0, 1_000))
    assert made == list(records(organization_id, 0, 1_000))
    assert len({record["id"] for record in made}) == 1_000
    times = [record["createdAt"] for record in made]
    assert all(isinstance(time, datetime) and time <= AUDITED_AT for time in times)
    flawed = [one for one in made if one["lastUsedAt"] is None or "description" not in one]
    assert 10 <= len(flawed) <= 60


def make_round(seconds: float, memory: int = 0, *, cpu: float = 1.0) -> Round:
    return Round(keys=10, seconds=seconds, cpu_seconds=cpu, peak_bytes=memory)


def test_ratios_are_medians_of_rounds_held_next_to_each_other() -> None:
    measured = {
        "list": [make_round(1.0), make_round(4.0, cpu=2.0), make_round(2.0)],
        "audit": [make_round(1.2, 5_000_000), make_round(4.4, 7_000_000, cpu=2.5), make_round(4.0, cpu=3.0)],
    }
    assert audit.gather(measured) == pytest.approx(
        {"audit.time": 1.2, "audit.cpu": 1.25, "audit.memory": 7.0}
    )
    *_, listed, audited = audit.tabulate(measured).splitlines()
    assert listed == "| list | 2.00 | 1.00 | 1.00 | 1.00 | 100000.00 | 0 |"
    assert audited == "| audit | 4.00 | 1.20 | 2.50 | 1.25 | 250000.00 | 7 |"


def test_it_fails_past_its_bounds_and_only_there() -> None:
    listed = [make_round(1.0)]
    assert audit._judge({"list": listed, "audit": [make_round(1.3, 300_000_000)]}) is None
    assert "took 1.31 times" in str(audit._judge({"list": listed, "audit": [make_round(1.31)]}))
    assert "301 MB" in str(audit._judge({"list": listed, "audit": [make_round(1.0, 301_000_000)]}))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--keys", "0"],
        ["--organizations", "0"],
        ["--organizations", "7"],
        ["--rounds", "0"],
        ["--base-url", "x"],
    ],
)
def test_what_can_not_be_measured_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        audit.main(arguments)
    assert "error: " in capsys.readouterr().err
