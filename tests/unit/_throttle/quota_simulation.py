"""A service with quotas in virtual time: hours of traffic in seconds, the same each time."""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import TypeVar
from uuid import UUID

from attrs import define, field, frozen
from multidict import CIMultiDict

from accesskeys_async._http.messages import Request, Response
from accesskeys_async._throttle.concurrency import ConcurrencyLimit
from accesskeys_async._throttle.throttle import Throttle, Throttled
from accesskeys_async.errors import AccessKeysError

T = TypeVar("T")


class _TimeMachine(selectors.SelectSelector):
    """Instead of waiting for its timeout, a select moves the clock by it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is left to happen, and somebody waits for it")
        self.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only where everybody waits."""

    def __init__(self) -> None:
        self._machine = _TimeMachine()
        super().__init__(self._machine)

    def time(self) -> float:
        return self._machine.now


def run(main: Callable[[VirtualLoop], Coroutine[object, object, T]]) -> T:
    """Run a coroutine in virtual time."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main(loop))


def organization(number: int) -> UUID:
    return UUID(int=0x0C0FFEE0000040008000000000000000 + number)


def make_request(number: int = 0, *, deadline: float | None = None, priority: int = 0) -> Request:
    return Request("getAccessKey", "GET", "/", organization(number), deadline=deadline, priority=priority)


@define
class Tally:
    """What an observer of the service counts."""

    served: int = 0
    refused: int = 0

    @property
    def refusal_share(self) -> float:
        return self.refused / max(1, self.served + self.refused)


@frozen(kw_only=True)
class Form:
    """How a service tells of its quota."""

    headers: bool = True
    retry_after: bool = True


@define(slots=False)
class Service:
    """Let `rate` requests a second pass, `burst` at once, for each organization or for all together."""

    loop: VirtualLoop
    rate: float = math.inf
    burst: float = math.inf
    form: Form = Form()
    shared: bool = False
    window: float | None = None
    """A quota of rate * window requests that is new each so many seconds, in place of a bucket."""
    latency: Callable[[], float] = lambda: 0.02
    capacity: int | None = None
    """How many it works on at a time; the others wait."""
    tally: Tally = field(factory=Tally)
    _buckets: dict[UUID | None, tuple[float, float]] = field(factory=dict)
    _desks: list[float] = field(factory=list)

    def change(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._buckets.clear()

    async def send(self, request: Request) -> Response:
        began = self.loop.time()
        delay = self.latency()
        await asyncio.sleep(delay / 2)
        status, headers = self._judge(None if self.shared else request.organization_id)
        await asyncio.sleep(self._queue() + delay / 2)
        return Response(status, headers, b"", 0.0, self.loop.time() - began)

    def _queue(self) -> float:
        if self.capacity is None:
            return 0.0
        now = self.loop.time()
        free = heapq.heappop(self._desks) if len(self._desks) >= self.capacity else now
        done = max(free, now) + 0.05
        heapq.heappush(self._desks, done)
        return done - now

    def _judge(self, key: UUID | None) -> tuple[int, CIMultiDict[str]]:
        headers: CIMultiDict[str] = CIMultiDict()
        if self.rate == math.inf:
            self.tally.served += 1
            return 200, headers
        now = self.loop.time()
        level, reset = self._fill(key, now)
        allowed = level > 1 - 1e-9
        level -= allowed
        self._buckets[key] = level, now
        if self.form.headers:
            headers["RateLimit-Limit"] = str(math.floor(self.burst))
            headers["RateLimit-Remaining"] = str(math.floor(level))
            headers["RateLimit-Reset"] = str(math.ceil(reset(level)))
        if allowed:
            self.tally.served += 1
            return 200, headers
        self.tally.refused += 1
        if self.form.retry_after:
            wait = reset(level) if self.window else (1 - level) / self.rate
            headers["Retry-After"] = str(max(1, math.ceil(wait)))
        return 429, headers

    def _fill(self, key: UUID | None, now: float) -> tuple[float, Callable[[float], float]]:
        level, since = self._buckets.get(key, (self.burst, now))
        if self.window is None:
            level = min(self.burst, level + (now - since) * self.rate)
            return level, lambda level: (self.burst - level) / self.rate
        end = (math.floor(now / self.window) + 1) * self.window
        if since < end - self.window:
            level = self.rate * self.window
        return level, lambda _: end - now


@define
class Watched:
    """A throttle with somebody beside it who counts how often it makes a request wait."""

    loop: VirtualLoop
    throttle: Throttle
    waits: int = 0

    async def acquire(self, request: Request) -> None:
        began = self.loop.time()
        await self.throttle.acquire(request)
        self.waits += self.loop.time() > began

    def pause(self, request: Request) -> float:
        seconds = self.throttle.pause(request)
        self.waits += seconds > 0
        return seconds

    def release(self, request: Request, outcome: Response | AccessKeysError | None) -> None:
        self.throttle.release(request, outcome)


@define(slots=False)
class Crowd:
    """Keep many tasks busy through one throttle, as a client would."""

    loop: VirtualLoop
    service: Service
    throttle: Throttle
    places: int = 64

    def __attrs_post_init__(self) -> None:
        self._limit = ConcurrencyLimit(self.places)
        self._throttled = Throttled(self._limit, self.throttle, clock=self.loop.time)
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, request: Request) -> Response:
        return await self._throttled(request, self.service.send)

    async def hold_place(self, seconds: float) -> None:
        """Keep one place from the others for a while."""
        await self._limit.acquire(make_request(99))
        await asyncio.sleep(seconds)
        self._limit.release()

    def occupy(self, organizations: int, *, tasks: int = 8, first: int = 0) -> None:
        """Let so many tasks ask for each organization, again and again."""
        for number in range(first, first + organizations):
            for _ in range(tasks):
                self._tasks.add(asyncio.create_task(self._ask(number)))

    async def _ask(self, number: int) -> None:
        while True:
            try:
                await self.send(make_request(number))
            except AccessKeysError:
                await asyncio.sleep(0.01)

    async def measure(self, seconds: float) -> Tally:
        """Return what came in the next so many seconds."""
        before = Tally(self.service.tally.served, self.service.tally.refused)
        await asyncio.sleep(seconds)
        after = self.service.tally
        return Tally(after.served - before.served, after.refused - before.refused)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def noisy(seed: int, mean: float) -> Callable[[], float]:
    """Make latencies that vary as a network's do: most are quick, a few are ten times slower."""
    draw = random.Random(seed)
    return lambda: mean * draw.lognormvariate(-0.5, 1.0)
