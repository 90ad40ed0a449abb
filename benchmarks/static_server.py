"""A listing served from bytes made beforehand, so cheaply that whoever reads it is what is measured.

It answers any GET with the page that `pageToken` names, or the key that its path names, and knows nothing
else of HTTP. With organizations it serves a fleet: each has its own pages, and the same number of keys.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import orjson
from attrs import frozen

from benchmarks import fleet
from benchmarks.roles import role_refs, roles

ORGANIZATION_ID: Final = UUID(int=0x0C0FFEE00000400080000000000000AA)
TOKEN: Final = "benchmark-token-that-opens-nothing-1a2B3c"
PROJECT: Final = Path(__file__).parents[1]
"""Where `python -m benchmarks` finds itself."""
PAGE_SIZE: Final = 100
SINGLE_KEYS: Final = 100
"""How many of a listing's first keys are also served one by one."""
MAX_KEYS: Final = 1_000_000

_ORGANIZATION: Final = slice(len("GET /organizations/"), len("GET /organizations/") + 36)
_KEY: Final = slice(_ORGANIZATION.stop + len("/access-keys/"), _ORGANIZATION.stop + len("/access-keys/") + 36)
_PAGE_TOKEN: Final = re.compile(rb"[?&]pageToken=p([0-9]+)")
_NEWEST: Final = datetime(2026, 11, 1, 12, 30, 45, 123_000, tzinfo=UTC)


@frozen
class Target:
    """Where a listing is, and how many keys it has."""

    base_url: str
    keys: int
    organization_id: UUID = ORGANIZATION_ID
    token: str = TOKEN
    organizations: int = 0
    """How many share the keys; 0 for the one of `organization_id`."""


@contextlib.contextmanager
def serve(keys: int, *, organizations: int = 0) -> Generator[Target]:
    """Serve a listing of so many keys, or a fleet's, from a process of its own."""
    numbers = ("--keys", str(keys), "--organizations", str(organizations))
    command = [sys.executable, "-m", "benchmarks.static_server", *numbers]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            port = server.stdout.readline().strip()
            if not port:
                raise RuntimeError("the static server did not start; run it alone to see why")
            yield Target(f"http://127.0.0.1:{port}", keys, organizations=organizations)
        finally:
            # The end of its stdin is what it waits for, so that it never outlives us.
            server.stdin.close()


def render_pages(keys: int, *, page_size: int = PAGE_SIZE) -> list[bytes]:
    """Render a listing as whole HTTP answers."""
    return _render([_record(number) for number in range(keys)], page_size)


def render_fleet(keys: int, organizations: int) -> dict[bytes, list[bytes]]:
    """Render the listings of organizations that share the keys evenly, by their ids as text."""
    share = keys // organizations
    return {
        str(organization_id).encode(): _render(list(fleet.records(organization_id, number, share)), PAGE_SIZE)
        for number, organization_id in enumerate(fleet.organization_ids(organizations))
    }


def render_keys(keys: int) -> dict[bytes, bytes]:
    """Render a listing's first keys as whole HTTP answers, by their ids as text."""
    numbers = range(min(keys, SINGLE_KEYS))
    return {str(key_id(number)).encode(): _frame(orjson.dumps(_single(number))) for number in numbers}


def _render(records: Sequence[fleet.Record], page_size: int) -> list[bytes]:
    starts = range(0, len(records), page_size) or (0,)
    return [_answer(records, start, min(start + page_size, len(records))) for start in starts]


def _answer(records: Sequence[fleet.Record], start: int, stop: int) -> bytes:
    page: dict[str, object] = {"results": records[start:stop]}
    if stop < len(records):
        page["nextPageToken"] = f"p{stop}"
    return _frame(orjson.dumps(page))


def _frame(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def key_id(number: int) -> UUID:
    """Return the id of a listing's key."""
    return UUID(int=0xBE0C4 << 108 | 4 << 76 | 8 << 60 | number)


def _record(number: int) -> fleet.Record:
    created = _NEWEST - timedelta(minutes=7 * number)
    return {
        "id": key_id(number),
        "organizationId": ORGANIZATION_ID,
        "name": f"billing-worker-prod-eu-{number:06d}",
        "type": "user",
        "description": f"Worker of billing in prod-eu, {number}",
        "suffix": f"{number % 1_000_000:06d}",
        "createdAt": created,
        "updatedAt": created + timedelta(days=2),
        "lastUsedAt": created + timedelta(days=3),
        "roleRefs": role_refs(number),
    }


def _single(number: int) -> fleet.Record:
    """Return a key as it is read alone: with whole roles in place of the references."""
    record = _record(number)
    del record["roleRefs"]
    return {**record, "roles": roles(number)}


class _Connection(asyncio.Protocol):
    """Answer each request of one connection as soon as its head is whole."""

    def __init__(self, pages: Mapping[bytes, Sequence[bytes]], keys: Mapping[bytes, bytes]) -> None:
        self._pages = pages
        self._keys = keys
        self._any = next(iter(pages.values()))
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            if key := self._keys.get(head[_KEY]):
                self._transport.write(key)
                continue
            pages = self._pages.get(head[_ORGANIZATION], self._any)
            named = _PAGE_TOKEN.search(head)
            self._transport.write(pages[int(named[1]) // PAGE_SIZE if named else 0])


async def _run(pages: Mapping[bytes, Sequence[bytes]], single: Mapping[bytes, bytes]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(pages, single), "127.0.0.1", 0)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until stdin ends; the port is the one line on stdout."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.static_server", description=__doc__)
    parser.add_argument("--keys", type=int, default=100_000, help=f"0 to {MAX_KEYS:,}")
    parser.add_argument("--organizations", type=int, default=0, help="that share the keys; 0 for any one")
    options = parser.parse_args(arguments)
    keys, organizations = options.keys, options.organizations
    if not 0 <= keys <= MAX_KEYS:
        parser.error(f"--keys is {keys}; it takes 0 to {MAX_KEYS:,}")
    if organizations < 0 or (organizations and keys % organizations):
        parser.error(
            f"--organizations is {organizations}; it takes what {keys:,} keys can be shared by, or 0"
        )
    if organizations:
        asyncio.run(_run(render_fleet(keys, organizations), {}))
    else:
        asyncio.run(_run({b"": render_pages(keys)}, render_keys(keys)))


if __name__ == "__main__":
    main()
