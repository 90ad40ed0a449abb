"""An environment of the peers' own, made on demand, with clients generated from the contract in it.

It is kept under `build/`, which git ignores. What can't be had, without a network or without Java, is skipped
with a word.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import orjson
from attrs import field, frozen

from benchmarks.peer_contestants import GENERATED_BY_GENERATOR, GENERATED_BY_PYTHON_CLIENT
from benchmarks.static_server import PROJECT

__all__ = ["PEERS", "Environment", "Peer", "prepare"]

CONTRACT: Final = PROJECT / "accesskeys_async" / "emulator" / "openapi.json"
SHARED: Final = ("aiohttp", "attrs", "orjson")
"""What the peers have in common with this library, in the same version."""
LOOSENED: Final = "openapi.json"
"""The contract as clients are generated from it, beside their folders."""
PATIENCE: Final = 300.0
"""Seconds that an installation or a generator may take."""

Run: TypeAlias = Callable[[Sequence[str]], None]
"""Runs a command; raises CalledProcessError, with its output, TimeoutExpired or OSError."""


@frozen
class Peer:
    """What a contestant needs in the environment."""

    requirements: tuple[str, ...]
    module: str | None = None
    """The package that is generated."""
    generate: Callable[[Path, Path], Sequence[str]] | None = None
    """Gives the command, from the folder of the environment's programs and the folder to generate into."""
    program: str | None = None
    """What must be on the path."""


def _run_generator(programs: Path, folder: Path) -> Sequence[str]:
    return (
        *(str(programs / "openapi-generator-cli"), "generate", "-g", "python", "--library", "asyncio"),
        *("-i", str(folder.parent / LOOSENED), "-o", str(folder)),
        f"--additional-properties=packageName={GENERATED_BY_GENERATOR}",
    )


def _run_python_client(programs: Path, folder: Path) -> Sequence[str]:
    return (
        *(str(programs / "openapi-python-client"), "generate", "--meta", "none", "--overwrite"),
        *("--path", str(folder.parent / LOOSENED), "--output-path", str(folder / GENERATED_BY_PYTHON_CLIENT)),
    )


PEERS: Final[Mapping[str, Peer]] = {
    "aiohttp-retry": Peer(("aiohttp-retry",)),
    "httpx": Peer(("httpx", "pydantic>=2")),
    "vendor-runtime": Peer(("openai",)),
    "openapi-generator": Peer(
        ("openapi-generator-cli", "aiohttp-retry", "pydantic>=2", "python-dateutil"),
        GENERATED_BY_GENERATOR,
        _run_generator,
        "java",
    ),
    "openapi-python-client": Peer(
        ("openapi-python-client", "httpx"), GENERATED_BY_PYTHON_CLIENT, _run_python_client
    ),
}


@frozen
class Environment:
    """Where peers run, and which can't, because."""

    python: Path
    generated: tuple[Path, ...] = ()
    """Folders to import generated packages from."""
    skipped: Mapping[str, str] = field(factory=dict)


def run_quietly(command: Sequence[str]) -> None:
    """Run a command to its end, and keep what it says for the error."""
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)


def prepare(
    folder: Path,
    *,
    peers: Mapping[str, Peer] = PEERS,
    run: Run = run_quietly,
    find: Callable[[str], str | None] = shutil.which,
) -> Environment:
    """Make the environment in a folder, or bring what is there up to date."""
    programs = folder / "venv" / "bin"
    python = programs / "python"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOOSENED).write_bytes(loosen(CONTRACT.read_bytes()))
    generated = {name: folder / name for name, peer in peers.items() if peer.generate is not None}
    try:
        if not python.exists():
            run((sys.executable, "-m", "venv", str(folder / "venv")))
        _install(run, python, (f"{name}=={importlib.metadata.version(name)}" for name in SHARED))
    except (OSError, subprocess.SubprocessError) as error:
        return Environment(python, (), dict.fromkeys(peers, _explain(error)))
    skipped: dict[str, str] = {}
    for name, peer in peers.items():
        if peer.program is not None and find(peer.program) is None:
            skipped[name] = f"{peer.program} is not installed"
            continue
        try:
            _install(run, python, peer.requirements)
            if peer.generate is not None and not _is_generated(generated[name], peer):
                generated[name].mkdir(parents=True, exist_ok=True)
                run(peer.generate(programs, generated[name]))
        except (OSError, subprocess.SubprocessError) as error:
            skipped[name] = _explain(error)
    return Environment(python, tuple(generated.values()), skipped)


def loosen(contract: bytes) -> bytes:
    """Return the emulator's document without the deprecated roleIds among what a record must have.

    The emulator always sends them; the benchmarks' pages, like the service's contract, leave them open.
    """
    document = orjson.loads(contract)
    document["components"]["schemas"]["AccessKey"]["required"].remove("roleIds")
    return orjson.dumps(document)


def _install(run: Run, python: Path, requirements: Iterable[str]) -> None:
    run((str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements))


def _is_generated(folder: Path, peer: Peer) -> bool:
    """Say whether what was generated is there, and from the contract as it is."""
    assert peer.module is not None
    made = folder / peer.module / "__init__.py"
    return made.exists() and made.stat().st_mtime > CONTRACT.stat().st_mtime


def _explain(error: Exception) -> str:
    """Say in a line why a command failed: the last that it said itself."""
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    lines = [line.strip() for line in (said or str(error)).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
