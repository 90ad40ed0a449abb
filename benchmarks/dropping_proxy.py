"""A proxy that loses requests and replies: the connection is reset before the request is passed on, or once
the reply has come."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncGenerator
from typing import Final

__all__ = ["DroppingProxy"]

_RESET: Final = struct.pack("ii", 1, 0)  # linger for 0 seconds: close() then sends RST instead of FIN
CHUNK: Final = 65_536


class DroppingProxy:
    """Pass HTTP on, and drop the connection at a share of the requests, half of them after their effect."""

    def __init__(self, port: int, *, share: float, seed: int) -> None:
        self._port = port
        self._share = share
        self._chance = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.dropped_before = 0
        """Requests that never reached the service."""
        self.dropped_after = 0
        """Requests that took effect, and whose reply was lost."""
        self.requests = 0

    @property
    def base_url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncGenerator[DroppingProxy]:
        """Listen until the block ends."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield self
        finally:
            self._server.close()
            for task in tuple(self._serving):
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)
            await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await self._pass_on(reader, writer, upstream_reader, upstream_writer)
        finally:
            for end in (writer, upstream_writer):
                end.close()
            for end in (writer, upstream_writer):
                with contextlib.suppress(ConnectionError):
                    await end.wait_closed()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream_reader: asyncio.StreamReader,
        upstream_writer: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while request := await _read_message(reader):
                self.requests += 1
                draw = self._chance.random()
                if draw < self._share / 2:
                    self.dropped_before += 1
                    _reset(writer)
                    break
                upstream_writer.write(request)
                reply = await _read_message(upstream_reader)
                if draw < self._share:
                    self.dropped_after += 1
                    _reset(writer)
                    break
                writer.write(reply)
                await writer.drain()


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    """Read one message with its body, which both sides frame by Content-Length; empty at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return head + await reader.readexactly(int(value))
    return head


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
