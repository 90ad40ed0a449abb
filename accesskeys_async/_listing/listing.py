"""Pages and keys in the API's order, with the next pages on their way while the caller works."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, Generic

from attrs import evolve

from accesskeys_async._listing.pages import Answer, FetchPage, PageSource, PlainSource, Reading, Steps
from accesskeys_async._public import public
from accesskeys_async._workers import stop_tasks
from accesskeys_async.errors import AccessKeysError
from accesskeys_async.records import AccessKey, AccessKeyPage

REMEMBERED_IDS: Final = 100
"""How many of the latest ids a listing knows again at the least: those of two pages, where pages are full.

Bounded, so that memory stays flat however long the listing is, and small, since each page is held to them."""


@public()
class Listing(Reading):
    """One way through an organization's keys: `async for key in listing`, or `async for page in pages()`.

    Each `async for` begins anew at the listing's `page_token`. Leaving it, by break, exception or
    cancellation, cancels what was being fetched ahead and gives the connection back; where the moment
    matters, use `contextlib.aclosing(listing.keys())`.

    Raises what `client.get` does, and PaginationError where a page token comes again; the error's `cursor`
    is the page to go on with. An empty page with a token goes on. A key that comes again within the latest
    100, or within two full pages, is passed on once.
    """

    def __init__(self, fetch: FetchPage, *, page_token: str | None = None, prefetch: int = 1) -> None:
        self._fetch = fetch
        self._page_token = page_token
        self._prefetch = prefetch
        self._walk: _Walk[Any] | None = None
        self.error: AccessKeysError | None = None
        """What the last pass, or `start`, failed with; None where it did not."""
        self.cursor: str | None = page_token
        """The page token to go on with: of the page whose keys are being passed on, then of the next.

        None before the first page has been passed on, and after the last.
        """
        self.complete = False
        """Whether the last page has been passed on."""
        self.duplicates = 0
        """How many keys came again and were left out."""

    async def start(self, *, pages: int = 1) -> None:
        """Fetch the first `pages` pages now, for the next `async for`; what fails is raised there.

        It shows in `error` at once. Where a pass is under way already, that one is helped along.
        """
        if self._walk is None:
            self._walk = self._make_walk()
        await self._walk.start(pages)
        self.error = self._walk.failure

    async def pages(self) -> AsyncGenerator[AccessKeyPage, None]:
        """Yield each page, without the keys that came before."""
        self.error, self.cursor, self.complete, self.duplicates = None, self._page_token, False, 0
        if self._walk is None or self._walk.is_taken:
            self._walk = self._make_walk()
        walk = self._walk
        walk.is_taken = True
        try:
            while (found := await walk.next()) is not None:
                page, left_out = found
                self.duplicates += left_out
                yield page
                self.cursor = page.next_page_token
                # Let go of the page before the next is decoded, which then finds its memory warm.
                del found, page
            self.complete = True
        except AccessKeysError as error:
            self.error = error
            raise
        finally:
            await walk.close()

    def _make_walk(self) -> _Walk[Any]:
        source = self._fetch if isinstance(self._fetch, PageSource) else PlainSource(self._fetch)
        return _Walk(source, self._page_token, self._prefetch)

    async def first(self) -> AccessKey | None:
        """Return the first key, or None where there is none. Fetches no page ahead."""
        single = Listing(self._fetch, page_token=self._page_token, prefetch=0)
        async with aclosing(single.keys()) as keys:
            async for key in keys:
                return key
        return None


class _Window:
    """Know again the ids of the latest pages.

    In two generations, each a full page or as many small ones: letting go of the older one whole costs
    nothing, and neither does taking a full page's ids as they are.
    """

    __slots__ = ("_latest", "_older", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._latest: set[int] = set()
        self._older: set[int] = set()

    def admit(self, keys: tuple[AccessKey, ...]) -> tuple[AccessKey, ...]:
        """Return the keys whose ids are new, and remember them."""
        ids = {key.id.int for key in keys}
        if len(ids) < len(keys) or not (ids.isdisjoint(self._latest) and ids.isdisjoint(self._older)):
            fresh: dict[int, AccessKey] = {}
            for key in keys:
                if key.id.int not in self._latest and key.id.int not in self._older:
                    fresh.setdefault(key.id.int, key)
            keys = tuple(fresh.values())
        if len(self._latest) < self._size:
            self._latest |= ids
        else:
            self._older, self._latest = self._latest, ids
        return keys


class _Walk(Generic[Answer]):
    """Go from page to page, `ahead` pages before the caller.

    What is fetched ahead is read only when the caller comes for it, and the next request goes out on a
    glance at its page token: so the service works while the page is read. Should the glance have been
    wrong, what it led to is dropped.
    """

    def __init__(self, source: PageSource[Answer], page_token: str | None, ahead: int) -> None:
        self._source = source
        self._steps = Steps(source, page_token)
        self._window = _Window(REMEMBERED_IDS)
        self._ahead = ahead
        self._ready: deque[tuple[AccessKeyPage, int]] = deque()
        self._answers: deque[tuple[str | None, Answer]] = deque()
        self._fetched = 0
        self._raised: BaseException | None = None
        self._raised_at: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._change: asyncio.Future[None] | None = None
        self._is_awaited = False
        self._is_stopped = False
        self.is_taken = False
        """Whether a pass over it has begun."""

    @property
    def failure(self) -> AccessKeysError | None:
        """What the walk has failed with."""
        return self._raised if isinstance(self._raised, AccessKeysError) else None

    async def start(self, pages: int) -> None:
        """Fetch until so many pages were fetched in all, unless fetching ahead has begun."""
        while self._fetched < pages and self._task is None and not self._is_at_end():
            async with self._turn:
                if self._fetched < pages and self._task is None and not self._is_at_end():
                    try:
                        await self._fetch()
                    except AccessKeysError as error:
                        self._raised, self._raised_at = error, self._steps.token

    async def next(self) -> tuple[AccessKeyPage, int] | None:
        """Return the next page, and how many repeated keys were left out of it; None after the last."""
        while not self._ready:
            if self._task is not None and self._answers:
                await self._read_one()
            elif self._steps.is_over:
                return None
            elif self._raised is not None:
                if self._raised_at == self._steps.token:
                    raise self._raised
                self._task = self._raised = None  # what failed was fetched on a wrong glance
            elif self._task is None:
                async with self._turn:  # `start` may be at it, and bring the page
                    if not self._ready and not self._is_at_end():
                        await self._fetch()
            elif not self._task.done():
                self._is_awaited = True
                await self._wait()
                self._is_awaited = False
            elif self._task.cancelled():
                raise asyncio.CancelledError("the prefetch was cancelled from outside")
            else:
                self._task = None  # a glance saw no next page where there is one
        found = self._ready.popleft()
        # Begun only now: a listing of one page needs no task.
        if self._task is None and self._ahead and not self._is_at_end() and not self._turn.locked():
            self._task = asyncio.create_task(self._run_ahead(), name="accesskeys prefetch")
        return found

    async def close(self) -> None:
        """Stop fetching ahead, and return when nothing is in flight."""
        self._is_stopped = True
        if self._task is not None:
            await stop_tasks([self._task])

    def _is_at_end(self) -> bool:
        return self._steps.is_over or self._raised is not None

    async def _fetch(self) -> None:
        self._take_in(await self._steps.take())
        self._fetched += 1

    def _take_in(self, page: AccessKeyPage) -> None:
        fresh = self._window.admit(page.results)
        self._steps.note(page, fresh=len(fresh))
        left_out = len(page.results) - len(fresh)
        self._ready.append((evolve(page, results=fresh) if left_out else page, left_out))

    async def _read_one(self) -> None:
        """Read the oldest answer, if it is to the page that comes next."""
        self._steps.check()
        token, answer = self._answers.popleft()
        self._notify()
        if token != self._steps.token or self._steps.is_over:
            await self.close()
            self._answers.clear()
            self._task = self._raised = None
            self._is_stopped = False
            return
        try:
            page = self._source.read(answer)
        except AccessKeysError as error:
            error.cursor = token
            raise
        self._take_in(page)

    async def _run_ahead(self) -> None:
        token = self._steps.token
        try:
            while not self._is_stopped:
                # An answer that the caller waits for is as good as taken: the next request goes out first.
                while len(self._answers) - self._is_awaited >= self._ahead:
                    await self._wait()
                answer = await self._source.ask(token)
                self._answers.append((token, answer))
                self._notify()
                token = self._source.glance(answer)
                if token is None:
                    return
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised again where the caller awaits
            if isinstance(error, AccessKeysError):
                error.cursor = token
            self._raised, self._raised_at = error, token
        finally:
            self._notify()

    async def _wait(self) -> None:
        self._change = asyncio.get_running_loop().create_future()
        await self._change

    def _notify(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)
