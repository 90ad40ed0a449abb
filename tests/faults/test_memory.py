"""A million keys pass through a client, and its memory stays as it was."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psutil

ORGANIZATION = UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")
PAGES = 10_000
PAGE_SIZE = 100
WARM_PAGES = 300
ALLOWED = 20 * 2**20


def render_pages() -> Iterator[bytes]:
    """Yield each page's reply; ids and page tokens never come again."""
    row = (
        '{"id":"%08x-0000-4000-8000-%012x","organizationId":"'
        + str(ORGANIZATION)
        + '","name":"billing-prod",'
        '"suffix":"AbCdEf","createdAt":"2026-01-02T03:04:05Z","description":"deploys","lastUsedAt":null}'
    )
    for page in range(PAGES):
        rows = ",".join(row % (number, page) for number in range(PAGE_SIZE))
        token = f',"nextPageToken":"page-{page + 1}"' if page + 1 < PAGES else ""
        body = f'{{"results":[{rows}]{token}}}'.encode()
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def serve(port: int) -> None:
    """Answer one connection's requests with one page after the other."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        connection, _ = listener.accept()
        with connection:
            for page in render_pages():
                connection.recv(65_536)
                connection.sendall(page)


def read_resident() -> int:
    return psutil.Process().memory_info().rss


async def stream(port: int) -> None:
    """Go through all keys, and print how many came and by how many bytes memory grew at the most."""
    from accesskeys_async import AccessKeysClient

    async with AccessKeysClient("a-token-of-a-key", base_url=f"http://127.0.0.1:{port}") as client:
        listing = client.list(ORGANIZATION)
        keys = pages = highest = before = 0
        async for page in listing.pages():
            keys += len(page)
            pages += 1
            if pages == WARM_PAGES:
                before = highest = read_resident()
            elif pages > WARM_PAGES and not pages % 20:
                highest = max(highest, read_resident())
        print(keys, listing.duplicates, highest - before)  # noqa: T201 - the test reads it


def test_a_million_keys_grow_memory_by_less_than_20_megabytes(unused_tcp_port: int) -> None:
    run = [sys.executable, str(Path(__file__))]
    environment = {**os.environ, "COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
    with subprocess.Popen([*run, "serve", str(unused_tcp_port)], env=environment) as server:
        try:
            done = subprocess.run(
                [*run, "stream", str(unused_tcp_port)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr
    keys, duplicates, growth = map(int, done.stdout.split())
    assert keys == PAGES * PAGE_SIZE
    assert duplicates == 0
    assert growth < ALLOWED


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        asyncio.run(stream(int(sys.argv[2])))
