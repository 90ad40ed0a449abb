"""Reading as one contestant does: each reads every key it is to read."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator

import pytest

from benchmarks import contestants, peer_contestants, reading
from benchmarks.contestants import CONTESTANTS
from benchmarks.measurement import Round
from benchmarks.static_server import Target, serve


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with serve(250) as target:
        yield target


@pytest.mark.parametrize("name", CONTESTANTS)
async def test_a_contestant_reads_every_key_of_the_listing(name: str, target: Target) -> None:
    async with CONTESTANTS[name](target) as reader:
        assert await reader.stream(250) == 250


@pytest.mark.parametrize("name", CONTESTANTS)
async def test_a_contestant_reads_keys_one_by_one(name: str, target: Target) -> None:
    async with CONTESTANTS[name](target) as reader:
        assert await reading.read_singly(reader, 130) == 130


@pytest.mark.parametrize("work", reading.WORK)
def test_a_round_is_reported(work: str, target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    reading.main(_arguments(target, work=work, amount="200"))
    assert Round(**json.loads(capsys.readouterr().out)).keys == 200


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not for this system")
def test_a_round_runs_on_uvloop(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    reading.main([*_arguments(target, contestant="client"), "--uvloop"])
    assert Round(**json.loads(capsys.readouterr().out)).keys == 250


def test_a_contestant_that_reads_too_few_keys_is_found_out(target: Target) -> None:
    with pytest.raises(SystemExit, match=r"^bare read 250 keys of 251$"):
        reading.main(_arguments(target, amount="251"))


def test_a_contestant_that_does_not_exist_is_refused(
    target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        reading.main(_arguments(target, contestant="bear"))
    known = ", ".join(CONTESTANTS)
    assert f"there is no contestant 'bear'; there is: {known}" in capsys.readouterr().err


def test_the_peers_are_chosen_from_by_the_same_program() -> None:
    assert contestants.CONTESTANTS.keys().isdisjoint(peer_contestants.CONTESTANTS)


def _arguments(
    target: Target, *, contestant: str = "bare", work: str = "stream", amount: str = "250"
) -> list[str]:
    who = ["--module", "benchmarks.contestants", "--contestant", contestant]
    return [*who, "--work", work, "--base-url", target.base_url, "--amount", amount]
