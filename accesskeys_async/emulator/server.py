"""The HTTP server: aiohttp's, with JSON for what does not even parse as a request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from .replies import Reply, error_reply

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_LOGGER = logging.getLogger("accesskeys_async.emulator")
_SHUTDOWN_SECONDS = 0.3  # aiohttp waits so long for a request to end, and again for it to be cancelled


class _Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = ("_render",)

    def __init__(self, server: _Server, render: Callable[[Reply], web.Response]) -> None:
        super().__init__(
            server, loop=asyncio.get_running_loop(), access_log_class=_NoAccessLog, lingering_time=1.0
        )
        self._render = render

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - as the message
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request, which may hold a token
    ) -> web.StreamResponse:
        """Answer in JSON, and keep what was received out of the log."""
        if status < 500:
            reply = error_reply(status, "BadRequest", "This is not an HTTP request that can be read")
        else:
            _LOGGER.error("a request failed inside the emulator", exc_info=exc)
            reply = error_reply(status, "InternalServerError", "The emulator failed; this is a defect of it")
        response = self._render(reply)
        response.force_close()
        return response

    def log_exception(self, *args: object, **options: object) -> None:
        """Keep quiet about a body that does not decode: it was answered, and is no defect."""
        if not isinstance(options.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **options)


class _NoAccessLog(AbstractAccessLogger):
    """The application writes the access log, to the log of the emulator."""

    @property
    def enabled(self) -> bool:
        """Spare aiohttp the work."""
        return False

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write nothing."""


class _Server(web.Server):
    """Make our protocol for each connection."""

    def __init__(self, answer: Answer, render: Callable[[Reply], web.Response]) -> None:
        super().__init__(answer)
        self._render = render

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, self._render)


class Listener:
    """A listening socket, open from `start` to `stop`.

    `answer` responds to a request, and `render` writes the reply to what is not a request, or to one that
    failed.
    """

    def __init__(self, answer: Answer, render: Callable[[Reply], web.Response]) -> None:
        self._runner = web.ServerRunner(_Server(answer, render), shutdown_timeout=_SHUTDOWN_SECONDS)

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port; 0 takes a free one.

        Raises:
            OSError: The address cannot be had.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except BaseException:
            await self._runner.cleanup()
            raise
        return site.port

    async def stop(self) -> None:
        """Let requests in flight end, but wait no longer than a second in all, and close every connection."""
        await self._runner.cleanup()
