"""Run every benchmark, or those that are named: `python -m benchmarks [audit] [listing]`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks import audit, latency, listing

BENCHMARKS: Final[Mapping[str, Callable[[Sequence[str]], None]]] = {
    "audit": audit.main,
    "latency": latency.main,
    "listing": listing.main,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run benchmarks with the options they have by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(BENCHMARKS)}; else all")
    names = parser.parse_args(arguments).names
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}; there is: {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        BENCHMARKS[name](())


if __name__ == "__main__":
    main()
