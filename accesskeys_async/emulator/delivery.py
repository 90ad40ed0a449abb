"""How a reply goes out: whole, or as badly as a fault has it."""

from __future__ import annotations

import asyncio
import http
import socket
import struct
from collections.abc import Mapping

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from .faults import Fault
from .replies import Reply

_RESET = struct.pack("ii", 1, 0)  # linger for 0 seconds: close() then sends RST instead of FIN


def deliver(reply: Reply | None, fault: Fault | None, headers: Mapping[str, str]) -> web.StreamResponse:
    """Return what sends a reply under a fault; without a reply, the connection is reset."""
    if reply is None:
        return _Cut(b"", reset=True)
    sent = dict(headers)
    if reply.body:
        sent["Content-Type"] = "application/json"
    sent.update(reply.headers)
    match fault.kind if fault else None:
        case "reset_after":
            return _Cut(b"", reset=True)
        case "cut_headers":
            return _Cut(_head(reply, sent)[: len(_head(reply, sent)) // 2])
        case "cut_body":
            head = _head(reply, sent)
            return _Cut(head + reply.body[: len(reply.body) // 2] if reply.body else head[: len(head) // 2])
        case "malformed_json":
            half = reply.body[: len(reply.body) // 2] or b'{"id":'
            status = 200 if reply.status == http.HTTPStatus.NO_CONTENT else reply.status
            sent.setdefault("Content-Type", "application/json")
            return web.Response(status=status, body=half, headers=sent)
        case "drip" if fault is not None:
            return _Drip(reply, sent, seconds=fault.seconds, chunk=fault.chunk)
        case _:
            return web.Response(status=reply.status, body=reply.body or None, headers=sent)


def is_cut(response: web.StreamResponse) -> bool:
    """Tell whether a response ends before it is whole."""
    return isinstance(response, _Cut)


class _Cut(web.StreamResponse):
    """Send some bytes and end the connection.

    aiohttp takes a ConnectionError from `prepare` as a client that went away, and lets the connection be.
    """

    def __init__(self, wire: bytes, *, reset: bool = False) -> None:
        super().__init__()
        self._wire = wire
        self._reset = reset

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write what there is and raise."""
        transport = request.transport
        if transport is not None and not transport.is_closing():
            transport.write(self._wire)
            if self._reset:
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                transport.abort()
            else:
                transport.close()
        raise ConnectionResetError("a scripted fault cut this reply")


class _Drip(web.StreamResponse):
    """Send a body bit by bit."""

    def __init__(self, reply: Reply, headers: Mapping[str, str], *, seconds: float, chunk: int) -> None:
        super().__init__(status=reply.status, headers={**headers, "Content-Length": str(len(reply.body))})
        self._bits = [reply.body[start : start + chunk] for start in range(0, len(reply.body), chunk)]
        self._seconds = seconds

    async def write_eof(self, data: bytes = b"") -> None:
        """Write every bit, with a wait after each."""
        for bit in self._bits:
            await self.write(bit)
            await asyncio.sleep(self._seconds)
        await super().write_eof(data)


def _head(reply: Reply, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {http.HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(reply.body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1")
