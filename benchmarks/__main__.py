"""Measure everything, or what is named, and hold it to the goals: `python -m benchmarks [NAME ...]`.

The peers' environment is made under `build/` the first time, which takes a minute and a network. The report
is Markdown; with --output it is written there with every round as JSON and a chart.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from benchmarks import chart, goals, machine
from benchmarks.experiments import EXPERIMENTS, Finding, Setting
from benchmarks.peers import PEERS, Environment, prepare
from benchmarks.static_server import PROJECT

ROUNDS: Final = 7


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it all; `--short` measures nothing that means anything, and shows that everything runs."""
    options = _read_options(arguments)
    tell = functools.partial(print, file=sys.stderr, flush=True)
    if options.no_peers or options.short or "machine" not in options.names:
        environment = Environment(
            Path(sys.executable), skipped=dict.fromkeys(PEERS, "peers were not asked for")
        )
    else:
        tell("the peers' environment")
        environment = prepare(PROJECT / "build" / "benchmarks")
    rounds = 1 if options.short else options.rounds
    setting = Setting(rounds, short=options.short, environment=environment, tell=tell)
    found = {name: EXPERIMENTS[name](setting) for name in options.names}
    report = compose(found, setting)
    print(report)
    if options.output is not None:
        write(options.output, report, found, setting)


def compose(found: Mapping[str, Finding], setting: Setting) -> str:
    """Put the report together: the machine, a section for each experiment, the goals."""
    about = machine.describe()
    where = f"{about['processor']}, {about['cores']} cores, {about['python']}, {about['system']}"
    where += "" if about["compiled"] else ", without the C"
    sections = [f"{where}; {setting.rounds} rounds in turn, medians. Load before the end: {about['load']}."]
    if setting.short:
        sections.append("A smoke test: everything ran, and the figures mean nothing.")
    sections += [f"## {finding.title}\n\n{finding.table}" for finding in found.values()]
    sections.append(f"## Goals\n\n{goals.tabulate(goals.judge(_merge(found)))}")
    return "\n\n".join(sections)


def write(folder: Path, report: str, found: Mapping[str, Finding], setting: Setting) -> None:
    """Write the report, the results and, where there is something to draw, the chart."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(f"{report}\n", encoding="utf-8")
    results = {
        "taken_at": datetime.now(UTC),
        "machine": machine.describe(),
        "rounds": setting.rounds,
        "short": setting.short,
        "experiments": {name: finding.data for name, finding in found.items()},
        "figures": _merge(found),
        "goals": [
            {"what": one.goal.what, "bound": one.goal.bound, "measured": one.measured, "met": one.is_met}
            for one in goals.judge(_merge(found))
        ],
    }
    (folder / "results.json").write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    if "machine" in found:
        (folder / "benchmarks.svg").write_text(chart.plot(found["machine"].standings), encoding="utf-8")


def _merge(found: Mapping[str, Finding]) -> dict[str, float]:
    return {name: figure for finding in found.values() for name, figure in finding.figures.items()}


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of: {', '.join(EXPERIMENTS)}; all where none is named"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"1 or more; {ROUNDS} unless told")
    parser.add_argument("--output", type=Path, help="a folder for report.md, results.json and benchmarks.svg")
    parser.add_argument("--no-peers", action="store_true", help="measure the floors and this library alone")
    parser.add_argument("--short", action="store_true", help="a smoke test: next to no work, and no peers")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in EXPERIMENTS:
            parser.error(f"there is no benchmark {name!r}; there is: {', '.join(EXPERIMENTS)}")
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; it takes 1 or more")
    options.names = options.names or [*EXPERIMENTS]
    return options


if __name__ == "__main__":
    main()
