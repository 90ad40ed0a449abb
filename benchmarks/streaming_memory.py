"""Stream a million keys, keep none, and measure how far the memory of the process grows.

`python -m benchmarks.streaming_memory --contestant NAME --base-url URL --keys 1000000` is one round in a
process of its own, against a mirror server whose organizations have that many keys. For `list_many` they have
200 each.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from attrs import evolve

from accesskeys_async import AccessKeysClient
from benchmarks.latency import name_organizations
from benchmarks.measurement import Round, highest, report, time_after
from benchmarks.mirror_server import MAX_KEYS
from benchmarks.retained_memory import resident
from benchmarks.static_server import TOKEN

__all__ = ["CONTESTANTS", "SHARE", "main"]

SHARE: Final = 200
"""Keys of each organization, where there are many."""
WARM_UP_PAGES: Final = 20


async def list_one(client: AccessKeysClient, organizations: Sequence[UUID]) -> int:
    """Read the first organization from one end."""
    return sum([len(page) async for page in client.list(organizations[0]).pages()])


async def scan_one(client: AccessKeysClient, organizations: Sequence[UUID]) -> int:
    """Read the first organization from both ends."""
    return sum([len(page) async for page in client.scan(organizations[0]).pages()])


async def list_many(client: AccessKeysClient, organizations: Sequence[UUID]) -> int:
    """Read all organizations."""
    return sum([len(outcome.unwrap()) async for outcome in client.list_many(organizations).pages()])


CONTESTANTS: Final[Mapping[str, Callable[[AccessKeysClient, Sequence[UUID]], Awaitable[int]]]] = {
    "list": list_one,
    "scan": scan_one,
    "list_many": list_many,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one round."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming_memory", description=__doc__)
    parser.add_argument("--contestant", choices=CONTESTANTS, required=True)
    parser.add_argument("--base-url", required=True, help="of a mirror server that runs already")
    parser.add_argument("--keys", type=int, default=MAX_KEYS, help=f"{SHARE} to {MAX_KEYS:,}")
    options = parser.parse_args(arguments)
    if not SHARE <= options.keys <= MAX_KEYS:
        parser.error(f"--keys is {options.keys}; it takes {SHARE} to {MAX_KEYS:,}")
    measured = asyncio.run(_pass(CONTESTANTS[options.contestant], options.base_url, options.keys))
    print(report(measured))


async def _pass(
    contestant: Callable[[AccessKeysClient, Sequence[UUID]], Awaitable[int]], base_url: str, keys: int
) -> Round:
    before = 0
    organizations = name_organizations(keys // SHARE)
    async with AccessKeysClient(TOKEN, base_url=base_url) as client:

        async def warm_up() -> int:
            nonlocal before
            warmed = len(await client.list(organizations[0]).collect(max_items=WARM_UP_PAGES * 100))
            gc.collect()
            _forget_highest()
            before = resident()
            return warmed

        measured = await time_after(warm_up, lambda: contestant(client, organizations))
    return evolve(measured, grown_bytes=max(0, highest() - before))


def _forget_highest() -> None:
    """Let the highest mark, which is of a process's whole life, begin anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


if __name__ == "__main__":
    main()
