"""Each top-level module has a layer in pyproject.toml, so that import-linter checks it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NO_LAYER = {"__init__", "__main__", "_version"}
PARTS = {
    path.stem
    for path in (ROOT / "accesskeys_async").iterdir()
    if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem not in NO_LAYER
}


def _read_contract(name: str) -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return next(contract for contract in contracts if contract["name"].startswith(name))


def test_every_part_has_a_layer() -> None:
    layers = _read_contract("Imports run downward")["layers"]
    named = {part.strip(" ()").split(".")[0] for layer in layers for part in layer.split(":")}
    # The emulator has contracts of its own.
    assert PARTS - named == {"emulator"}


def test_the_emulator_may_import_no_other_part() -> None:
    forbidden = _read_contract("The emulator knows nothing")["forbidden_modules"]
    assert {name.removeprefix("accesskeys_async.") for name in forbidden} == PARTS - {"emulator", "_public"}
