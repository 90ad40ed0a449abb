from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from multidict import CIMultiDict

from accesskeys_async._http.hooks import Event, make_notify
from accesskeys_async._http.messages import Request, Response
from accesskeys_async._http.retry import Retry, RetryBudget, RetryPolicy


class World:
    """A clock that moves only where somebody sleeps, and draws that are scripted."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.draws: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def draw(self) -> float:
        return self.draws.pop(0) if self.draws else 1.0


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def make_request(organization_id: UUID) -> Callable[..., Request]:
    def make(method: str = "GET", *, deadline: float | None = None, **fields: object) -> Request:
        repeatable = fields.pop("repeatable", method != "POST")
        assert isinstance(repeatable, bool)
        path = f"/organizations/{organization_id}/access-keys"
        return Request(
            "operation", method, path, organization_id, repeatable=repeatable, deadline=deadline, **fields
        )

    return make


@pytest.fixture
def make_response() -> Callable[..., Response]:
    def make(status: int = 200, body: bytes = b"", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Response(status, CIMultiDict(named), body)

    return make


@pytest.fixture
def make_retry(world: World) -> Callable[..., Retry]:
    def make(
        policy: RetryPolicy | None = None,
        *,
        budget: RetryBudget | None = None,
        hook: Callable[[Event], object] | None = None,
    ) -> Retry:
        return Retry(
            policy or RetryPolicy(),
            budget or RetryBudget(),
            notify=make_notify([hook] if hook else []),
            clock=world.clock,
            wall_clock=world.clock,
            sleep=world.sleep,
            draw=world.draw,
        )

    return make
