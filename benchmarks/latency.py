"""What latency costs: how near a listing, a scan and many listings at once come to what they can't beat.

A server in another process answers each request after 20 ms. Every contestant runs in a process of its own.
`python -m benchmarks.latency [--rounds 5]`
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from attrs import field, frozen

from accesskeys_async import AccessKeysClient
from benchmarks.measurement import Round, measure, report, run_rounds
from benchmarks.mirror_server import serve
from benchmarks.static_server import PAGE_SIZE, TOKEN

__all__ = ["CONTESTANTS", "Contestant", "compete", "main", "tabulate"]

LATENCY: Final = 0.02
"""Seconds to each answer."""
CONCURRENCY: Final = 64
"""Requests at once: the client's default."""


def name_organizations(count: int) -> list[UUID]:
    """Make so many ids."""
    return [UUID(int=number << 80 | 0x4000_8000_0000_0000_0000) for number in range(1, count + 1)]


async def list_one(client: AccessKeysClient, organizations: Sequence[UUID]) -> int:
    """Read the first organization from one end."""
    return sum([1 async for _ in client.list(organizations[0])])


async def scan_one(client: AccessKeysClient, organizations: Sequence[UUID]) -> int:
    """Read the first organization from both ends."""
    return sum([1 async for _ in client.scan(organizations[0])])


async def list_in_loop(client: AccessKeysClient, organizations: Sequence[UUID]) -> int:
    """Read one listing after the other, as they come."""
    return sum([1 async for _, listing in client.list_many(organizations) async for _ in listing])


async def list_by_page(client: AccessKeysClient, organizations: Sequence[UUID]) -> int:
    """Read all pages as they come."""
    return sum([len(outcome.unwrap()) async for outcome in client.list_many(organizations).pages()])


async def scan_by_page(client: AccessKeysClient, organizations: Sequence[UUID]) -> int:
    """Read all pages of scans as they come."""
    return sum([len(outcome.unwrap()) async for outcome in client.scan_many(organizations).pages()])


@frozen
class Contestant:
    """One way to read a number of organizations."""

    title: str
    read: Callable[[AccessKeysClient, Sequence[UUID]], Awaitable[int]]
    goal: float
    """The ratio of its time to the bound that is aimed at."""
    organizations: int = field(kw_only=True)
    keys: int = field(kw_only=True)
    """Of each organization."""

    @property
    def pages(self) -> int:
        """How many requests one way through them takes."""
        return self.organizations * -(-self.keys // PAGE_SIZE)

    def bound(self, measured: Round) -> float:
        """Return the seconds that latency alone costs; for many organizations, or the processor if more."""
        if self.organizations == 1:
            return self.pages * LATENCY
        return max(self.pages * LATENCY / CONCURRENCY, measured.cpu_seconds)


CONTESTANTS: Final[Mapping[str, Contestant]] = {
    "list": Contestant("`list`", list_one, 1.06, organizations=1, keys=5_000),
    "scan": Contestant("`scan`", scan_one, 0.56, organizations=1, keys=5_000),
    "loop": Contestant("`list_many`, in the loop", list_in_loop, 1.15, organizations=1_000, keys=200),
    "pages": Contestant("`list_many().pages()`", list_by_page, 1.15, organizations=1_000, keys=200),
    "scans": Contestant("`scan_many().pages()`", scan_by_page, 1.15, organizations=1_000, keys=200),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table of every contestant's medians."""
    options = _read_options(arguments)
    if options.contestant is not None:
        print(_enter(CONTESTANTS[options.contestant], options.base_url))
        return
    measured = compete(CONTESTANTS, rounds=options.rounds)
    print(f"{LATENCY * 1000:g} ms a reply, medians of {options.rounds} rounds in turn:\n")
    print(tabulate(measured))


def compete(names: Iterable[str], *, rounds: int) -> dict[str, list[Round]]:
    """Run rounds of the contestants of these names, against servers that are started for them."""
    measured: dict[str, list[Round]] = {}
    chosen = {name: CONTESTANTS[name] for name in names}
    for keys in {contestant.keys: None for contestant in chosen.values()}:
        with serve(keys=keys, latency=LATENCY) as base_url:
            commands = {
                name: ("benchmarks.latency", "--contestant", name, "--base-url", base_url)
                for name, contestant in chosen.items()
                if contestant.keys == keys
            }
            measured |= run_rounds(commands, rounds=rounds)
    return measured


def _enter(contestant: Contestant, base_url: str) -> str:
    organizations = name_organizations(contestant.organizations)
    client = AccessKeysClient(TOKEN, base_url=base_url, max_concurrency=CONCURRENCY)

    async def warm_up() -> int:
        return len(await client.list(organizations[0]).collect(max_items=1))

    async def read() -> int:
        async with client:
            return await contestant.read(client, organizations)

    measured = measure(warm_up, read)
    expected = contestant.organizations * contestant.keys
    if measured.keys != expected:
        raise SystemExit(f"{contestant.title} read {measured.keys} keys of {expected}")
    return report(measured)


def tabulate(measured: Mapping[str, Sequence[Round]]) -> str:
    """Draw a Markdown table of medians; the ratio is of the time taken to the bound."""
    lines = ["| | keys | seconds | CPU seconds | bound | ratio | goal |", "| --- |" + " ---: |" * 6]
    for name, rounds in measured.items():
        contestant = CONTESTANTS[name]
        seconds = statistics.median(one.seconds for one in rounds)
        cpu = statistics.median(one.cpu_seconds for one in rounds)
        bound = statistics.median(contestant.bound(one) for one in rounds)
        ratio = statistics.median(one.seconds / contestant.bound(one) for one in rounds)
        keys = f"{contestant.organizations:,} x {contestant.keys:,}"
        figures = f"{seconds:.3f} | {cpu:.3f} | {bound:.3f} | {ratio:.2f} | {contestant.goal:.2f}"
        lines.append(f"| {contestant.title} | {keys} | {figures} |")
    return "\n".join(lines)


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="1 or more")
    parser.add_argument("--contestant", choices=CONTESTANTS, help="one round of this one, in this process")
    parser.add_argument("--base-url", help="with --contestant: a mirror server that runs already")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; it takes 1 or more")
    if (options.contestant is None) is not (options.base_url is None):
        parser.error("--contestant and --base-url go together")
    return options


if __name__ == "__main__":
    main()
