"""A million keys pass through a scan and through the listings of a thousand organizations."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from accesskeys_async import AccessKeysClient
from benchmarks.mirror_server import serve

KEYS = 1_000_000
ORGANIZATIONS = [UUID(int=number << 80 | 0x4000_8000_0000_0000_0000) for number in range(1, 1001)]
EVERY = 50
"""Memory is looked at after so many pages."""

MEGABYTE = 2**20


async def scan(client: AccessKeysClient) -> AsyncIterator[int]:
    async for page in client.scan(ORGANIZATIONS[0]).pages():
        yield len(page)


async def list_in_loop(client: AccessKeysClient) -> AsyncIterator[int]:
    async for _, listing in client.list_many(ORGANIZATIONS[:250]):
        async for page in listing.pages():
            yield len(page)


async def list_by_page(client: AccessKeysClient) -> AsyncIterator[int]:
    async for outcome in client.list_many(ORGANIZATIONS).pages():
        yield len(outcome.unwrap())


WAYS = {"scan": scan, "list_in_loop": list_in_loop, "list_by_page": list_by_page}


async def measure(way: str, base_url: str) -> dict[str, int]:
    """Count the keys, and by how many bytes memory has grown at the most."""
    process = psutil.Process()
    async with AccessKeysClient("a-token-of-a-key", base_url=base_url) as client:
        await client.list(ORGANIZATIONS[0]).collect(max_items=1000)
        before = highest = process.memory_info().rss
        keys = pages = 0
        async for size in WAYS[way](client):
            keys += size
            pages += 1
            if not pages % EVERY:
                highest = max(highest, process.memory_info().rss)
    return {"keys": keys, "growth": highest - before}


@pytest.mark.parametrize(
    ("way", "each", "keys", "allowed"),
    [("scan", KEYS, KEYS, 120), ("list_in_loop", 1000, KEYS // 4, 40), ("list_by_page", 1000, KEYS, 40)],
)
def test_so_many_keys_grow_memory_by_less_than_is_allowed(
    way: str, each: int, keys: int, allowed: int
) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
    environment["PYTHONPATH"] = str(root)
    with serve(keys=each) as base_url:
        done = subprocess.run(
            [sys.executable, str(Path(__file__)), way, base_url],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["keys"] == keys
    assert measured["growth"] < allowed * MEGABYTE


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(*sys.argv[1:]))))  # noqa: T201 - the test reads it
