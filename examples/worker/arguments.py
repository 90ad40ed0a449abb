"""The arguments of the programs here: GRACE_SECONDS KEY_ID..."""

import sys


def read_arguments(module: str) -> tuple[int, list[str]]:
    """Return the grace and the keys' ids; without them, end the program with a line of usage."""
    grace, *key_ids = sys.argv[1:] or [""]
    if not grace.isdecimal() or not key_ids:
        print(f"usage: python -m examples.worker.{module} GRACE_SECONDS KEY_ID...", file=sys.stderr)
        sys.exit(2)
    return int(grace), key_ids
