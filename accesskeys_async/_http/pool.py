"""Where connections come from: a pool for one event loop and one process, and the aiohttp sessions on it."""

from __future__ import annotations

import asyncio
import functools
import os
import platform
import ssl
import threading
import warnings
import weakref
from collections.abc import Mapping
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

import aiohttp
from yarl import URL

from accesskeys_async._http.aiohttp_compat import PreparedHeadersRequest
from accesskeys_async._http.deadlines import DeadlineTimer
from accesskeys_async._http.failures import stop_resending
from accesskeys_async._http.settings import Proxy
from accesskeys_async._version import __version__
from accesskeys_async.errors import ClientClosedError, ConfigurationError
from accesskeys_async.records import Token

USER_AGENT: Final = (
    f"accesskeys-async/{__version__} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"
)
COMMON_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": USER_AGENT,
}
"""What is the same in every request; small answers are not worth packing."""
ACCEPT_GZIP: Final = {"Accept-Encoding": "gzip, deflate"}
"""What a request says instead whose answer is worth packing."""


RETRY_SWITCH: Final = "_retry_connection"
"""What aiohttp calls its sending a request once more where a connection that was kept is found to be lost."""


_fork_count = 0
"""How often this process, or the one that it was forked from, has forked."""


def _note_fork() -> None:
    global _fork_count
    _fork_count += 1


if hasattr(os, "register_at_fork"):
    # To compare a number costs next to nothing; to ask the system for the process is a call of it.
    os.register_at_fork(after_in_child=_note_fork)


class SessionPair:
    """Two aiohttp sessions of one token and one service, on the connections of a pool.

    What is the same in all requests, the token included, lies in the session: aiohttp copies that as a whole,
    where it goes through the headers of a request one by one.
    """

    __slots__ = ("__weakref__", "gzip", "identity")

    identity: aiohttp.ClientSession
    gzip: aiohttp.ClientSession
    """For answers that are worth packing."""

    def __init__(
        self, connector: aiohttp.BaseConnector, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout
    ) -> None:
        self.identity = _open_session(connector, headers, timeout)
        self.gzip = _open_session(connector, {**headers, **ACCEPT_GZIP}, timeout)
        # Not __del__: in a cycle the collector may come to the sessions first, which then warn.
        weakref.finalize(self, _detach, self.identity, self.gzip).atexit = False


def _detach(*sessions: aiohttp.ClientSession) -> None:
    """Let go of the connections, which are the pool's and stay."""
    for session in sessions:
        session.detach()


def _open_session(
    connector: aiohttp.BaseConnector, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout
) -> aiohttp.ClientSession:
    open_session = functools.partial(
        aiohttp.ClientSession,
        connector=connector,
        connector_owner=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        timeout=timeout,
        request_class=PreparedHeadersRequest,
    )
    session = open_session()
    # aiohttp's own switch for what the middleware does, at no cost; a release without it gets the middleware.
    if hasattr(session, RETRY_SWITCH):
        setattr(session, RETRY_SWITCH, False)
        return session
    session.detach()
    return open_session(middlewares=(stop_resending,))


_Key: TypeAlias = "tuple[str, Token | None, float | None]"

LARGE_BLOCK: Final = 4 * 2**20


def keep_receive_buffers() -> None:
    """Have glibc reuse the event loop's receive buffers of 256 KiB, instead of mapping each from the system.

    glibc maps blocks above a threshold, 128 KiB at first, and raises it itself when a larger block is freed.
    That block is never written to, so other allocators pay a few microseconds, once.
    """
    bytes(LARGE_BLOCK)


class Pool:
    """Hold connections, made when first needed, or a borrowed session, for one event loop and one process."""

    def __init__(
        self,
        *,
        borrowed: aiohttp.ClientSession | None,
        size: int,
        ssl_context: ssl.SSLContext | None,
        trust_env: bool,
        created_at: str,
        proxy: Proxy | None = None,
    ) -> None:
        self.closed = False
        self.created_at = created_at
        self.borrowed = borrowed
        self.ssl_context = ssl_context
        self.trust_env = trust_env
        self.proxy = proxy
        """Given by the caller; the environment's is not asked for then."""
        self._size = size
        self._connector: aiohttp.BaseConnector | None = None
        self._sessions: WeakValueDictionary[_Key, SessionPair] = WeakValueDictionary()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.timer: DeadlineTimer | None = None
        """Of the pool's loop; None before the first call, and after `close`."""
        self._thread = 0
        self._process = os.getpid()
        self._created_at_fork = _fork_count
        if borrowed is not None and borrowed.auth is not None:
            raise ConfigurationError(
                "the session given has auth of its own; give one without, the token goes there"
            )

    def check_usable(self) -> DeadlineTimer:
        """Return the timer of the pool's loop. Raises ClientClosedError where it can't be used from here."""
        timer = self.timer
        # The running loop would tell as well; to ask for it asks the system for the process each time.
        if (
            timer is None
            or self._thread != threading.get_ident()
            or self._created_at_fork != _fork_count
            or asyncio.current_task(self._loop) is None
        ):
            timer = self._open(asyncio.get_running_loop())
        if self.borrowed is not None and self.borrowed.closed:
            raise ClientClosedError("the session given was closed; give an open one")
        return timer

    def _open(self, loop: asyncio.AbstractEventLoop) -> DeadlineTimer:
        if self.closed:
            raise self._closed_error()
        if self._loop is None and self.borrowed is None:
            # There is nothing yet that a process could not use.
            self._process, self._created_at_fork = os.getpid(), _fork_count
        if self._is_forked():
            raise ClientClosedError(
                f"the client made at {self.created_at} belongs to process {self._process}; "
                "make one after a fork"
            )
        if self._loop is not None and loop is not self._loop:
            raise ClientClosedError(
                f"the client made at {self.created_at} belongs to another event loop; make one in each loop"
            )
        self._loop, self._thread = loop, threading.get_ident()
        if self.timer is None:
            self.timer = DeadlineTimer(loop)
            keep_receive_buffers()
        return self.timer

    def _closed_error(self) -> ClientClosedError:
        return ClientClosedError(f"the client made at {self.created_at} is closed; make a new one")

    def _is_forked(self) -> bool:
        return self._created_at_fork != _fork_count

    def sessions_for(self, base_url: URL, token: Token | None, timeout: aiohttp.ClientTimeout) -> SessionPair:
        """Return the sessions for a token at a service; None: the token comes with each request.

        Those who ask for the same share them, and when the last lets go, they are gone.
        """
        if self.closed:  # while a token was waited for
            raise self._closed_error()
        host = base_url.host_port_subcomponent or ""
        key = host, token, timeout.connect
        sessions = self._sessions.get(key)
        if sessions is None:
            if self._connector is None:
                self._connector = aiohttp.TCPConnector(limit=self._size, ssl=self.ssl_context or True)
            secret = {} if token is None else {"Authorization": f"AccessKey {token.reveal()}"}
            sessions = SessionPair(self._connector, {"Host": host, **COMMON_HEADERS, **secret}, timeout)
            self._sessions[key] = sessions
        return sessions

    async def close(self) -> None:
        """Close what is ours; a borrowed session stays as it is. Twice is fine."""
        self.closed = True
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.close()
        connector, self._connector = self._connector, None
        if connector is not None and not self._is_forked():
            await connector.close()

    def __del__(self) -> None:
        # Whether the connector is closed says nothing: the collector may have come to it first.
        if getattr(self, "_connector", None) is not None and not self._is_forked():
            warnings.warn(
                f"the client made at {self.created_at} was never closed; use `async with` or `aclose()`",
                ResourceWarning,
                source=self,
                stacklevel=1,
            )
