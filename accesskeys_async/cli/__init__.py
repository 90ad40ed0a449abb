"""The command line: `accesskeys`, also `python -m accesskeys_async`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

_EXTRA = ("typer", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (`ExitCode`); `arguments` default to the process's own."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        # Pressed so early that no command was there to say so.
        return 130


def _run(arguments: Sequence[str]) -> int:
    try:
        for package in _EXTRA:
            importlib.import_module(package)
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"accesskeys: the command line needs {error.name}; run: pip install 'accesskeys-async[cli]'\n"
        )
        return 2
    from accesskeys_async.cli.app import run

    return run(arguments)
