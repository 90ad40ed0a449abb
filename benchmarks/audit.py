"""Audit a fleet: the time and memory that it takes, beside merely listing the same keys.

A static server in another process gives out the pages. Each contestant reads all organizations in a process
of its own. `python -m benchmarks.audit [--organizations 5000] [--keys 1000000] [--rounds 3]`
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from attrs import evolve

from accesskeys_async import AccessKeysClient
from accesskeys_async.audit import OrganizationAudit, Summary, audit
from benchmarks.fleet import AUDITED_AT, organization_ids
from benchmarks.measurement import Round, measure, report, run_rounds
from benchmarks.static_server import MAX_KEYS, Target, serve

__all__ = [
    "CONTESTANTS",
    "MOST_MEGABYTES",
    "MOST_RATIO",
    "ORGANIZATIONS",
    "compare",
    "compete",
    "gather",
    "main",
    "tabulate",
]

WARM_UP: Final = 10
"""Organizations to read before the clock runs."""
ORGANIZATIONS: Final = 5_000
MOST_RATIO: Final = 1.3
MOST_MEGABYTES: Final = 300


async def list_fleet(target: Target) -> int:
    """Read every page of every organization, and count the keys."""
    count = 0
    async with AccessKeysClient(target.token, base_url=target.base_url) as client:
        async for outcome in client.list_many(organization_ids(target.organizations)).pages():
            count += len(outcome.unwrap())
    return count


async def audit_fleet(target: Target) -> int:
    """Audit every organization, and count the keys that were judged."""
    count = 0
    async with AccessKeysClient(target.token, base_url=target.base_url) as client:
        async for one in audit(client, organization_ids(target.organizations), clock=lambda: AUDITED_AT):
            match one:
                case OrganizationAudit():
                    count += len(one.keys)
                case Summary() if not one.is_complete or one.keys != count:
                    raise SystemExit(f"the audit is not complete: coverage {one.coverage:.1%}")
                case Summary():
                    pass
    return count


CONTESTANTS: Final[Mapping[str, Callable[[Target], Awaitable[int]]]] = {
    "list": list_fleet,
    "audit": audit_fleet,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table, and fail where the audit takes more than it may."""
    options = _read_options(arguments)
    if options.contestant is not None:
        target = Target(options.base_url, options.keys, organizations=options.organizations)
        print(_enter(CONTESTANTS[options.contestant], target))
        return
    measured = compete(options.keys, options.organizations, rounds=options.rounds)
    print(
        f"{options.organizations:,} organizations, {options.keys:,} keys, {options.rounds} rounds in turn:\n"
    )
    print(tabulate(measured))
    problem = _judge(measured)
    if options.check and problem:
        raise SystemExit(problem)


def compete(keys: int, organizations: int, *, rounds: int) -> dict[str, list[Round]]:
    """Run rounds of both, in turn, against a server that is started for them."""
    with serve(keys, organizations=organizations) as target:
        return run_rounds({name: _command(name, target) for name in CONTESTANTS}, rounds=rounds)


def _enter(contestant: Callable[[Target], Awaitable[int]], target: Target) -> str:
    share = target.keys // target.organizations
    few = evolve(target, organizations=min(target.organizations, WARM_UP))
    measured = measure(lambda: contestant(few), lambda: contestant(target))
    if measured.keys != share * target.organizations:
        raise SystemExit(f"{measured.keys} keys were read of {target.keys}")
    return report(measured)


def _command(name: str, target: Target) -> Sequence[str]:
    numbers = ("--keys", str(target.keys), "--organizations", str(target.organizations))
    return ("benchmarks.audit", "--contestant", name, "--base-url", target.base_url, *numbers)


def tabulate(measured: Mapping[str, Sequence[Round]]) -> str:
    """Draw a Markdown table of medians, and of the ratios to the listing of the same round."""
    lines = [
        "| | seconds | ratio | seconds of CPU | ratio | µs of CPU a key | peak MB |",
        "| --- |" + " ---: |" * 6,
    ]
    listed = measured["list"]
    for name, rounds in measured.items():
        seconds = statistics.median(one.seconds for one in rounds)
        cpu = statistics.median(one.cpu_seconds for one in rounds)
        wall_ratio, cpu_ratio = compare(rounds, listed, _seconds), compare(rounds, listed, _cpu_seconds)
        memory = max(one.peak_bytes for one in rounds) / 1e6
        lines.append(
            f"| {name} | {seconds:.2f} | {wall_ratio:.2f} | {cpu:.2f} | {cpu_ratio:.2f} "
            f"| {cpu / rounds[0].keys * 1e6:.2f} | {memory:.0f} |"
        )
    return "\n".join(lines)


def gather(measured: Mapping[str, Sequence[Round]]) -> dict[str, float]:
    """Return the figures for the goals: `audit.time` and `audit.cpu` are ratios, `audit.memory` is in MB."""
    audited, listed = measured["audit"], measured["list"]
    return {
        "audit.time": compare(audited, listed, _seconds),
        "audit.cpu": compare(audited, listed, _cpu_seconds),
        "audit.memory": max(one.peak_bytes for one in audited) / 1e6,
    }


def compare(ours: Sequence[Round], others: Sequence[Round], take: Callable[[Round], float]) -> float:
    """Return the median of the ratios of rounds held next to each other, which share the machine's mood."""
    return statistics.median(take(one) / take(other) for one, other in zip(ours, others, strict=True))


def _seconds(one: Round) -> float:
    return one.seconds


def _cpu_seconds(one: Round) -> float:
    return one.cpu_seconds


def _judge(measured: Mapping[str, Sequence[Round]]) -> str | None:
    figures = gather(measured)
    if (ratio := figures["audit.time"]) > MOST_RATIO:
        return f"the audit took {ratio:.2f} times the listing's time; it may take {MOST_RATIO}"
    if (memory := figures["audit.memory"]) > MOST_MEGABYTES:
        return f"the audit had {memory:.0f} MB resident; it may have {MOST_MEGABYTES}"
    return None


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument(
        "--organizations", type=int, default=ORGANIZATIONS, help="1 or more, sharing the keys evenly"
    )
    parser.add_argument("--keys", type=int, default=MAX_KEYS, help=f"1 to {MAX_KEYS:,}")
    parser.add_argument("--rounds", type=int, default=3, help="1 or more")
    parser.add_argument("--check", action="store_true", help="fail where the audit takes more than it may")
    parser.add_argument("--contestant", choices=CONTESTANTS, help="one round of this one, in this process")
    parser.add_argument("--base-url", help="with --contestant: a static server that runs already")
    options = parser.parse_args(arguments)
    if not 1 <= options.keys <= MAX_KEYS:
        parser.error(f"--keys is {options.keys}; it takes 1 to {MAX_KEYS:,}")
    if options.organizations < 1 or options.keys % options.organizations:
        parser.error(
            f"--organizations is {options.organizations}; {options.keys:,} keys can't be shared evenly"
        )
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; it takes 1 or more")
    if (options.contestant is None) is not (options.base_url is None):
        parser.error("--contestant and --base-url go together")
    return options


if __name__ == "__main__":
    main()
