"""The arguments of the programs here: GRACE_SECONDS KEY_ID... and environment variables."""

import os
import sys


def read_arguments(module: str) -> tuple[int, list[str]]:
    """Return the grace and the keys' ids, or exit with a line of usage if they are missing."""
    grace, *key_ids = sys.argv[1:] or [""]
    if not grace.isdecimal() or not key_ids:
        print(f"usage: python -m examples.worker.{module} GRACE_SECONDS KEY_ID...", file=sys.stderr)
        sys.exit(2)
    return int(grace), key_ids


def read_environment(*names: str) -> list[str]:
    """Return environment variables, or exit with a line that names those that are missing."""
    if missing := [name for name in names if not os.environ.get(name)]:
        print("set these environment variables:", ", ".join(missing), file=sys.stderr)
        sys.exit(2)
    return [os.environ[name] for name in names]
