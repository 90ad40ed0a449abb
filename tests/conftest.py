from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import aiohttp
import pytest
import uvloop
from aioresponses import aioresponses
from hypothesis import settings

from accesskeys_async.records import AccessKey

pytest_plugins = ["tests.secrets_watch", "tests.services"]

# The suite runs on shared machines, where the duration of one example means nothing.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

IS_EAGER = os.environ.get("ACCESSKEYS_TEST_EAGER") == "1" and sys.version_info >= (3, 12)
"""Whether the whole suite runs under asyncio's eager task factory."""


def pytest_configure() -> None:
    # A process that a shell starts in the background ignores SIGINT, and so do its children.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # nohup does the same with SIGHUP.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if IS_EAGER:
        _start_tasks_eagerly()


SERVICES = frozenset({"pgbouncer_url", "postgres", "postgres_url", "postgresql", "redis_url"})
"""Fixtures of `tests/services.py`, and parameters that request one: such a test is marked `services`."""
SLOW = frozenset({"benchmarks", "contract", "docs", "faults", "properties", "simulation"})
"""Folders whose tests are all marked `slow`. Elsewhere a test is marked if it takes half a second."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if callspec := getattr(item, "callspec", None):
            names.update(value for value in callspec.params.values() if isinstance(value, str))
        if names & SERVICES:
            item.add_marker(pytest.mark.services)
        if "browser" in names:
            item.add_marker(pytest.mark.browser)
        if SLOW.intersection(item.path.parts):
            item.add_marker(pytest.mark.slow)


def pytest_report_header() -> str | None:
    return "tasks start eagerly" if IS_EAGER else None


def _start_tasks_eagerly() -> None:
    """Let every event loop of this process start a task when it is created, and not in the next iteration."""
    create_asyncio, create_uvloop = asyncio.BaseEventLoop.__init__, uvloop.new_event_loop

    # uvloop passes the option, which the factory has only since 3.13.3.
    def create_task(
        loop: asyncio.AbstractEventLoop, work: Any, *, eager_start: bool | None = None, **options: Any
    ) -> asyncio.Task[Any]:
        return asyncio.eager_task_factory(loop, work, **options)

    def create_asyncio_loop(loop: asyncio.BaseEventLoop) -> None:
        create_asyncio(loop)
        loop.set_task_factory(create_task)

    def create_uvloop_loop() -> uvloop.Loop:
        loop = create_uvloop()
        loop.set_task_factory(create_task)
        return loop

    asyncio.BaseEventLoop.__init__ = create_asyncio_loop
    uvloop.new_event_loop = create_uvloop_loop


ORGANIZATION = UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")


@pytest.fixture
def organization_id() -> UUID:
    return ORGANIZATION


@pytest.fixture
def make_key() -> Callable[..., AccessKey]:
    def make(number: int = 1, *, name: str = "ci", **fields: Any) -> AccessKey:
        return AccessKey(
            id=UUID(int=number),
            organization_id=ORGANIZATION,
            name=name,
            suffix=fields.pop("suffix", "AbCdEf"),
            created_at=fields.pop("created_at", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
            **fields,
        )

    return make


class _Reply(aiohttp.ClientResponse):
    """A response with the writer that aiohttp 3.14 requires and aioresponses 0.7.9 does not pass."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, stream_writer=Mock(output_size=0), **options)


class MockedAPI(aioresponses):
    """aioresponses with responses for this version of aiohttp."""

    def add(self, *arguments: Any, **options: Any) -> None:
        super().add(*arguments, **{"response_class": _Reply, **options})

    @property
    def calls(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Method, URL and options of every request, grouped by URL."""
        return [
            (method, str(url), call.kwargs)
            for (method, url), calls in self.requests.items()
            for call in calls
        ]


@pytest.fixture
def mocked_api() -> Iterator[MockedAPI]:
    with MockedAPI() as api:
        yield api
