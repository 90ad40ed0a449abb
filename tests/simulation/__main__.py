"""Print the table of docs/throttling.md: `python -m tests.simulation [--all] [TEXT]`.

TEXT selects cells by a part of their names, as they are printed.
"""

from __future__ import annotations

import argparse
import math

from tests.simulation.cells import CELLS, Cell
from tests.simulation.running import Result
from tests.simulation.throttles import THROTTLES, try_throttle

__all__ = ["main", "show"]


def show(cell: Cell, result: Result) -> str:
    """Return a table's entry: what was used and refused, and what became of the calls."""
    refused = f"rf{result.refused_share(cell.since):.1%}".replace(".0%", "%")
    lost = f", **E{result.failed}**" if result.failed else ""
    if cell.load.every:
        return f"{refused} w{result.worst:.0f}{lost}"
    served = result.served(cell.since) / (cell.seconds - cell.since)
    used = f"{served:,.0f}/s" if cell.rate == math.inf else f"{served / cell.rate:.1%}"
    return f"{used} {refused} w{result.worst:.0f}{lost}"


def main() -> None:
    """Run the cells of the short run, or all, and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("text", nargs="?", default="")
    parser.add_argument("--all", action="store_true", help="the whole grid, which takes minutes")
    options = parser.parse_args()
    print(f"| load: service | {' | '.join(THROTTLES)} |")
    print(f"| --- |{' --- |' * len(THROTTLES)}")
    for cell in CELLS:
        if (cell.quick or options.all) and options.text in str(cell):
            shown = [show(cell, try_throttle(name, cell)) for name in THROTTLES]
            print(f"| {cell} | {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main()
