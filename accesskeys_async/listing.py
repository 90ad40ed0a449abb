"""Pages and keys as async generators, with the next pages on their way while the caller works."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, TypeAlias

from attrs import evolve

from accesskeys_async.errors import AccessKeysError, PaginationError
from accesskeys_async.records import AccessKey, AccessKeyPage

__all__ = ["FetchPage", "Listing"]

FetchPage: TypeAlias = Callable[[str | None], Awaitable[AccessKeyPage]]
"""Gives the page at a page token; None for the first."""

REMEMBERED_IDS: Final = 16_384
"""How many of the latest ids a listing knows again; bounded, so that memory stays flat however long it is."""


class Listing:
    """One way through an organization's keys: `async for key in listing`, or `async for page in pages()`.

    Each `async for` begins anew at the listing's `page_token`. Leaving it, by break, exception or
    cancellation, cancels what was being fetched ahead and gives the connection back; where the moment
    matters, use `contextlib.aclosing(listing.keys())`.

    Raises what `client.get` does, and PaginationError where a page token comes again; the error's `cursor`
    is the page to go on with. An empty page with a token goes on. A key that comes again within the latest
    16,384 is passed on once.
    """

    def __init__(self, fetch: FetchPage, *, page_token: str | None = None, prefetch: int = 1) -> None:
        self._fetch = fetch
        self._page_token = page_token
        self._prefetch = prefetch
        self.cursor: str | None = page_token
        """The page token to go on with: of the page whose keys are being passed on, then of the next.

        None before the first page has been passed on, and after the last.
        """
        self.complete = False
        """Whether the last page has been passed on."""
        self.duplicates = 0
        """How many keys came again and were left out."""

    def __aiter__(self) -> AsyncIterator[AccessKey]:
        return self.keys()

    async def keys(self) -> AsyncGenerator[AccessKey, None]:
        """Yield each key; what `async for key in listing` does."""
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for key in page.results:
                    yield key

    async def pages(self) -> AsyncGenerator[AccessKeyPage, None]:
        """Yield each page, without the keys that came before."""
        self.cursor, self.complete, self.duplicates = self._page_token, False, 0
        window = _Window(REMEMBERED_IDS)
        walk = _Walk(self._fetch, self._page_token, self._prefetch)
        try:
            while (page := await walk.next()) is not None:
                fresh = window.admit(page.results)
                if len(fresh) < len(page.results):
                    self.duplicates += len(page.results) - len(fresh)
                    page = evolve(page, results=fresh)
                yield page
                self.cursor = page.next_page_token
            self.complete = True
        finally:
            await walk.close()

    async def first(self) -> AccessKey | None:
        """Return the first key, or None where there is none. Fetches no page ahead."""
        single = Listing(self._fetch, page_token=self._page_token, prefetch=0)
        async with aclosing(single.keys()) as keys:
            async for key in keys:
                return key
        return None

    async def collect(self, *, max_items: int | None = None) -> list[AccessKey]:
        """Return all keys, or the first `max_items`, in a list."""
        found: list[AccessKey] = []
        if max_items is not None and max_items <= 0:
            return found
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                found.extend(page.results)
                if max_items is not None and len(found) >= max_items:
                    del found[max_items:]
                    break
        return found


class _Window:
    """Know again the ids of the latest pages."""

    __slots__ = ("_known", "_pages", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: set[int] = set()
        self._pages: deque[set[int]] = deque()

    def admit(self, keys: tuple[AccessKey, ...]) -> tuple[AccessKey, ...]:
        """Return the keys whose ids are new, and remember them."""
        ids = {key.id.int for key in keys}
        if len(ids) < len(keys) or not ids.isdisjoint(self._known):
            ids = set()
            fresh: list[AccessKey] = []
            for key in keys:
                if key.id.int not in self._known and key.id.int not in ids:
                    ids.add(key.id.int)
                    fresh.append(key)
            keys = tuple(fresh)
        self._pages.append(ids)
        self._known |= ids
        while len(self._known) > self._size and len(self._pages) > 1:
            self._known -= self._pages.popleft()
        return keys


class _Walk:
    """Go from page to page, `ahead` pages before the caller."""

    def __init__(self, fetch: FetchPage, page_token: str | None, ahead: int) -> None:
        self._fetch = fetch
        self._ahead = ahead
        self._token = page_token
        self._over = False
        self._seen = {_digest(page_token)}
        self._ready: deque[AccessKeyPage] = deque()
        self._failure: BaseException | None = None
        self._task: asyncio.Task[None] | None = None
        self._change: asyncio.Future[None] | None = None

    async def next(self) -> AccessKeyPage | None:
        """Return the next page, or None after the last."""
        if self._task is None:
            if self._over:
                return None
            page = await self._fetch_one()
            # Begun only now: a listing of one page needs no task.
            if self._ahead and not self._over:
                self._task = asyncio.create_task(self._run_ahead(), name="accesskeys prefetch")
            return page
        while not self._ready:
            if self._failure is not None:
                raise self._failure
            if self._task.done():
                if not self._over:
                    raise asyncio.CancelledError("the prefetch was cancelled from outside")
                return None
            await self._wait()
        page = self._ready.popleft()
        self._notify()
        return page

    async def close(self) -> None:
        """Stop fetching ahead, and return when nothing is under way any more."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _fetch_one(self) -> AccessKeyPage:
        token = self._token
        if self._failure is not None:
            raise self._failure
        try:
            page = await self._fetch(token)
        except AccessKeysError as error:
            error.cursor = token
            raise
        self._token = page.next_page_token
        self._over = self._token is None
        if not self._over and not self._is_new(self._token):
            self._failure = _circle(self._token)
        return page

    async def _run_ahead(self) -> None:
        try:
            while not self._over:
                while len(self._ready) >= self._ahead:
                    await self._wait()
                self._ready.append(await self._fetch_one())
                self._notify()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised again where the caller awaits
            self._failure = error
        finally:
            self._notify()

    def _is_new(self, token: str | None) -> bool:
        digest = _digest(token)
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True

    async def _wait(self) -> None:
        self._change = asyncio.get_running_loop().create_future()
        await self._change

    def _notify(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)


def _digest(token: str | None) -> bytes:
    return b"" if token is None else hashlib.blake2b(token.encode(), digest_size=16).digest()


def _circle(token: str | None) -> PaginationError:
    error = PaginationError("the listing goes in circles: a page token came that had come before; start anew")
    error.cursor = token
    return error
