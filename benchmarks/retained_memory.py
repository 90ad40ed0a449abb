"""Keep every key of a listing in memory, as one contestant represents it, and measure time and memory.

`python -m benchmarks.retained_memory --contestant NAME --base-url URL [--keys 100000]` is one round in a
process of its own. What was resident before, the pool and the imports, is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from resource import getpagesize
from typing import Final

import orjson
from attrs import evolve

from accesskeys_async import AccessKeysClient
from benchmarks.contestants import keys_path, open_session, page_query
from benchmarks.measurement import Round, report, time_after
from benchmarks.static_server import MAX_KEYS, Target

__all__ = ["CONTESTANTS", "main"]

WARM_UP_KEYS: Final = 1_000


async def keep_records(target: Target) -> list[object]:
    """Collect the listing with this library."""
    async with AccessKeysClient(target.token, base_url=target.base_url) as client:
        return [*await client.list(target.organization_id).collect(max_items=target.keys)]


async def keep_records_without_collector(target: Target) -> list[object]:
    """Collect the listing with this library, and without the garbage collector."""
    gc.disable()
    try:
        return await keep_records(target)
    finally:
        gc.enable()


async def keep_dicts(target: Target) -> list[object]:
    """Collect the listing as bare aiohttp and orjson give it."""
    kept: list[object] = []
    page_token: str | None = None
    async with open_session(target) as session:
        while True:
            url = target.base_url + keys_path(target)
            async with session.get(url, params=page_query(page_token)) as reply:
                page = orjson.loads(await reply.read())
            kept += page["results"]
            page_token = page.get("nextPageToken")
            if not page_token or len(kept) >= target.keys:
                return kept


CONTESTANTS: Final[Mapping[str, Callable[[Target], Awaitable[list[object]]]]] = {
    "client": keep_records,
    "no-collector": keep_records_without_collector,
    "bare": keep_dicts,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one round."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retained_memory", description=__doc__)
    parser.add_argument("--contestant", choices=CONTESTANTS, required=True)
    parser.add_argument("--base-url", required=True, help="of a static server that runs already")
    parser.add_argument("--keys", type=int, default=100_000, help=f"1 to {MAX_KEYS:,}")
    options = parser.parse_args(arguments)
    if not 1 <= options.keys <= MAX_KEYS:
        parser.error(f"--keys is {options.keys}; it takes 1 to {MAX_KEYS:,}")
    target = Target(options.base_url, options.keys)
    print(report(asyncio.run(_keep(CONTESTANTS[options.contestant], target))))


async def _keep(contestant: Callable[[Target], Awaitable[list[object]]], target: Target) -> Round:
    kept: list[object] = []

    async def warm_up() -> int:
        return len(await contestant(evolve(target, keys=min(target.keys, WARM_UP_KEYS))))

    async def keep() -> int:
        kept.extend(await contestant(target))
        return len(kept)

    before = 0

    async def settle() -> int:
        nonlocal before
        warmed = await warm_up()
        gc.collect()
        before = resident()
        return warmed

    measured = await time_after(settle, keep)
    gc.collect()
    return evolve(measured, grown_bytes=resident() - before)


def resident() -> int:
    """Return how many bytes of memory this process has resident."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * getpagesize()


if __name__ == "__main__":
    main()
