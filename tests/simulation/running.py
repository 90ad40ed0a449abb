"""One client, one service, one load, in virtual time: hours of traffic in seconds, the same each time."""

from __future__ import annotations

import asyncio
import bisect
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from attrs import define, field, frozen

from accesskeys_async._http.messages import Request, compose
from accesskeys_async._http.retry import Retry, RetryBudget, RetryPolicy
from accesskeys_async._throttle.concurrency import ConcurrencyLimit
from accesskeys_async._throttle.throttle import Throttle, Throttled
from accesskeys_async.errors import AccessKeysError
from tests.simulation.services import Service
from tests.unit.virtual_time import run

__all__ = ["Load", "Result", "organization", "simulate"]

PLACES = 64
DEADLINE = 60.0

MakeThrottle = Callable[[Callable[[], float]], Throttle]
MakeService = Callable[[Callable[[], float]], Service]


def organization(number: int) -> UUID:
    return UUID(int=0x0C0FFEE0000040008000000000000000 + number)


@frozen
class Load:
    """`size` calls every `every` seconds; or, where `every` is 0, `size` tasks that call without a rest."""

    size: int = 64
    every: float = 0.0
    organizations: int = 1
    calls: int | None = None
    """At most so many calls; None: until the time is over."""

    def __str__(self) -> str:
        over = f" over {self.organizations} organizations" if self.organizations > 1 else ""
        if not self.every:
            return f"{self.size} tasks{over}"
        each = f"{self.size} each {self.every:g} s" if self.size > 1 else f"1 each {self.every:g} s"
        return each + over


@define
class Result:
    """What came of it."""

    seconds: float
    service: Service
    waits: list[float] = field(factory=list)
    """How long each call took, however it ended."""
    errors: Counter[str] = field(factory=Counter)
    """Why calls failed, by what a caller sees."""

    @property
    def calls(self) -> int:
        return len(self.waits)

    @property
    def failed(self) -> int:
        return self.errors.total()

    @property
    def failed_share(self) -> float:
        return self.failed / max(1, self.calls)

    @property
    def mean(self) -> float:
        return sum(self.waits) / max(1, len(self.waits))

    @property
    def worst(self) -> float:
        return max(self.waits, default=0.0)

    def percentile(self, share: float) -> float:
        return sorted(self.waits)[min(len(self.waits) - 1, int(share * len(self.waits)))]

    def served(self, since: float, until: float | None = None) -> int:
        return _count(self.service.served, since, self.seconds if until is None else until)

    def refused_share(self, since: float = 0.0, until: float | None = None) -> float:
        end = self.seconds if until is None else until
        refused = _count(self.service.refused, since, end)
        return refused / max(1, refused + self.served(since, end))


def _count(moments: list[float], since: float, until: float) -> int:
    return bisect.bisect_left(moments, until) - bisect.bisect_left(moments, since)


def simulate(
    make_throttle: MakeThrottle,
    make_service: MakeService,
    load: Load,
    *,
    seconds: float,
    events: dict[float, Callable[[Service], None]] | None = None,
    deadline: float = DEADLINE,
    policy: RetryPolicy | None = None,
) -> Result:
    """Return what became of all calls that were begun in so many seconds; `events` happen at their time."""

    async def main() -> Result:
        return await _World(make_throttle, make_service, seconds, deadline, policy or RetryPolicy()).run(
            load, events or {}
        )

    with _quiet_logs():
        return run(main())[0]


class _World:
    def __init__(
        self,
        make_throttle: MakeThrottle,
        make_service: MakeService,
        seconds: float,
        deadline: float,
        policy: RetryPolicy,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._clock = loop.time
        self._deadline = deadline
        self.result = Result(seconds, make_service(loop.time))
        retry = Retry(
            policy,
            RetryBudget(),
            clock=loop.time,
            wall_clock=loop.time,
            draw=random.Random(3).random,
        )
        throttled = Throttled(ConcurrencyLimit(PLACES), make_throttle(loop.time), clock=loop.time)
        self._send = compose([retry, throttled], self.result.service.send)

    async def run(self, load: Load, events: dict[float, Callable[[Service], None]]) -> Result:
        loop = asyncio.get_running_loop()
        for at, happen in events.items():
            loop.call_at(at, happen, self.result.service)
        async with asyncio.TaskGroup() as group:
            if load.every:
                await self._come_by_the_clock(group, load)
            else:
                for number in range(load.size):
                    group.create_task(self._call_on_and_on(number % load.organizations))
        return self.result

    async def _come_by_the_clock(self, group: asyncio.TaskGroup, load: Load) -> None:
        number = 0
        while self._clock() < self.result.seconds:
            for _ in range(load.size):
                group.create_task(self._call(number % load.organizations))
                number += 1
            await asyncio.sleep(load.every)

    async def _call_on_and_on(self, number: int) -> None:
        while self._clock() < self.result.seconds:
            await self._call(number)

    async def _call(self, number: int) -> None:
        began = self._clock()
        request = Request("getAccessKey", "GET", "/", organization(number), deadline=began + self._deadline)
        try:
            response = await self._send(request)
        except AccessKeysError as error:
            self.result.errors[type(error).__name__] += 1
            # What fails without being sent is no quicker to try again than what is refused.
            await asyncio.sleep(0.03)
        else:
            if response.status >= 400:
                self.result.errors[str(response.status)] += 1
        self.result.waits.append(self._clock() - began)


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Millions of retries are announced here, and nobody reads them."""
    logger = logging.getLogger("accesskeys_async")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
