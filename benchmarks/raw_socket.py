"""HTTP over bare connections, with nothing that could be left out: no client can be much faster than this."""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["Connections"]

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"Content-Length: "


class _Connection(asyncio.Protocol):
    """One request at a time, whose answer has a Content-Length."""

    def __init__(self) -> None:
        self._received = b""
        self._whole = -1
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        self._received, self._whole = b"", -1
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        if self._whole < 0:
            end = received.find(_END)
            if end < 0:
                return
            start = received.index(_LENGTH) + len(_LENGTH)
            self._whole = end + len(_END) + int(received[start : received.index(b"\r\n", start)])
            self._start = end + len(_END)
        if len(received) >= self._whole and self._answer is not None and not self._answer.done():
            self._answer.set_result(received[self._start :])

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed by the server"))


class Connections:
    """Connections to one server, the latest used first."""

    def __init__(self, host: str, port: int, *, token: str) -> None:
        self._host = host
        self._port = port
        self._rest = f" HTTP/1.1\r\nHost: {host}\r\nAuthorization: AccessKey {token}\r\n\r\n".encode()
        self._idle: list[_Connection] = []

    async def get(self, path: str) -> bytes:
        """Return the body of the answer, whatever its status."""
        if self._idle:
            connection = self._idle.pop()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(_Connection, self._host, self._port)
        body = await connection.ask(b"GET " + path.encode() + self._rest)
        self._idle.append(connection)
        return body

    def close(self) -> None:
        """Close those that are idle, which all are when nothing is asked."""
        for connection in self._idle:
            connection.transport.close()
        self._idle.clear()
