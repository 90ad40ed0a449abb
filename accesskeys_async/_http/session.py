"""One attempt over aiohttp, and the only place where a token becomes text."""

from __future__ import annotations

import asyncio
import contextvars
import re
import ssl
import time
from typing import Final, Literal, TypedDict

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from accesskeys_async._http.aiohttp_compat import needs_fresh_connection, watch_borrowed
from accesskeys_async._http.failures import StaleConnectionError, classify
from accesskeys_async._http.messages import Request, Response, describe_attempt
from accesskeys_async._http.pool import ACCEPT_GZIP, COMMON_HEADERS, Pool, SessionPair
from accesskeys_async._http.settings import (
    Proxy,
    Timeout,
    TokenSource,
    check_proxy,
    find_proxy,
    read_token,
)
from accesskeys_async.errors import (
    AccessKeysError,
    APIConnectionError,
    APIResponseError,
    APITimeoutError,
    ClientClosedError,
    ResponseTooLargeError,
)
from accesskeys_async.records import Attempt, Token

REDACTED: Final = "***"
FOREIGN_PREFIX: Final = "bk_"
FOREIGN_ADVICE: Final = (
    "tokens that begin with bk_ belong to Bird's newer platform and are not access keys of an organization: "
    "use the token of one of its access keys"
)
JSON_BODY: Final = {"Content-Type": "application/json"}


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
        self._base_url = base_url
        self._path = base_url.raw_path.rstrip("/")
        self._token = token
        self._attempt_timeout = timeout.attempt
        self._timeout = aiohttp.ClientTimeout(connect=timeout.connect, sock_connect=timeout.connect)
        self._max_bytes = max_response_bytes
        self._sessions: SessionPair | None = None
        self._sessions_with_token: SessionPair | None = None
        """The same, where the token lies in them."""
        self._options = self._make_options()
        # aiohttp shows a proxy what lies in the session.
        self._fixed_token = token if isinstance(token, Token) and "proxy" not in self._options else None

    def _make_options(self) -> _Options:
        """Say what each request must tell aiohttp; a borrowed session knows nothing of ours."""
        options = _Options(allow_redirects=False)
        if self._pool.borrowed is not None:
            options["raise_for_status"] = False
            options["middlewares"] = (watch_borrowed,)
            options["timeout"] = self._timeout
            if self._pool.ssl_context is not None:
                options["ssl"] = self._pool.ssl_context
        if self._pool.proxy is not None:
            found: Proxy | None = check_proxy(self._pool.proxy, self._base_url)
        else:
            found = find_proxy(self._base_url) if self._pool.trust_env else None
        if found is not None:
            options["proxy"], options["proxy_headers"] = found
        return options

    async def send(self, request: Request) -> Response:
        """Make one attempt.

        Returns the answer, whatever its status. Raises APIConnectionError where no whole answer came,
        APIResponseError where it is no HTTP or too large, ClientClosedError where the client can't be used
        from here. What a token callable raises goes through as it is.
        """
        # That this is the pool's loop was seen to when the call began.
        timer = self._pool.timer or self._pool.check_usable()
        started_at, began = time.time(), time.perf_counter()
        reply: aiohttp.ClientResponse | None = None
        sent: Literal[False] | None = False
        whole = False
        headers: dict[str, str] | None = None
        body: bytes | None = None
        lost: list[Attempt] = []
        failure: AccessKeysError
        time_limit = timer.start(request.deadline, within=self._attempt_timeout)
        try:
            sessions = self._sessions_with_token if request.body is None else None
            if sessions is not None:
                http = sessions.gzip if request.compress else sessions.identity
            else:
                http, headers = self._session_and_headers(request, await self._find_token())
            sent = None
            try:
                reply = await http.request(
                    request.method, self._url(request), data=request.body, headers=headers, **self._options
                )
            except StaleConnectionError as error:
                reply = await self._send_again(
                    request, http, headers, error.with_traceback(None), lost, started_at
                )
            body = await reply.content.readany()
            whole = len(body) <= self._max_bytes and reply.content.at_eof()
            if not whole:
                body = await self._read_rest(reply.content, body)
                whole = body is not None
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError, asyncio.CancelledError) as error:
            if timer.cancel(time_limit):
                failure = self._too_late(request, began, sent=sent)
            elif sent is False:
                raise
            elif isinstance(error, asyncio.CancelledError):
                error.__traceback__ = None  # aiohttp's frames know the headers
                raise
            else:
                failure = self._classify(error, request)
        else:
            if body is None:
                failure = self._too_large(request)
            else:
                elapsed = time.perf_counter() - began
                if reply.status >= 300:
                    return self._redact_token(reply, body, started_at, elapsed, tuple(lost))
                return Response(reply.status, reply.headers, body, started_at, elapsed, tuple(lost))
        finally:
            timer.cancel(time_limit)
            headers = body = None  # a traceback with locals shows no secret
            if reply is not None and not whole:
                reply.close()
            reply = None
        if lost:
            failure.attempts = tuple(lost)
            if isinstance(failure, APIConnectionError):
                failure.sent = None
        # Raised here, and not in the handler: aiohttp's errors know the request and its headers.
        raise failure

    async def _send_again(
        self,
        request: Request,
        http: aiohttp.ClientSession,
        headers: dict[str, str] | None,
        stale: StaleConnectionError,
        lost: list[Attempt],
        began: float,
    ) -> aiohttp.ClientResponse:
        """Send what a dead kept connection has not taken, or has lost, and return the response's head.

        What it has not taken goes over another at once. What it may have taken is noted in `lost`, and goes
        over a fresh one if it is repeatable. Each turn drops one of those that were kept.
        """
        fresh: contextvars.Token[bool] | None = None
        try:
            while True:
                if stale.sent is None:
                    if not request.repeatable:
                        raise stale
                    outcome, elapsed = classify(stale, request), max(0.0, time.time() - began)
                    lost.append(describe_attempt(outcome, number=1, started_at=began, elapsed=elapsed))
                    fresh = fresh or needs_fresh_connection.set(True)
                try:
                    url = self._url(request)
                    return await http.request(
                        request.method, url, data=request.body, headers=headers, **self._options
                    )
                except StaleConnectionError as error:
                    stale = error.with_traceback(None)
        finally:
            if fresh is not None:
                needs_fresh_connection.reset(fresh)

    def _session_and_headers(
        self, request: Request, token: Token
    ) -> tuple[aiohttp.ClientSession, dict[str, str] | None]:
        """Return the session that a request goes through, and the headers which that does not add itself."""
        if self._pool.borrowed is not None:
            headers = {**COMMON_HEADERS, **(ACCEPT_GZIP if request.compress else {}), **_secret(token)}
            if request.body is not None:
                headers |= JSON_BODY
            return self._pool.borrowed, headers
        sessions = self._sessions
        if sessions is None:
            sessions = self._sessions = self._pool.sessions_for(
                self._base_url, self._fixed_token, self._timeout
            )
            self._sessions_with_token = None if self._fixed_token is None else sessions
        session = sessions.gzip if request.compress else sessions.identity
        if token is self._fixed_token:
            return session, None if request.body is None else JSON_BODY
        return session, {**_secret(token), **({} if request.body is None else JSON_BODY)}

    async def _find_token(self) -> Token:
        token = read_token(self._token if isinstance(self._token, Token) else await self._token())
        assert isinstance(token, Token)
        return token

    async def own_suffix(self) -> str:
        """Return the last six characters of the token in use; empty where it is too short to tell."""
        return (await self._find_token()).suffix

    def _url(self, request: Request) -> URL:
        path = self._path + request.path
        if not request.query:
            return self._base_url.with_path(path, encoded=True)
        return URL.build(
            scheme=self._base_url.scheme,
            authority=self._base_url.raw_authority,
            path=path,
            query_string=request.query,
            encoded=True,
        )

    async def _read_rest(self, content: aiohttp.StreamReader, first: bytes) -> bytes | None:
        """Read the rest of a body, and return the whole, or None where it is too large."""
        chunks = [first]
        size = len(first)
        while size <= self._max_bytes:
            chunks.append(await content.readany())
            size += len(chunks[-1])
            if not chunks[-1]:
                return b"".join(chunks)
        return None

    def _too_late(self, request: Request, began: float, *, sent: Literal[False] | None) -> APITimeoutError:
        elapsed = time.perf_counter() - began
        return APITimeoutError(
            f"{request}: the response was not complete within {elapsed:.3g} s; raise the timeout", sent=sent
        )

    def _too_large(self, request: Request) -> ResponseTooLargeError:
        error = ResponseTooLargeError(
            "$", f"expected at most {self._max_bytes} bytes; raise max_response_bytes"
        )
        error.context = str(request)
        return error

    def _classify(
        self, error: Exception, request: Request
    ) -> APIConnectionError | APIResponseError | ClientClosedError:
        borrowed = self._pool.borrowed
        if self._pool.closed or (borrowed is not None and borrowed.closed):
            return ClientClosedError(f"{request}: the client was closed under way")
        if isinstance(error, RuntimeError):
            raise error.with_traceback(None)
        return classify(error, request)

    def _redact_token(
        self,
        reply: aiohttp.ClientResponse,
        body: bytes,
        started_at: float,
        elapsed: float,
        earlier: tuple[Attempt, ...],
    ) -> Response:
        # A refusal may end up in an error, and so in a log: should it echo the token, it goes no further.
        secret = reply.request_info.headers["Authorization"].removeprefix("AccessKey ")
        headers = CIMultiDict(
            (name, value.replace(secret, REDACTED)) for name, value in reply.headers.items()
        )
        body = body.replace(secret.encode(), REDACTED.encode())
        if b"\\" in body:
            body = _escaped(secret).sub(REDACTED.encode(), body)
        advice = FOREIGN_ADVICE if reply.status == 401 and secret.startswith(FOREIGN_PREFIX) else None
        return Response(reply.status, headers, body, started_at, elapsed, earlier, advice=advice)


def _secret(token: Token) -> dict[str, str]:
    return {"Authorization": f"AccessKey {token.reveal()}"}


def _escaped(secret: str) -> re.Pattern[bytes]:
    r"""Match a secret of ASCII, also as JSON may escape it: `\/`, `\"`, `\u0041`."""
    return re.compile(
        b"".join(rb"(?:\\?%b|(?i:\\u00%02x))" % (re.escape(bytes((c,))), c) for c in secret.encode())
    )
