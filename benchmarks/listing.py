"""Stream a listing: keys a second of this library, beside bare aiohttp that stops at dicts.

A static server in another process gives out the pages. Every contestant reads all of them, in a process of
its own, and touches each key. `python -m benchmarks.listing [--keys 100000] [--rounds 5]`
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import aiohttp
import orjson
from attrs import evolve, frozen

from accesskeys_async import AccessKeysClient
from benchmarks.measurement import measure, report, run_rounds, tabulate
from benchmarks.static_server import MAX_KEYS, PAGE_SIZE, Target, serve

__all__ = ["CONTESTANTS", "YARDSTICK", "Contestant", "main"]

WARM_UP_KEYS: Final = 1_000


@frozen
class Contestant:
    """One way to read a whole listing."""

    title: str
    stream: Callable[[Target], Awaitable[int]]
    """Read `target.keys` keys, and return how many came."""


async def stream_records(target: Target, *, prefetch: int) -> int:
    """Read the listing as records."""
    count = 0
    async with AccessKeysClient(target.token, base_url=target.base_url) as client:
        async for key in client.list(target.organization_id, limit=PAGE_SIZE, prefetch=prefetch):
            if key.name:
                count += 1
            if count == target.keys:
                break
    return count


async def stream_dicts(target: Target) -> int:
    """Read the listing as bare aiohttp and orjson give it: no records, no retries, no checks."""
    url = f"{target.base_url}/organizations/{target.organization_id}/access-keys"
    headers = {"Authorization": f"AccessKey {target.token}"}
    parameters = {"limit": str(PAGE_SIZE)}
    count = 0
    async with aiohttp.ClientSession(headers=headers) as session:
        while True:
            async with session.get(url, params=parameters) as reply:
                page = orjson.loads(await reply.read())
            for key in page["results"]:
                if key["name"]:
                    count += 1
                if count == target.keys:
                    return count
            if not page.get("nextPageToken"):
                return count
            parameters["pageToken"] = page["nextPageToken"]


YARDSTICK: Final = "bare"
CONTESTANTS: Final[Mapping[str, Contestant]] = {
    "client": Contestant("`accesskeys_async`, to records", functools.partial(stream_records, prefetch=1)),
    "sequential": Contestant(
        "`accesskeys_async`, `prefetch=0`", functools.partial(stream_records, prefetch=0)
    ),
    YARDSTICK: Contestant("bare aiohttp with orjson, to dicts", stream_dicts),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table of every contestant's medians."""
    options = _read_options(arguments)
    if options.contestant is not None:
        print(_enter(CONTESTANTS[options.contestant], Target(options.base_url, options.keys)))
        return
    with serve(options.keys) as target:
        commands = {contestant.title: _command(name, target) for name, contestant in CONTESTANTS.items()}
        measured = run_rounds(commands, rounds=options.rounds)
    print(f"{options.keys:,} keys, {PAGE_SIZE} a page, medians of {options.rounds} rounds in turn:\n")
    print(tabulate(measured, yardstick=CONTESTANTS[YARDSTICK].title))


def _enter(contestant: Contestant, target: Target) -> str:
    few = evolve(target, keys=min(target.keys, WARM_UP_KEYS))
    measured = measure(lambda: contestant.stream(few), lambda: contestant.stream(target))
    if measured.keys != target.keys:
        raise SystemExit(f"{contestant.title} read {measured.keys} keys of {target.keys}")
    return report(measured)


def _command(name: str, target: Target) -> Sequence[str]:
    where = ("--contestant", name, "--base-url", target.base_url, "--keys", str(target.keys))
    return ("benchmarks.listing", *where)


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listing", description=__doc__)
    parser.add_argument("--keys", type=int, default=100_000, help=f"1 to {MAX_KEYS:,}")
    parser.add_argument("--rounds", type=int, default=5, help="1 or more")
    parser.add_argument("--contestant", choices=CONTESTANTS, help="one round of this one, in this process")
    parser.add_argument("--base-url", help="with --contestant: a static server that runs already")
    options = parser.parse_args(arguments)
    if not 1 <= options.keys <= MAX_KEYS:
        parser.error(f"--keys is {options.keys}; it takes 1 to {MAX_KEYS:,}")
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; it takes 1 or more")
    if (options.contestant is None) is not (options.base_url is None):
        parser.error("--contestant and --base-url go together")
    return options


if __name__ == "__main__":
    main()
