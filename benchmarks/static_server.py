"""A listing served from bytes made beforehand, so cheaply that whoever reads it is what is measured.

It answers any GET with the page that `pageToken` names, and knows nothing else of HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import orjson
from attrs import frozen

ORGANIZATION_ID: Final = UUID(int=0x0C0FFEE00000400080000000000000AA)
TOKEN: Final = "benchmark-token-that-opens-nothing-1a2B3c"
PROJECT: Final = Path(__file__).parents[1]
"""Where `python -m benchmarks` finds itself."""
PAGE_SIZE: Final = 100
MAX_KEYS: Final = 1_000_000

_PAGE_TOKEN: Final = re.compile(rb"[?&]pageToken=p([0-9]+)")
_NEWEST: Final = datetime(2026, 11, 1, 12, 30, 45, 123_000, tzinfo=UTC)


@frozen
class Target:
    """Where a listing is, and how many keys it has."""

    base_url: str
    keys: int
    organization_id: UUID = ORGANIZATION_ID
    token: str = TOKEN


@contextlib.contextmanager
def serve(keys: int) -> Generator[Target]:
    """Serve a listing of so many keys from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.static_server", "--keys", str(keys)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            port = server.stdout.readline().strip()
            if not port:
                raise RuntimeError("the static server did not start; run it alone to see why")
            yield Target(f"http://127.0.0.1:{port}", keys)
        finally:
            # The end of its stdin is what it waits for, so that it never outlives us.
            server.stdin.close()


def render_pages(keys: int, *, page_size: int = PAGE_SIZE) -> list[bytes]:
    """Render a listing as whole HTTP answers."""
    starts = range(0, keys, page_size) or (0,)
    return [_answer(start, min(start + page_size, keys), total=keys) for start in starts]


def _answer(start: int, stop: int, *, total: int) -> bytes:
    page: dict[str, object] = {"results": [_record(number) for number in range(start, stop)]}
    if stop < total:
        page["nextPageToken"] = f"p{stop}"
    body = orjson.dumps(page)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _record(number: int) -> dict[str, object]:
    created = _NEWEST - timedelta(minutes=7 * number)
    return {
        "id": UUID(int=0xBE0C4 << 108 | 4 << 76 | 8 << 60 | number),
        "organizationId": ORGANIZATION_ID,
        "name": f"billing-worker-prod-eu-{number:06d}",
        "type": "service",
        "description": f"Worker of billing in prod-eu, {number}",
        "suffix": f"{number % 1_000_000:06d}",
        "createdAt": created,
        "updatedAt": created + timedelta(days=2),
        "lastUsedAt": created + timedelta(days=3),
    }


class _Connection(asyncio.Protocol):
    """Answer each request of one connection as soon as its head is whole."""

    def __init__(self, pages: Sequence[bytes]) -> None:
        self._pages = pages
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            named = _PAGE_TOKEN.search(head)
            self._transport.write(self._pages[int(named[1]) // PAGE_SIZE if named else 0])


async def _run(keys: int) -> None:
    pages = render_pages(keys)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(pages), "127.0.0.1", 0)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until stdin ends; the port is the one line on stdout."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.static_server", description=__doc__)
    parser.add_argument("--keys", type=int, default=100_000, help=f"0 to {MAX_KEYS:,}")
    keys: int = parser.parse_args(arguments).keys
    if not 0 <= keys <= MAX_KEYS:
        parser.error(f"--keys is {keys}; it takes 0 to {MAX_KEYS:,}")
    asyncio.run(_run(keys))


if __name__ == "__main__":
    main()
