"""Keys and pages in the API's order, with the next pages fetched while the caller works."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from attrs import evolve

from accesskeys_async._listing.pages import FetchPage, KeyStream
from accesskeys_async._listing.prefetching import Prefetcher
from accesskeys_async._public import public
from accesskeys_async.errors import AccessKeysError
from accesskeys_async.records import AccessKey, AccessKeyPage

REMEMBERED_IDS: Final = 100
"""How many of the latest ids a listing recognizes at least: those of two pages, if pages are full.

Bounded, so that memory stays flat however long the listing is, and small, since each page is compared."""


@public()
class Listing(KeyStream):
    """One organization's keys in the API's order (`listAccessKeys`).

    `client.list` returns it. Use `async for key in listing`, or `async for page in listing.pages()`. Each
    `async for` starts again at the listing's `page_token`. Leaving it early, by break, exception or
    cancellation, cancels the requests in flight and returns the connection. Use
    `contextlib.aclosing(listing.keys())` if this must happen at once.

    An empty page with a next page token does not end the listing. A key that is repeated within the latest
    100, or within two full pages, is yielded once.

    Iterating raises what `client.get` does, and PaginationError if a page token is repeated, or too many
    consecutive pages have no new key. The error's `cursor` is the page token to continue with.

    Args:
        fetch: Returns the page at a page token, or the first page for None.
        page_token: Where to start; None for the first page.
        prefetch: How many pages to fetch while the caller works; 0 for none.

    Example:
        ```python
        listing = client.list(org)
        try:
            async for key in listing:
                print(key.name)
        except APIConnectionError as error:
            listing = client.list(org, page_token=error.cursor)  # continue later
        ```
    """

    def __init__(self, fetch: FetchPage, *, page_token: str | None = None, prefetch: int = 1) -> None:
        self._fetch = fetch
        self._page_token = page_token
        self._prefetch = prefetch
        self._pass: _ListingPass | None = None
        self.error: AccessKeysError | None = None
        """What the last pass, or `start`, failed with; None if it did not fail."""
        self.cursor: str | None = page_token
        """The page token to continue with: of the page whose keys are being yielded, then of the next.

        None before the first page has been yielded, and after the last.
        """
        self.complete = False
        """Whether the last page has been yielded."""
        self.duplicates = 0
        """How many repeated keys were left out."""

    async def start(self, *, pages: int = 1) -> None:
        """Fetch pages before the next `async for`, which raises what fails here.

        A failure is in `error` at once. If an `async for` is running already, the pages are fetched for it.

        Args:
            pages: How many pages to fetch in all, from the first.
        """
        if self._pass is None:
            self._pass = self._new_pass()
        await self._pass.start(pages)
        self.error = self._pass.failure

    async def pages(self) -> AsyncGenerator[AccessKeyPage, None]:
        """Yield each page, without repeated keys.

        Yields:
            The pages, also empty ones.
        """
        self.error, self.cursor, self.complete, self.duplicates = None, self._page_token, False, 0
        if self._pass is None or self._pass.started:
            self._pass = self._new_pass()
        current = self._pass
        current.started = True
        try:
            while (found := await current.next()) is not None:
                page, left_out = found
                self.duplicates += left_out
                yield page
                self.cursor = page.next_page_token
                # Release the page before the next is decoded, which then reuses its memory.
                del found, page
            self.complete = True
        except AccessKeysError as error:
            self.error = error
            raise
        finally:
            await current.close()

    def _new_pass(self) -> _ListingPass:
        return _ListingPass(Prefetcher(self._fetch, self._page_token, look_ahead=self._prefetch))

    async def first(self) -> AccessKey | None:
        """Return the first key. No page is prefetched.

        Returns:
            The key, or None if there is none.
        """
        single = Listing(self._fetch, page_token=self._page_token, prefetch=0)
        async with aclosing(single.keys()) as keys:
            async for key in keys:
                return key
        return None


class RecentIds:
    """The ids of the latest pages, to recognize repeated keys.

    There are two generations, each a full page or several small ones. So a full page's ids are stored as they
    are, and the older generation is dropped as a whole; neither costs time per key.
    """

    __slots__ = ("_latest", "_older", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._latest: set[int] = set()
        self._older: set[int] = set()

    def drop_seen(self, keys: tuple[AccessKey, ...]) -> tuple[AccessKey, ...]:
        """Return the keys whose ids are new, and remember those."""
        ids = {key.id.int for key in keys}
        if len(ids) < len(keys) or not (ids.isdisjoint(self._latest) and ids.isdisjoint(self._older)):
            new: dict[int, AccessKey] = {}
            for key in keys:
                if key.id.int not in self._latest and key.id.int not in self._older:
                    new.setdefault(key.id.int, key)
            keys = tuple(new.values())
        if len(self._latest) < self._size:
            self._latest |= ids
        else:
            self._older, self._latest = self._latest, ids
        return keys


class _ListingPass:
    """One pass: a prefetcher, and the ids that it brought last."""

    __slots__ = ("_decoded", "_prefetcher", "_recent", "started")

    def __init__(self, prefetcher: Prefetcher) -> None:
        self._prefetcher = prefetcher
        self._recent = RecentIds(REMEMBERED_IDS)
        self._decoded: deque[tuple[AccessKeyPage, int]] = deque()
        self.started = False
        """Whether an `async for` has taken it."""

    @property
    def failure(self) -> AccessKeysError | None:
        failure = self._prefetcher.failure
        return failure if isinstance(failure, AccessKeysError) else None

    async def start(self, pages: int) -> None:
        """Fetch until `pages` pages were fetched in all, unless the prefetcher's task runs."""
        while self._prefetcher.can_fetch_now(pages):
            try:
                self._accept(await self._prefetcher.fetch_now(pages))
            except AccessKeysError:
                return  # `next` raises it in its place

    async def next(self) -> tuple[AccessKeyPage, int] | None:
        """Return the next page, and how many repeated keys were left out of it; None after the last."""
        prefetcher = self._prefetcher
        while not self._decoded:
            if prefetcher.undecoded:
                self._accept(await prefetcher.decode())
            elif prefetcher.cursor.is_over:
                return None
            elif prefetcher.failure is not None:
                raise prefetcher.failure
            elif prefetcher.check_task():
                await prefetcher.arrival.wait()
            else:
                self._accept(await prefetcher.fetch_now(prefetcher.fetched + 1))
        found = self._decoded.popleft()
        prefetcher.run_ahead()  # only now: a listing of one page needs no task
        return found

    async def close(self) -> None:
        """Stop fetching, and return once nothing is in flight."""
        await self._prefetcher.close()

    def _accept(self, page: AccessKeyPage | None) -> None:
        if page is None:
            return
        keys = self._recent.drop_seen(page.results)
        self._prefetcher.cursor.advance(page, new_keys=len(keys))
        left_out = len(page.results) - len(keys)
        self._decoded.append((evolve(page, results=keys) if left_out else page, left_out))
