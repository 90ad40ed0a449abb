"""A server that answers byte by byte as its script says, and what a hostile answer must end in."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Literal

from attrs import define, field, frozen

from accesskeys_async import AccessKeysError

TOKEN = "Q7wErTyUiOpAsDfGhJkLzXcVbNm1234567Zz"
ORGANIZATION = "0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01"
KEY_ID = "6a7b1f0e-0a51-4c1e-8f43-0f5d2a9c7e11"
RECORD = {
    "id": KEY_ID,
    "organizationId": ORGANIZATION,
    "name": "ci",
    "suffix": "4567Zz",
    "createdAt": "2026-01-02T03:04:05Z",
}
RESET = struct.pack("ii", 1, 0)


@frozen
class Scripted:
    """One reply as bytes: what is written, bit by bit, and what becomes of the connection then."""

    wire: bytes | Callable[[bytes], bytes] = b""
    """A callable is given the request's head, to echo it."""
    more: Callable[[], Iterable[bytes]] = tuple
    """What is written after it, perhaps without end."""
    pause: float = 0.0
    """Seconds between the bits of `more`."""
    then: Literal["keep", "close", "reset", "shut", "hold"] = "close"


def answer(status: str = "200 OK", body: bytes | object = RECORD, *headers: str) -> bytes:
    """Make a whole, right reply."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(text)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + text


@define
class RawServer:
    """A server that sends what its script says, byte by byte, and right answers when that is used up."""

    url: str = ""
    heads: list[bytes] = field(factory=list)
    """The head of each request that came, in order."""
    connections: int = 0
    script: deque[Scripted] = field(factory=deque)
    written: int = 0
    _tasks: set[asyncio.Task[Any]] = field(factory=set)

    @property
    def is_idle(self) -> bool:
        """Whether no connection is open."""
        return not self._tasks

    def play(self, *scripted: Scripted | bytes) -> None:
        """Add replies to the script; bytes alone keep the connection."""
        self.script.extend(
            part if isinstance(part, Scripted) else Scripted(part, then="keep") for part in scripted
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._answer_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await reader.readexactly(int(line.split(b":")[1]))
        self.heads.append(head)
        scripted = self.script.popleft() if self.script else Scripted(right_answer(head), then="keep")
        writer.write(scripted.wire if isinstance(scripted.wire, bytes) else scripted.wire(head))
        await writer.drain()
        for bit in scripted.more():
            writer.write(bit)
            self.written += len(bit)
            await writer.drain()
            await asyncio.sleep(scripted.pause)
        if scripted.then == "hold":
            await reader.read()
        elif scripted.then == "shut":
            writer.write_eof()
            await reader.read()
        elif scripted.then == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        return scripted.then == "keep"

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def right_answer(head: bytes) -> bytes:
    """Answer a request as the contract has it."""
    match head.split(b" ", 2)[:2]:
        case [b"DELETE", _]:
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        case [b"POST", _]:
            token = TOKEN[:18] + TOKEN[17::-1] + "4567Zz"
            return answer("201 Created", {"accessKey": RECORD, "token": token})
        case [b"GET", path] if path.partition(b"?")[0].endswith(b"/access-keys"):
            return answer(body={"results": [RECORD]})
        case _:
            return answer()


def walk_causes(error: BaseException) -> list[BaseException]:
    """List an error and all that it drags along."""
    chain: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        link = pending.pop()
        if link is not None and link not in chain:
            chain.append(link)
            pending += [link.__cause__, link.__context__, getattr(link, "last", None)]
    return chain


def assert_ours(error: BaseException) -> None:
    """Fail unless an error and all of its causes are ours, with nothing of aiohttp's in them."""
    for link in walk_causes(error):
        assert isinstance(link, AccessKeysError), f"{type(link)} hangs on to {error!r}"
        assert "\n" not in str(link)
        assert len(str(link)) < 600
        for value in vars(link).values():
            assert not type(value).__module__.startswith("aiohttp")
