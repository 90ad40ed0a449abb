"""Letting keys pass: each contestant sees them all, and its memory is counted from the warm-up on."""

from __future__ import annotations

import json

import pytest

from benchmarks import streaming_memory
from benchmarks.measurement import Round
from benchmarks.mirror_server import serve


@pytest.mark.parametrize(
    ("name", "share"), [("list", 1_000), ("scan", 1_000), ("list_many", streaming_memory.SHARE)]
)
def test_a_round_lets_every_key_pass(name: str, share: int, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(keys=share) as base_url:
        streaming_memory.main(["--contestant", name, "--base-url", base_url, "--keys", "1000"])
    measured = Round(**json.loads(capsys.readouterr().out))
    assert measured.keys == 1_000
    assert 0 <= measured.grown_bytes < 50_000_000


def test_too_few_keys_for_one_organization_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        streaming_memory.main(["--contestant", "list", "--base-url", "http://[::1]:1", "--keys", "1"])
    assert "--keys is 1; it takes 200 to 1,000,000" in capsys.readouterr().err
