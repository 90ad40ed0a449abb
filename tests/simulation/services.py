"""Models of services: what they serve, what they refuse, and what they tell of it."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Protocol
from uuid import UUID

from attrs import define, field, frozen
from multidict import CIMultiDict

from accesskeys_async._http.messages import Request, Response
from accesskeys_async.errors import APIConnectionError

__all__ = [
    "Bucket",
    "Concurrency",
    "FixedWindow",
    "Form",
    "Judgement",
    "Quota",
    "Restarting",
    "Service",
    "SlidingWindow",
    "Sometimes",
    "Stray",
    "Unlimited",
]


class Form(Enum):
    """What a refusal, and every response, tells of the quota."""

    SILENT = "silent"
    RETRY_AFTER = "Retry-After"
    ZERO = "Retry-After: 0"
    HEADERS = "headers"


@frozen
class Judgement:
    """What the quota was like when a request was judged; a status other than 200 refuses it."""

    status: int = 200
    limit: float = math.inf
    remaining: float = math.inf
    reset: float = 0.0
    """Seconds until there is as much again as there can be."""
    wait: float = 0.0
    """Seconds until one more request is let pass."""


class Quota(Protocol):
    """Judge requests as they arrive."""

    def judge(self, now: float, organization: UUID) -> Judgement: ...


SERVED = Judgement()


@define
class Unlimited:
    def judge(self, now: float, organization: UUID) -> Judgement:
        return SERVED


@define
class Bucket:
    """`rate` a second, `burst` at once; for each organization unless shared.

    Foreign users take `foreign` a second more from it, in every other ten seconds.
    """

    rate: float
    burst: float
    shared: bool = False
    foreign: float = 0.0
    _levels: dict[UUID | None, tuple[float, float]] = field(factory=dict)

    def change(self, factor: float) -> None:
        """Become larger or smaller at once, and begin anew."""
        self.rate *= factor
        self.burst *= factor
        self._levels.clear()

    def judge(self, now: float, organization: UUID) -> Judgement:
        key = None if self.shared else organization
        level, since = self._levels.get(key, (self.burst, now))
        level = min(self.burst, level + (now - since) * self.rate)
        if self.foreign and now % 20 < 10:
            level = max(0.0, level - (now - since) * self.foreign)
        is_served = level > 1 - 1e-9
        level -= is_served
        self._levels[key] = level, now
        return Judgement(
            200 if is_served else 429,
            math.floor(self.burst),
            math.floor(level),
            (self.burst - level) / self.rate,
            (1 - level) / self.rate,
        )


@define
class FixedWindow:
    """`count` requests in each `seconds`, whole again at once when they are over."""

    count: float
    seconds: float
    _windows: dict[UUID, tuple[int, float]] = field(factory=dict)

    def change(self, factor: float) -> None:
        self.count *= factor

    def judge(self, now: float, organization: UUID) -> Judgement:
        number = int(now // self.seconds)
        last, used = self._windows.get(organization, (number, 0))
        used = used if last == number else 0
        is_served = used < self.count
        used += is_served
        self._windows[organization] = number, used
        left = (number + 1) * self.seconds - now
        return Judgement(200 if is_served else 429, self.count, self.count - used, left, left)


@define
class SlidingWindow:
    """`count` requests in any `seconds`."""

    count: int
    seconds: float
    _served: dict[UUID, deque[float]] = field(factory=dict)

    def judge(self, now: float, organization: UUID) -> Judgement:
        served = self._served.setdefault(organization, deque())
        while served and served[0] <= now - self.seconds:
            served.popleft()
        is_served = len(served) < self.count
        if is_served:
            served.append(now)
        wait = served[0] + self.seconds - now
        return Judgement(200 if is_served else 429, self.count, self.count - len(served), self.seconds, wait)


@define
class Concurrency:
    """At most `count` requests at a time for each organization."""

    count: int
    work: float = 0.03
    """Seconds for which a request is worked on."""
    _until: dict[UUID, list[float]] = field(factory=dict)

    def judge(self, now: float, organization: UUID) -> Judgement:
        active = [until for until in self._until.get(organization, ()) if until > now]
        is_served = len(active) < self.count
        self._until[organization] = [*active, now + self.work] if is_served else active
        return Judgement(200 if is_served else 429, wait=self.work)


@define
class Sometimes:
    """A status that has nothing to do with load, in a share of all responses."""

    share: float
    status: int
    draw: Callable[[], float]

    def judge(self, now: float, organization: UUID) -> Judgement:
        return Judgement(self.status if self.draw() < self.share else 200, wait=0.5)


@define
class Stray:
    """One refusal every so many seconds, whoever comes."""

    every: float
    _next: float = 10.0

    def judge(self, now: float, organization: UUID) -> Judgement:
        if now < self._next:
            return SERVED
        self._next += self.every
        return Judgement(429, wait=0.5)


@define
class Restarting:
    """Refuse connections in the last quarter of every `period` seconds."""

    period: float

    def judge(self, now: float, organization: UUID) -> Judgement:
        return Judgement(0) if now % self.period > 0.75 * self.period else SERVED


@define
class Service:
    """Take a request in after half of its latency, judge it, and respond after the other half."""

    quota: Quota
    clock: Callable[[], float]
    form: Form = Form.SILENT
    latency: tuple[float, float] = (0.02, 0.04)
    draw: Callable[[], float] = field(factory=lambda: random.Random(5).random)
    served: list[float] = field(factory=list)
    """When a request was served."""
    refused: list[float] = field(factory=list)
    """When one was refused, or failed."""

    async def send(self, request: Request) -> Response:
        began = self.clock()
        low, high = self.latency
        half = (low + (high - low) * self.draw()) / 2
        await asyncio.sleep(half)
        judged = self.quota.judge(self.clock(), request.organization_id)
        (self.served if judged.status == 200 else self.refused).append(self.clock())
        if not judged.status:
            raise APIConnectionError("connection refused", sent=False)
        await asyncio.sleep(half)
        return Response(judged.status, self._tell(judged), b"", 0.0, self.clock() - began)

    def _tell(self, judged: Judgement) -> CIMultiDict[str]:
        headers: CIMultiDict[str] = CIMultiDict()
        if self.form is Form.HEADERS and judged.limit < math.inf:
            headers["RateLimit-Limit"] = str(math.floor(judged.limit))
            headers["RateLimit-Remaining"] = str(math.floor(judged.remaining))
            headers["RateLimit-Reset"] = str(math.ceil(judged.reset))
        if judged.status == 429:
            if self.form in {Form.RETRY_AFTER, Form.HEADERS}:
                headers["Retry-After"] = str(max(1, math.ceil(judged.wait)))
            elif self.form is Form.ZERO:
                headers["Retry-After"] = "0"
        return headers
