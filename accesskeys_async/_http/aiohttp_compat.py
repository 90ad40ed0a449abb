"""The requests of our own aiohttp sessions, and the connections that requests of ours go over."""

from __future__ import annotations

import select
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import LooseHeaders
from multidict import CIMultiDict
from yarl import URL

from accesskeys_async._http.failures import (
    MalformedResponseError,
    StaleConnectionError,
    stop_resending,
)

needs_fresh_connection: Final[ContextVar[bool]] = ContextVar("needs_fresh_connection", default=False)
"""Whether the request that this task sends must not go over a connection that was kept."""

_NEEDED: Final[dict[type, tuple[str, ...]]] = {
    ResponseHandler: ("abort", "data_received", "set_exception", "should_close"),
    Connection: ("protocol",),
    aiohttp.ClientRequest: ("send",),
}
"""What aiohttp must have for connections to be watched. It documents none of it."""
_FIELDS: Final = ("_buffer", "_payload", "_waiter")
"""What each of its connections must have besides."""


def can_watch(needed: Mapping[type, Iterable[str]]) -> bool:
    """Tell whether classes have what is needed of them; connections go unwatched if not."""
    return all(hasattr(kind, name) for kind, names in needed.items() for name in names)


_CAN_WATCH: Final = can_watch(_NEEDED)
_LOST: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


_receive: Final = ResponseHandler.data_received


class WatchedConnection(ResponseHandler):
    """A connection of aiohttp's, which also knows whether a response is awaited, and whether it was kept.

    aiohttp creates a `ResponseHandler`, whose class is changed to this one before a request goes over it. So
    all fields have their defaults here.
    """

    _is_ours = False
    """Whether the latest request over it was one of ours."""
    _is_kept = False
    """Whether that was not the first."""
    _has_begun = False
    """Whether a byte of the response has come."""
    _poll: Callable[[int], list[tuple[int, int]]] = staticmethod(lambda _: [])
    """Gives what the system knows of the socket, and the event loop perhaps not yet."""

    def begin(self) -> None:
        """Expect a response to a request of ours. Raises StaleConnectionError if it can't be used.

        That is so if it was closed meanwhile, or bytes came that nobody requested: those that the event loop
        has seen have closed it.
        """
        if self._has_begun:
            if needs_fresh_connection.get() or self._poll(0):
                raise StaleConnectionError("the connection was closed while it was kept", sent=False)
            self._is_kept = True
            self._has_begun = False
        self._is_ours = True

    def data_received(self, data: bytes) -> None:
        """Close the connection if nobody expects the data."""
        if not self._has_begun:
            self._has_begun = True
        elif data and self._is_ours and self._is_done():
            self.abort()
            return
        _receive(self, data)

    def _is_done(self) -> bool:
        body: aiohttp.StreamReader | None = self._payload
        has_reader = self._waiter is not None or bool(self._buffer)
        return not has_reader and (body is None or body.is_eof())

    # aiohttp passes the cause by position; what it is by default is private.
    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Tell the reader of a body, too; and tell a dead kept connection from a failing service."""
        if self._is_ours and self._is_kept and not self._has_begun and isinstance(exc, _LOST):
            super().set_exception(StaleConnectionError.of(exc))
            return
        super().set_exception(exc, *cause)
        body: aiohttp.StreamReader | None = self._payload
        if body is None or body.is_eof() or body.exception() is not None:
            return
        if isinstance(exc, HttpProcessingError):
            body.set_exception(MalformedResponseError(exc.message))

    def watch(self) -> None:
        """Take over a connection that aiohttp has made."""
        assert self.transport is not None
        self.transport.set_protocol(self)  # uvloop keeps the methods of the class before
        sock = self.transport.get_extra_info("socket")
        if sock is not None and hasattr(select, "poll"):
            poller = select.poll()
            poller.register(sock.fileno(), select.POLLIN)
            self._poll = poller.poll


class _LentConnection(WatchedConnection):
    """One of a borrowed session, whose owner's requests go over it, too."""

    def begin(self) -> None:
        """Expect a response to a request of ours, unless it holds what the owner has not read."""
        if self._has_begun and self.should_close:
            raise StaleConnectionError("the connection was closed while it was kept", sent=False)
        super().begin()

    def set_response_params(self, **params: Any) -> None:
        """Serve whoever sends."""
        self._is_ours = False
        super().set_response_params(**params)


def check_before_sending(
    connection: Connection, *, kind: type[WatchedConnection] = WatchedConnection
) -> None:
    """Watch the connection that a request is about to be written to.

    Raises StaleConnectionError, and nothing was sent, if it was kept and is dead.
    """
    protocol = connection.protocol if _CAN_WATCH else None
    if not isinstance(protocol, WatchedConnection):
        if type(protocol) is not ResponseHandler or protocol.transport is None:
            return  # somebody's own, of which nothing is known, or lost already
        if not all(hasattr(protocol, name) for name in _FIELDS):
            return
        protocol.__class__ = kind
        assert isinstance(protocol, WatchedConnection)
        protocol.watch()
    protocol.begin()


async def watch_borrowed(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Watch the connection of a request that goes through a borrowed session, and send it once."""
    if _CAN_WATCH:
        send = request.send

        def check_and_send(connection: Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
            check_before_sending(connection, kind=_LentConnection)
            return send(connection)

        setattr(request, "send", check_and_send)  # noqa: B010 - a borrowed session has no other way in
    return await stop_resending(request, handler)


class PreparedHeadersRequest(aiohttp.ClientRequest):
    """Takes its headers as the session has merged them, where aiohttp copies them one by one."""

    def update_host(self, url: URL) -> None:
        """Do nothing: a base URL was seen to have a host, and no user."""

    def update_headers(self, headers: LooseHeaders | None) -> None:
        """Keep the headers, of which Host is one. They are this request's alone."""
        assert isinstance(headers, CIMultiDict)
        self.headers = headers

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add none: the session's own have them all."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send it, unless the connection is found dead."""
        check_before_sending(conn)
        return await super().send(conn)
