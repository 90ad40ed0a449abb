"""A server in threads of its own, which goes on while the client's event loop is blocked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from attrs import define, field

BOUND = 10.0
"""Seconds after which anything that is waited for here has failed."""


@define
class Link:
    """One connection that a client opened."""

    sock: socket.socket
    number: int
    """0 for the first connection."""
    _heads: list[bytes]

    def read_request(self) -> bytes:
        """Return the head of the next request, its body read; empty if the client has closed."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.sock.recv(1)
            if not byte:
                return b""
            head += byte
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
                while length:
                    length -= len(self.sock.recv(length))
        self._heads.append(head)
        return head

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)


@define
class ThreadedServer:
    """Where it listens, and what came."""

    url: str
    heads: list[bytes] = field(factory=list)
    links: list[Link] = field(factory=list)
    closed: threading.Semaphore = field(factory=lambda: threading.Semaphore(0))
    """Released each time that a connection was closed here."""


@contextmanager
def serve_in_threads(behave: Callable[[Link], object]) -> Iterator[ThreadedServer]:
    """Run `behave` for each connection, in a thread, and close the connection when it returns."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        server = ThreadedServer(f"http://127.0.0.1:{listener.getsockname()[1]}")
        threads: list[threading.Thread] = []

        def run(link: Link) -> None:
            with suppress(OSError):
                behave(link)
            link.sock.close()
            server.closed.release()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    sock.settimeout(BOUND)
                    link = Link(sock, len(server.links), server.heads)
                    server.links.append(link)
                    threads.append(threading.Thread(target=run, args=(link,), daemon=True))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(BOUND)
            for link in server.links:
                with suppress(OSError):
                    link.sock.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(BOUND)
