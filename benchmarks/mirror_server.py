"""The listings of any number of organizations, forward and in reverse, each answer after a latency.

Every organization that is asked for has the same number of keys. Like the static server it knows nothing of
HTTP but where a request ends, so that whoever reads from it is what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from benchmarks.static_server import PAGE_SIZE, PROJECT

__all__ = ["MAX_KEYS", "main", "serve"]

MAX_KEYS: Final = 1_000_000
_REQUEST: Final = re.compile(rb"GET /organizations/([0-9a-f-]{36})/access-keys\?([^ ]*)")
_PAGE_TOKEN: Final = re.compile(rb"pageToken=p([0-9]+)")
_PLACEHOLDER: Final = b"00000000-0000-4000-8000-00000000000a"
_RECORD: Final = (
    '{{"id":"0be0c400-0000-4000-8000-{0:012x}","organizationId":"00000000-0000-4000-8000-00000000000a",'
    '"name":"billing-worker-prod-eu-{0:06d}","type":"service",'
    '"description":"Worker of billing in prod-eu, {0}",'
    '"suffix":"{1:06d}","createdAt":"2026-01-02T03:04:05.123Z","updatedAt":"2026-01-04T03:04:05.123Z",'
    '"lastUsedAt":"2026-01-05T03:04:05.123Z"}}'
)


@contextlib.contextmanager
def serve(*, keys: int, latency: float = 0.0) -> Iterator[str]:
    """Serve from a process of its own, and yield the base URL. `latency` is in seconds."""
    command = [sys.executable, "-m", "benchmarks.mirror_server"]
    command += ["--keys", str(keys), "--latency", str(latency)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            port = server.stdout.readline().strip()
            if not port:
                raise RuntimeError("the mirror server did not start; run it alone to see why")
            yield f"http://127.0.0.1:{port}"
        finally:
            # The end of its stdin is what it waits for, so that it never outlives us.
            server.stdin.close()


# Few enough to stay small, and enough for what many organizations ask for again and again.
@functools.lru_cache(maxsize=64)
def _render(start: int, *, keys: int, reverse: bool) -> bytes:
    """Render the page whose first key is the `start`th in its direction, as a whole HTTP answer."""
    stop = min(start + PAGE_SIZE, keys)
    numbers = range(keys - 1 - start, keys - 1 - stop, -1) if reverse else range(start, stop)
    records = ",".join(_RECORD.format(number, number % 1_000_000) for number in numbers)
    following = f',"nextPageToken":"p{stop}"' if stop < keys else ""
    body = f'{{"results":[{records}]{following}}}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


class _Delay:
    """Call back when a latency is over, and not up to a millisecond later, as the event loop's timers do.

    While anything is due it stays awake for it, which also saves whoever asks the time that waking takes.
    """

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self.now = time.monotonic
        self._due: deque[tuple[float, Callable[[], None]]] = deque()

    def call(self, write: Callable[[], None], *, since: float) -> None:
        if not self._latency:
            write()
            return
        self._due.append((since + self._latency, write))
        if len(self._due) == 1:
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        while self._due and self._due[0][0] <= self.now():
            self._due[0][1]()
            self._due.popleft()
        if self._due:
            asyncio.get_running_loop().call_soon(self._look)


class _Connection(asyncio.Protocol):
    """Answer each request of one connection, a latency after its head is whole."""

    def __init__(self, keys: int, delay: _Delay) -> None:
        self._keys = keys
        self._delay = delay
        self._received = b""
        self._answers: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            arrived = self._delay.now()
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._answers.append(self._answer(head))
            self._delay.call(self._write, since=arrived)

    def _answer(self, head: bytes) -> bytes:
        asked = _REQUEST.match(head)
        if asked is None:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        named = _PAGE_TOKEN.search(asked[2])
        start = int(named[1]) if named else 0
        page = _render(start, keys=self._keys, reverse=b"reverse=true" in asked[2])
        return page.replace(_PLACEHOLDER, asked[1])

    def _write(self) -> None:
        answer = self._answers.popleft()
        if not self._transport.is_closing():
            self._transport.write(answer)


async def _run(keys: int, latency: float) -> None:
    loop = asyncio.get_running_loop()
    delay = _Delay(latency)
    server = await loop.create_server(lambda: _Connection(keys, delay), "127.0.0.1", 0)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until stdin ends; the port is the one line on stdout."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mirror_server", description=__doc__)
    parser.add_argument("--keys", type=int, default=200, help=f"of each organization, 0 to {MAX_KEYS:,}")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds, 0 or more")
    options = parser.parse_args(arguments)
    if not 0 <= options.keys <= MAX_KEYS:
        parser.error(f"--keys is {options.keys}; it takes 0 to {MAX_KEYS:,}")
    if not options.latency >= 0:
        parser.error(f"--latency is {options.latency}; it takes 0 or more")
    asyncio.run(_run(options.keys, options.latency))


if __name__ == "__main__":
    main()
