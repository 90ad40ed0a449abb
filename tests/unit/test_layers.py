"""The floors in pyproject.toml have every room of the house, so that import-linter holds all of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
APART = {"__init__", "__main__", "_version"}
ROOMS = {
    path.stem
    for path in (ROOT / "accesskeys_async").iterdir()
    if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem not in APART
}


def _read_contract(name: str) -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return next(contract for contract in contracts if contract["name"].startswith(name))


def test_every_room_is_on_a_floor() -> None:
    floors = _read_contract("Imports run downward")["layers"]
    named = {room.strip(" ()").split(".")[0] for floor in floors for room in floor.split(":")}
    # The emulator is a tower of its own.
    assert ROOMS - named == {"emulator"}


def test_every_room_is_out_of_the_emulators_sight() -> None:
    forbidden = _read_contract("The emulator knows nothing")["forbidden_modules"]
    assert {name.removeprefix("accesskeys_async.") for name in forbidden} == ROOMS - {"emulator", "_public"}
