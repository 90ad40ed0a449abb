"""A server, and what it answers, as a test scripts them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from multidict import CIMultiDict

from accesskeys_async._http.messages import Request, Response
from accesskeys_async.errors import (
    AccessKeysError,
    APIConnectionError,
)


def answer(status: int, retry_after: str | None = None) -> Response:
    headers: CIMultiDict[str] = CIMultiDict()
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return Response(status, headers, b"")


def not_connected() -> APIConnectionError:
    return APIConnectionError("could not connect", sent=False)


def lost() -> APIConnectionError:
    return APIConnectionError("the connection was lost", sent=None)


class Server:
    """Answers with what is scripted, and counts."""

    def __init__(self, *outcomes: Response | AccessKeysError, then: Response | None = None) -> None:
        self._outcomes: Iterator[Response | AccessKeysError] = iter(outcomes)
        self._then = then
        self.requests = 0

    async def __call__(self, request: Request) -> Response:
        self.requests += 1
        outcome = next(self._outcomes, self._then)
        assert outcome is not None
        if isinstance(outcome, Response):
            return outcome
        raise outcome


class SlowServer(Server):
    """Takes its time, on the scripted clock."""

    def __init__(self, world: Any, seconds: float, *outcomes: Response | AccessKeysError) -> None:
        super().__init__(*outcomes)
        self._world = world
        self._seconds = seconds

    async def __call__(self, request: Request) -> Response:
        self._world.now += self._seconds
        return await super().__call__(request)
