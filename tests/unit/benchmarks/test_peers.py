"""The peers' environment, with scripted commands: nothing is installed here."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import orjson
from attrs import define, field

from benchmarks import peers
from benchmarks.peer_contestants import CONTESTANTS
from benchmarks.peers import PEERS, Peer, prepare

HAND_MADE = Peer(("some-client",))


def _generated(program: str | None = None) -> Peer:
    return Peer(("some-generator",), "made", lambda programs, folder: ("generate", str(folder)), program)


@define
class Commands:
    """Stands in for running commands; those that have `failing` in them fail."""

    failing: str = "nothing fails"
    run: list[str] = field(factory=list)

    def __call__(self, command: Sequence[str]) -> None:
        self.run.append(" ".join(command))
        if self.failing in self.run[-1]:
            raise subprocess.CalledProcessError(1, command, stderr="much ado\nERROR: no network\n")


def test_every_contestant_of_the_peers_has_its_requirements() -> None:
    assert PEERS.keys() == CONTESTANTS.keys()


def test_what_is_shared_is_installed_in_our_version_and_each_peers_own_after_it(tmp_path: Path) -> None:
    commands = Commands()
    environment = prepare(tmp_path, peers={"one": HAND_MADE, "two": _generated()}, run=commands)
    venv, shared, one, two, generate = commands.run
    assert "-m venv" in venv
    assert "aiohttp==" in shared
    assert one.endswith(" some-client")
    assert two.endswith(" some-generator")
    assert generate == f"generate {tmp_path / 'two'}"
    assert environment.generated == (tmp_path / "two",)
    assert environment.skipped == {}


def test_what_was_generated_from_this_contract_is_not_generated_again(tmp_path: Path) -> None:
    made = tmp_path / "two" / "made"
    made.mkdir(parents=True)
    (made / "__init__.py").touch()
    commands = Commands()
    prepare(tmp_path, peers={"two": _generated()}, run=commands)
    assert not any(command.startswith("generate") for command in commands.run)


def test_a_peer_that_cannot_be_installed_is_skipped_alone(tmp_path: Path) -> None:
    peers = {"one": HAND_MADE, "two": _generated()}
    environment = prepare(tmp_path, peers=peers, run=Commands(failing="some-client"))
    assert environment.skipped == {"one": "ERROR: no network"}


def test_without_a_network_all_are_skipped(tmp_path: Path) -> None:
    peers = {"one": HAND_MADE, "two": _generated()}
    environment = prepare(tmp_path, peers=peers, run=Commands(failing="aiohttp=="))
    assert environment.skipped == {"one": "ERROR: no network", "two": "ERROR: no network"}


def test_a_generator_whose_program_is_missing_is_skipped_with_a_word(tmp_path: Path) -> None:
    peers = {"two": _generated("java")}
    environment = prepare(tmp_path, peers=peers, run=Commands(), find=lambda _: None)
    assert environment.skipped == {"two": "java is not installed"}


def test_a_command_that_takes_too_long_is_a_reason_to_skip(tmp_path: Path) -> None:
    def run(command: Sequence[str]) -> None:
        raise subprocess.TimeoutExpired(command, 300.0)

    [reason] = prepare(tmp_path, peers={"one": HAND_MADE}, run=run).skipped.values()
    assert "timed out after 300.0 seconds" in reason


def test_clients_are_generated_from_the_contract_with_deprecated_role_ids_left_open() -> None:
    before, after = (
        orjson.loads(text)["components"]["schemas"]["AccessKey"]
        for text in (peers.CONTRACT.read_bytes(), peers.loosen(peers.CONTRACT.read_bytes()))
    )
    assert set(before["required"]) - set(after["required"]) == {"roleIds"}
    assert before["properties"] == after["properties"]
