from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import aiohttp
import pytest
from aioresponses import aioresponses
from hypothesis import settings

from accesskeys_async.records import AccessKey

pytest_plugins = ["tests.secrets_watch", "tests.services"]

# The machines that run the suite are shared: how long one example takes says nothing.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_configure() -> None:
    # What a shell starts in the background ignores Ctrl-C, and so would all that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
    """A response with the writer that aiohttp 3.14 asks for and aioresponses 0.7.9 does not give."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, stream_writer=Mock(output_size=0), **options)


class MockedAPI(aioresponses):
    """aioresponses whose replies are made for this aiohttp."""

    def add(self, *arguments: Any, **options: Any) -> None:
        super().add(*arguments, **{"response_class": _Reply, **options})

    @property
    def calls(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Method, URL and options of every request, in no order across URLs."""
        return [
            (method, str(url), call.kwargs)
            for (method, url), calls in self.requests.items()
            for call in calls
        ]


@pytest.fixture
def mocked_api() -> Iterator[MockedAPI]:
    with MockedAPI() as api:
        yield api
