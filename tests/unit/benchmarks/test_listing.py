"""The listing's benchmark, small: that it runs and counts, not how fast."""

from __future__ import annotations

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import listing
from benchmarks.static_server import serve


def test_every_contestant_has_its_row_of_one_small_run(capsys: pytest.CaptureFixture[str]) -> None:
    listing.main(["--keys", "250", "--rounds", "1"])
    said, _, table = capsys.readouterr().out.partition("\n\n")
    assert said == "250 keys, 100 a page, medians of 1 rounds in turn:"
    _, _, *rows = table.splitlines()
    assert [row.split(" | ")[0] for row in rows] == [
        f"| {contestant.title}" for contestant in listing.CONTESTANTS.values()
    ]


@pytest.mark.parametrize("name", listing.CONTESTANTS)
async def test_a_contestant_reads_every_key_of_the_listing(name: str) -> None:
    with serve(250) as target:
        assert await listing.CONTESTANTS[name].stream(target) == 250


def test_a_contestant_that_reads_too_few_keys_is_found_out() -> None:
    with serve(100) as target, pytest.raises(SystemExit, match=r"^bare .* read 100 keys of 101$"):
        listing.main(["--contestant", "bare", "--base-url", target.base_url, "--keys", "101"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--keys", "0"], "--keys is 0; it takes 1 to 1,000,000"),
        (["--rounds", "0"], "--rounds is 0; it takes 1 or more"),
        (["--contestant", "bare"], "--contestant and --base-url go together"),
    ],
)
def test_an_option_out_of_bounds_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        listing.main(arguments)
    assert complaint in capsys.readouterr().err


def test_a_benchmark_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmarks.main(["listings"])
    known = ", ".join(benchmarks.BENCHMARKS)
    assert f"there is no benchmark 'listings'; there is: {known}" in capsys.readouterr().err
