from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from accesskeys_async._http.messages import Request
from accesskeys_async._throttle.redis_rate import RedisRate
from accesskeys_async.errors import APIConnectionError, ConfigurationError, DeadlineExceededError

MakeRequest = Callable[..., Request]


@pytest.fixture
def prefix() -> str:
    return f"test:{uuid4()}:"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@contextlib.contextmanager
def running_redis(port: int) -> Iterator[str]:
    """A Redis of the test's own, that dies at the end."""
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < until
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def let_go(throttle: RedisRate, request: Request, moments: list[float]) -> None:
    await throttle.acquire(request)
    moments.append(time.monotonic())
    throttle.release(request, None)


def check_law(moments: list[float], *, rate: float, burst: int, slack: float) -> None:
    """In any window of w seconds at most rate * w + burst; `slack` seconds for timers that come late."""
    moments = sorted(moments)
    for first, last in itertools.combinations(range(len(moments)), 2):
        window = moments[last] - moments[first]
        assert last - first + 1 <= rate * (window + slack) + burst + 1e-6


async def count_calls(redis: Redis) -> int:
    statistics: dict[str, Any] = await redis.info("commandstats")
    return sum(int(statistics.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("eval", "evalsha"))


async def test_processes_that_share_a_redis_share_one_rate(
    redis_url: str, prefix: str, make_request: MakeRequest
) -> None:
    moments: list[float] = []
    request = make_request()
    async with (
        RedisRate(redis_url, 100, prefix=prefix, burst=1, batch=4) as here,
        RedisRate(redis_url, 100, prefix=prefix, burst=1, batch=4) as there,
    ):
        began = time.monotonic()
        await asyncio.gather(*(let_go(throttle, request, moments) for throttle in (here, there) * 20))
    assert time.monotonic() - began >= 39 / 100 - 0.002
    check_law(moments, rate=100, burst=1, slack=0.05)


async def test_many_requests_need_one_call_for_a_batch(
    redis: Redis, redis_url: str, prefix: str, make_request: MakeRequest
) -> None:
    moments: list[float] = []
    async with RedisRate(redis_url, 2_000, prefix=prefix, batch=10, burst=100) as throttle:
        await let_go(throttle, make_request(), moments)  # the script is loaded
        before = await count_calls(redis)
        await asyncio.gather(*(let_go(throttle, make_request(), moments) for _ in range(40)))
        assert await count_calls(redis) - before <= 8


async def test_a_request_alone_needs_one_call(
    redis: Redis, redis_url: str, prefix: str, make_request: MakeRequest
) -> None:
    async with RedisRate(redis_url, 1_000, prefix=prefix) as throttle:
        await let_go(throttle, make_request(), [])
        before = await count_calls(redis)
        for _ in range(5):
            await let_go(throttle, make_request(), [])
        assert await count_calls(redis) - before == 5


async def test_organizations_do_not_wait_for_one_another(redis_url: str, prefix: str) -> None:
    requests = [Request("getAccessKey", "GET", "/", uuid4()) for _ in range(5)]
    moments: list[float] = []
    async with RedisRate(redis_url, 1, 10.0, prefix=prefix) as throttle:
        await asyncio.gather(*(let_go(throttle, request, moments) for request in requests))
    assert max(moments) - min(moments) < 5


async def test_without_a_key_all_share_one_quota(redis_url: str, prefix: str) -> None:
    requests = [Request("getAccessKey", "GET", "/", uuid4()) for _ in range(4)]
    moments: list[float] = []
    async with RedisRate(redis_url, 20, prefix=prefix, key=None, burst=1) as throttle:
        await asyncio.gather(*(let_go(throttle, request, moments) for request in requests))
    assert max(moments) - min(moments) >= 3 / 20 - 0.005


async def test_a_clock_that_is_wrong_here_does_no_harm(
    redis_url: str, prefix: str, make_request: MakeRequest
) -> None:
    moments: list[float] = []
    request = make_request()
    async with (
        RedisRate(redis_url, 50, prefix=prefix, burst=1) as here,
        RedisRate(redis_url, 50, prefix=prefix, burst=1, clock=lambda: time.monotonic() - 86_400) as there,
    ):
        await asyncio.gather(*(let_go(throttle, request, moments) for throttle in (here, there) * 5))
    check_law(moments, rate=50, burst=1, slack=0.05)


async def test_a_permit_that_comes_too_late_is_refused_at_once(
    redis_url: str, prefix: str, make_request: MakeRequest
) -> None:
    async with RedisRate(redis_url, 1, 60.0, prefix=prefix) as throttle:
        await throttle.acquire(make_request())
        began = time.monotonic()
        with pytest.raises(DeadlineExceededError, match="comes after the deadline"):
            await throttle.acquire(make_request(deadline=began + 5))
        assert time.monotonic() - began < 2


async def test_a_higher_priority_gets_the_next_permit(
    redis_url: str, prefix: str, make_request: MakeRequest
) -> None:
    order: list[int] = []

    async def go(priority: int) -> None:
        await throttle.acquire(make_request(priority=priority))
        order.append(priority)

    async with (
        RedisRate(redis_url, 20, prefix=prefix, burst=1, batch=2) as throttle,
        asyncio.TaskGroup() as group,
    ):
        for priority in (0, 0, 0, 0, 5):
            group.create_task(go(priority))
            await asyncio.sleep(0)
    assert order.index(5) <= 1


def unreachable() -> str:
    return f"redis://127.0.0.1:{find_free_port()}/0"


async def test_without_redis_an_open_rate_lets_everything_go(make_request: MakeRequest) -> None:
    moments: list[float] = []
    began = time.monotonic()
    async with RedisRate(unreachable(), 1, 60.0, fail="open") as throttle:
        await asyncio.gather(*(let_go(throttle, make_request(), moments) for _ in range(50)))
    assert len(moments) == 50
    assert time.monotonic() - began < 5


async def test_without_redis_a_closed_rate_sends_nothing(make_request: MakeRequest) -> None:
    async with RedisRate(unreachable(), 1_000, fail="closed") as throttle:
        for _ in range(3):
            with pytest.raises(APIConnectionError, match="Redis does not answer") as caught:
                await throttle.acquire(make_request())
            assert caught.value.sent is False


@pytest.mark.slow
@pytest.mark.usefixtures("redis_url")  # for its word on where there is no redis-server
@pytest.mark.parametrize("fail", ["open", "closed"])
async def test_redis_dying_under_way_is_answered_by_the_policy_and_its_return_is_noticed(
    prefix: str, make_request: MakeRequest, fail: Any
) -> None:
    ahead = 0.0
    port = find_free_port()
    with running_redis(port) as url:
        throttle = RedisRate(url, 1_000, prefix=prefix, fail=fail, clock=lambda: time.monotonic() + ahead)
        await throttle.acquire(make_request())
    if fail == "open":
        await throttle.acquire(make_request())
    else:
        with pytest.raises(APIConnectionError):
            await throttle.acquire(make_request())
    ahead = 1.0  # the second for which Redis is left alone
    with running_redis(port) as url:
        async with Redis.from_url(url) as redis:
            await throttle.acquire(make_request())
            assert [key async for key in redis.scan_iter(f"{prefix}*")] != []
        await throttle.aclose()


async def test_a_borrowed_client_stays_open(redis: Redis, prefix: str, make_request: MakeRequest) -> None:
    async with RedisRate(redis, 1_000, prefix=prefix) as throttle:
        await throttle.acquire(make_request())
    assert await redis.ping()


@pytest.mark.slow
async def test_what_it_leaves_in_redis_expires(
    redis: Redis, redis_url: str, prefix: str, make_request: MakeRequest
) -> None:
    async with RedisRate(redis_url, 10, prefix=prefix) as throttle:
        await throttle.acquire(make_request())
    keys = [key async for key in redis.scan_iter(f"{prefix}*")]
    assert len(keys) == 1
    assert 0 < await redis.pttl(keys[0]) <= 1_200


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"requests": 0}, "requests is 0; it takes a number above 0"),
        ({"requests": 1, "per": -1}, "per is -1"),
        ({"requests": 1, "burst": 0}, "burst is 0; it takes 1 or more"),
        ({"requests": 1, "batch": 0}, "batch is 0; it takes 1 or more"),
        ({"requests": 1, "fail": "shut"}, "fail is 'shut'; it takes 'open' or 'closed'"),
        ({"redis": "http://a:secret@b", "requests": 1}, "redis is no URL that redis-py takes"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RedisRate(**{"redis": "redis://127.0.0.1:1/0", **options})
    assert str(caught.value).startswith(complaint)
    assert "secret" not in str(caught.value)


def test_without_redis_py_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"install the extra, accesskeys-async\[redis\]"):
        RedisRate("redis://127.0.0.1:1/0", 1)


async def test_a_permit_that_went_stale_in_front_of_a_busy_pool_is_asked_for_again(
    redis_url: str, prefix: str, make_request: MakeRequest
) -> None:
    ahead = 0.0
    async with RedisRate(
        redis_url, 1, 60.0, prefix=prefix, clock=lambda: time.monotonic() + ahead
    ) as throttle:
        request = make_request()
        await throttle.acquire(request)
        ahead = 1.0
        assert throttle.pause(request) > 0
