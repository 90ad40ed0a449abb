"""The latency's benchmark, small: that it runs, counts and sums up, not how fast."""

from __future__ import annotations

import json

import pytest

from accesskeys_async import AccessKeysClient
from benchmarks import latency
from benchmarks.measurement import Round
from benchmarks.mirror_server import serve

FEW = latency.name_organizations(5)


@pytest.mark.parametrize("name", latency.CONTESTANTS)
async def test_a_contestant_reads_every_key_it_is_to_read(name: str) -> None:
    contestant = latency.CONTESTANTS[name]
    with serve(keys=250) as base_url:
        async with AccessKeysClient("a-token-of-a-key", base_url=base_url) as client:
            found = await contestant.read(client, FEW)
    assert found == (250 if contestant.organizations == 1 else 5 * 250)


def test_a_round_of_a_contestant_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with serve(keys=5_000) as base_url:
        latency.main(["--contestant", "scan", "--base-url", base_url])
    assert Round(**json.loads(capsys.readouterr().out)).keys == 5_000


def test_a_contestant_that_reads_too_few_keys_is_found_out() -> None:
    with serve(keys=100) as base_url, pytest.raises(SystemExit, match=r"^`list` read 100 keys of 5000$"):
        latency.main(["--contestant", "list", "--base-url", base_url])


def test_the_bound_is_pages_times_latency_or_the_processors_time_if_that_is_more() -> None:
    quick, slow = Round(200_000, 1.0, 0.2), Round(200_000, 1.0, 0.8)
    assert latency.CONTESTANTS["scan"].bound(slow) == pytest.approx(1.0)
    assert latency.CONTESTANTS["pages"].bound(quick) == pytest.approx(0.625)
    assert latency.CONTESTANTS["pages"].bound(slow) == pytest.approx(0.8)


def test_the_table_has_the_medians() -> None:
    rounds = [Round(5_000, seconds, 0.05) for seconds in (0.6, 0.5, 0.9)]
    *_, row = latency.tabulate({"scan": rounds}).splitlines()
    assert row == "| `scan` | 1 x 5,000 | 0.600 | 0.050 | 1.000 | 0.60 | 0.56 |"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rounds", "0"], "--rounds is 0; it takes 1 or more"),
        (["--contestant", "list"], "--contestant and --base-url go together"),
    ],
)
def test_an_option_out_of_bounds_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        latency.main(arguments)
    assert complaint in capsys.readouterr().err
