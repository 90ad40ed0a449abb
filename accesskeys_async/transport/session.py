"""One attempt over aiohttp, and the only place where a token becomes text."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import ssl
import time
import warnings
from typing import Final, Literal, TypeAlias, TypedDict

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from accesskeys_async._version import __version__
from accesskeys_async.errors import (
    AccessKeysError,
    APIConnectionError,
    APIResponseError,
    APITimeoutError,
    ClientClosedError,
    ConfigurationError,
    ResponseTooLargeError,
)
from accesskeys_async.records import Token
from accesskeys_async.transport.alarms import Alarms
from accesskeys_async.transport.exchange import Request, Response
from accesskeys_async.transport.failures import classify, stop_resending
from accesskeys_async.transport.messages import OwnRequest, OwnResponse
from accesskeys_async.transport.settings import Timeout, TokenSource, find_proxy, read_token

__all__ = ["Pool", "Session"]

USER_AGENT: Final = (
    f"accesskeys-async/{__version__} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"
)
MASK: Final = "***"
COMMON_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": USER_AGENT,
}
"""What is the same in every request; small answers are not worth packing."""


class _Family:
    """Knows how often this process, or the one that it was forked from, has forked."""

    forks = 0


def _note_fork() -> None:
    _Family.forks += 1


if hasattr(os, "register_at_fork"):
    # To compare a number costs next to nothing; to ask the system for the process is a call of it.
    os.register_at_fork(after_in_child=_note_fork)


class Pool:
    """Hold one aiohttp session: made when first needed, or borrowed, for one event loop and one process."""

    def __init__(
        self,
        *,
        borrowed: aiohttp.ClientSession | None,
        size: int,
        ssl_context: ssl.SSLContext | None,
        trust_env: bool,
        made_at: str,
    ) -> None:
        self.closed = False
        self.made_at = made_at
        self._http: aiohttp.ClientSession | None = None
        self._borrowed = borrowed
        self._size = size
        self._ssl_context = ssl_context
        self.trust_env = trust_env
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarms: Alarms | None = None
        self._process = os.getpid()
        self._forks = _Family.forks
        if borrowed is not None and borrowed.auth is not None:
            raise ConfigurationError(
                "the session given has auth of its own; give one without, the token goes there"
            )

    def open(self, loop: asyncio.AbstractEventLoop) -> tuple[aiohttp.ClientSession, Alarms]:
        """Return the session, and the alarms of its loop.

        Raises ClientClosedError where it can't be used from here.
        """
        http, alarms = self._http, self._alarms
        if loop is self._loop and http is not None and alarms is not None and not self._is_forked():
            if http.closed:
                raise ClientClosedError("the session given was closed; give an open one")
            return http, alarms
        if self.closed:
            raise ClientClosedError(f"the client made at {self.made_at} is closed; make a new one")
        if self._is_forked():
            raise ClientClosedError(
                f"the client made at {self.made_at} belongs to process {self._process}; make one after a fork"
            )
        if self._loop is not None and loop is not self._loop:
            raise ClientClosedError(
                f"the client made at {self.made_at} belongs to another event loop; make one in each loop"
            )
        self._loop = loop
        self._alarms = Alarms(loop)
        self._http = self._borrowed or self._make()
        return self.open(loop)

    def _is_forked(self) -> bool:
        return self._forks != _Family.forks

    def _make(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._size, ssl=self._ssl_context or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=COMMON_HEADERS,
            request_class=OwnRequest,
            response_class=OwnResponse,
        )

    @property
    def is_borrowed(self) -> bool:
        """Whether the session is the caller's, and knows nothing of ours."""
        return self._borrowed is not None

    @property
    def ssl_override(self) -> ssl.SSLContext | None:
        """What a borrowed session must be told at each request; our own knows it from its connector."""
        return self._ssl_context if self._borrowed is not None else None

    async def close(self) -> None:
        """Close what is ours; a borrowed session stays as it is. Twice is fine."""
        self.closed = True
        if self._alarms is not None:
            self._alarms.close()
        http, self._http = self._http, None
        if http is not None and http is not self._borrowed and not self._is_forked():
            await http.close()

    def __del__(self) -> None:
        # Whether the session is closed says nothing: the collector may have come to it first.
        http = getattr(self, "_http", None)
        if http is not None and http is not self._borrowed and not self._is_forked():
            warnings.warn(
                f"the client made at {self.made_at} was never closed; use `async with` or `aclose()`",
                ResourceWarning,
                source=self,
                stacklevel=1,
            )


_Headers: TypeAlias = dict[tuple[bool, bool], CIMultiDict[str]]


class _Options(TypedDict, total=False):
    allow_redirects: bool
    raise_for_status: bool
    middlewares: tuple[aiohttp.ClientMiddlewareType, ...]
    timeout: aiohttp.ClientTimeout
    ssl: ssl.SSLContext
    proxy: URL
    proxy_headers: dict[str, str]


class Session:
    """Send a request once, with its token, and read the whole answer within bounds of time and size."""

    def __init__(
        self, pool: Pool, *, base_url: URL, token: TokenSource, timeout: Timeout, max_response_bytes: int
    ) -> None:
        self._pool = pool
        self._scheme = base_url.scheme
        self._authority = base_url.raw_authority
        self._path = base_url.raw_path.rstrip("/")
        self._token = token
        self._attempt_timeout = timeout.attempt
        self._max_bytes = max_response_bytes
        self._options = _Options(
            allow_redirects=False,
            raise_for_status=False,
            middlewares=(stop_resending,) if pool.is_borrowed else (),
            timeout=aiohttp.ClientTimeout(connect=timeout.connect, sock_connect=timeout.connect),
        )
        if pool.ssl_override is not None:
            self._options["ssl"] = pool.ssl_override
        if pool.trust_env and (found := find_proxy(base_url)):
            self._options["proxy"], self._options["proxy_headers"] = found
        self._common = COMMON_HEADERS if pool.is_borrowed else {}
        self._ready_headers = self._make_headers(token) if isinstance(token, Token) else None

    async def send(self, request: Request) -> Response:
        """Make one attempt.

        Returns the answer, whatever its status. Raises APIConnectionError where no whole answer came,
        APIResponseError where it is no HTTP or too large, ClientClosedError where the client can't be used
        from here. What a token callable raises goes through as it is.
        """
        loop = asyncio.get_running_loop()
        http, alarms = self._pool.open(loop)
        started_at, began = time.time(), time.perf_counter()
        reply: aiohttp.ClientResponse | None = None
        sent: Literal[False] | None = False
        whole = False
        headers: _Headers | None = None
        failure: AccessKeysError
        alarm = alarms.arm(self._latest(loop, request))
        try:
            headers = self._ready_headers or self._make_headers(read_token(await self._ask_for_token()))
            sent = None
            reply = await http.request(
                request.method,
                self._url(request),
                data=request.body,
                headers=headers[request.body is not None, request.compress],
                **self._options,
            )
            body = await self._read(reply)
            whole = body is not None
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError, asyncio.CancelledError) as error:
            if alarm.stop():
                failure = APITimeoutError(f"{request}: no whole answer in time; allow more", sent=sent)
            elif sent is False:
                raise
            elif isinstance(error, asyncio.CancelledError):
                error.__traceback__ = None  # aiohttp's frames know the headers
                raise
            else:
                failure = self._explain(error, request, http)
        else:
            if body is not None:
                return self._respond(reply, body, started_at, time.perf_counter() - began)
            failure = self._too_large(request)
        finally:
            alarm.stop()
            headers = None
            if reply is not None and not whole:
                reply.close()
            reply = None
        # Raised here, and not in the handler: aiohttp's errors know the request and its headers.
        raise failure

    def _latest(self, loop: asyncio.AbstractEventLoop, request: Request) -> float | None:
        if self._attempt_timeout is None:
            return request.deadline
        latest = loop.time() + self._attempt_timeout
        return latest if request.deadline is None or latest < request.deadline else request.deadline

    async def _ask_for_token(self) -> str | Token:
        assert not isinstance(self._token, Token)
        return await self._token()

    async def own_suffix(self) -> str:
        """Return the last six characters of the token in use; empty where it is too short to tell."""
        token = read_token(self._token if isinstance(self._token, Token) else await self._token())
        assert isinstance(token, Token)
        return token.suffix

    def _url(self, request: Request) -> URL:
        return URL.build(
            scheme=self._scheme,
            authority=self._authority,
            path=self._path + request.path,
            query_string=request.query,
            encoded=True,
        )

    async def _read(self, reply: aiohttp.ClientResponse) -> bytes | None:
        """Read the whole body, or return None where it is too large."""
        content = reply.content
        chunks: list[bytes] = []
        size = 0
        while chunk := await content.readany():
            size += len(chunk)
            if size > self._max_bytes:
                return None
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self, request: Request) -> ResponseTooLargeError:
        error = ResponseTooLargeError(
            "$", f"expected at most {self._max_bytes} bytes; raise max_response_bytes"
        )
        error.context = str(request)
        return error

    def _explain(
        self, error: Exception, request: Request, http: aiohttp.ClientSession
    ) -> APIConnectionError | APIResponseError | ClientClosedError:
        if http.closed:
            return ClientClosedError(f"{request}: the client was closed under way")
        if isinstance(error, RuntimeError):
            raise error.with_traceback(None)
        return classify(error, request)

    def _respond(
        self, reply: aiohttp.ClientResponse, body: bytes, started_at: float, elapsed: float
    ) -> Response:
        if reply.status < 300:
            return Response(reply.status, reply.headers, body, started_at, elapsed)
        # A refusal may end up in an error, and so in a log: should it echo the token, it goes no further.
        secret = reply.request_info.headers["Authorization"].removeprefix("AccessKey ")
        headers = CIMultiDict((name, value.replace(secret, MASK)) for name, value in reply.headers.items())
        body = body.replace(secret.encode(), MASK.encode())
        if b"\\" in body:
            body = _escaped(secret).sub(MASK.encode(), body)
        return Response(reply.status, headers, body, started_at, elapsed)

    def _make_headers(self, token: TokenSource) -> _Headers:
        """Make the headers of each kind of request: with a body or not, an answer worth packing or not."""
        assert isinstance(token, Token)
        kinds: _Headers = {}
        for has_body in (False, True):
            for compress in (False, True):
                headers = CIMultiDict(self._common)
                headers["Authorization"] = f"AccessKey {token.reveal()}"
                if has_body:
                    headers["Content-Type"] = "application/json"
                if compress:
                    headers["Accept-Encoding"] = "gzip, deflate"
                kinds[has_body, compress] = headers
        return kinds


def _escaped(secret: str) -> re.Pattern[bytes]:
    r"""Match a secret of ASCII, also as JSON may escape it: `\/`, `\"`, `\u0041`."""
    return re.compile(
        b"".join(rb"(?:\\?%b|(?i:\\u00%02x))" % (re.escape(bytes((c,))), c) for c in secret.encode())
    )
