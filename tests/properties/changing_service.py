"""A service whose keys come and go while it is read, from either end, by page tokens that name a key."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from random import Random
from typing import Final

from accesskeys_async._listing.pages import FetchPage
from accesskeys_async.records import AccessKeyPage
from tests.unit._listing.scripted_pages import make_key

Order = Callable[[int], tuple[object, ...]]
GAP: Final = 1000
"""How many ids lie between those that are there at first, for keys that come later."""


class ChangingService:
    """Lists keys by their ids; between its answers keys are created and deleted, as `random` says."""

    def __init__(self, count: int, *, limit: int, random: Random, changes: int) -> None:
        self.present = {GAP * (n + 1) for n in range(count)}
        self.ever = set(self.present)
        self.throughout = set(self.present)
        self.requests = 0
        self._limit = limit
        self._random = random
        self._changes = changes

    def direction(self, order: Order, *, page_reversed: bool = False, only_page: bool = False) -> FetchPage:
        """Return what fetches the pages in an order."""

        async def fetch(token: str | None) -> AccessKeyPage:
            self.requests += 1
            await self._wait()
            self._change()
            ids = sorted(self.present, key=order)
            if token is not None:
                ids = [one for one in ids if order(one) > order(int(token))]
            page, more = ids[: self._limit], len(ids) > self._limit and not only_page
            keys = [make_key(one) for one in (page[::-1] if page_reversed else page)]
            await self._wait()
            return AccessKeyPage(tuple(keys), str(page[-1]) if more else None)

        return fetch

    async def _wait(self) -> None:
        for _ in range(self._random.randint(0, 3)):
            await asyncio.sleep(0)

    def _change(self) -> None:
        for _ in range(self._random.randint(0, self._changes)):
            if self.present and self._random.random() < 0.5:
                gone = self._random.choice(sorted(self.present))
                self.present.discard(gone)
                self.throughout.discard(gone)
            else:
                came = self._random.randint(1, GAP * (len(self.ever) + 1))
                if came not in self.ever:
                    self.present.add(came)
                    self.ever.add(came)


def forward(one: int) -> tuple[object, ...]:
    return (one,)


def backward(one: int) -> tuple[object, ...]:
    return (-one,)


def rotated(one: int, *, start: int) -> tuple[object, ...]:
    return (one < start, one)


def shuffled(one: int, *, seed: int) -> tuple[object, ...]:
    return (hashlib.blake2b(f"{seed} {one}".encode()).digest(),)
