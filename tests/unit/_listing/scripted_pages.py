"""Pages to list, as a test scripts them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

from accesskeys_async.records import AccessKey, AccessKeyPage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORG = UUID(int=2**64)


def make_key(number: int) -> AccessKey:
    return AccessKey(UUID(int=number), ORG, "ci", "AbCdEf", NOW)


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


Step: TypeAlias = Callable[[], Awaitable[object]]


class Service:
    """Pages by their token, each after `gate` is open; counts what was asked for."""

    def __init__(self, *pages: list[int], failures: dict[str | None, Exception] | None = None) -> None:
        self.pages = {self.token(index): ids for index, ids in enumerate(pages)}
        self.failures = failures or {}
        self.asked: list[str | None] = []
        self.under_way = 0
        self.gate = asyncio.Event()
        self.gate.set()

    @staticmethod
    def token(index: int) -> str | None:
        return f"p{index}" if index else None

    def next_token(self, token: str | None) -> str | None:
        following = f"p{int(token[1:]) + 1 if token else 1}"
        return following if following in self.pages else None

    async def __call__(self, token: str | None) -> AccessKeyPage:
        self.asked.append(token)
        self.under_way += 1
        try:
            await self.gate.wait()
            if token in self.failures:
                raise self.failures.pop(token)
            return AccessKeyPage(tuple(map(make_key, self.pages[token])), self.next_token(token))
        finally:
            self.under_way -= 1


def hundred_pages() -> Service:
    return Service(*([2 * n, 2 * n + 1] for n in range(100)))


async def read(keys: AsyncIterator[AccessKey]) -> list[int]:
    return [key.id.int async for key in keys]


async def work(pages: AsyncGenerator[AccessKeyPage, None], found: list[int], step: Step = settle) -> None:
    """Take pages, and let everybody else run after each."""
    async with aclosing(pages):
        async for page in pages:
            found += [key.id.int for key in page]
            await step()


def prefetch_tasks() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "accesskeys prefetch"]


class Gated:
    """Lets the first page through and holds the second."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, token: str | None) -> AccessKeyPage:
        if token is not None:
            self._service.gate.clear()
        return await self._service(token)
