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

__all__ = ["CONTESTANTS", "main"]

WARM_UP: Final = 10
"""Organizations to read before the clock runs."""
MOST_RATIO: Final = 1.3
MOST_BYTES: Final = 300_000_000


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
    with serve(options.keys, organizations=options.organizations) as target:
        measured = run_rounds(
            {name: _command(name, target) for name in CONTESTANTS},
            rounds=options.rounds,
        )
    print(
        f"{options.organizations:,} organizations, {options.keys:,} keys, {options.rounds} rounds in turn:\n"
    )
    print(_tabulate(measured))
    problem = _judge(measured)
    if options.check and problem:
        raise SystemExit(problem)


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


def _tabulate(measured: Mapping[str, Sequence[Round]]) -> str:
    lines = [
        "| | seconds | seconds of CPU | µs of CPU a key | peak MB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, rounds in measured.items():
        seconds = statistics.median(one.seconds for one in rounds)
        cpu = statistics.median(one.cpu_seconds for one in rounds)
        memory = max(one.peak_bytes for one in rounds) / 1e6
        lines.append(
            f"| {name} | {seconds:.2f} | {cpu:.2f} | {cpu / rounds[0].keys * 1e6:.2f} | {memory:.0f} |"
        )
    return "\n".join([*lines, "", f"The audit takes {_ratio(measured):.2f} times the listing's time."])


def _ratio(measured: Mapping[str, Sequence[Round]]) -> float:
    """Return the median of the rounds' ratios of CPU time, which what else the machine does disturbs less."""
    pairs = zip(measured["audit"], measured["list"], strict=True)
    return statistics.median(audited.cpu_seconds / listed.cpu_seconds for audited, listed in pairs)


def _judge(measured: Mapping[str, Sequence[Round]]) -> str | None:
    if (ratio := _ratio(measured)) > MOST_RATIO:
        return f"the audit took {ratio:.2f} times the listing's time; it may take {MOST_RATIO}"
    if (memory := max(one.peak_bytes for one in measured["audit"])) > MOST_BYTES:
        return f"the audit had {memory / 1e6:.0f} MB resident; it may have {MOST_BYTES / 1e6:.0f}"
    return None


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--organizations", type=int, default=5_000, help="1 or more, sharing the keys evenly")
    parser.add_argument("--keys", type=int, default=1_000_000, help=f"1 to {MAX_KEYS:,}")
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
