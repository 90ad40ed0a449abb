"""The one pager: from page to page of an organization's keys, in one direction."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, Generic, TypeAlias, TypeVar

from accesskeys_async.errors import AccessKeysError, PaginationError
from accesskeys_async.records import AccessKey, AccessKeyPage

MAX_EMPTY_PAGES: Final = 1000
"""The default bound of consecutive pages without a new key."""

FetchPage: TypeAlias = Callable[[str | None], Awaitable[AccessKeyPage]]
"""Returns the page at a page token, or the first page for None."""

Undecoded = TypeVar("Undecoded")


class PageSource(ABC, Generic[Undecoded]):
    """A `FetchPage` in parts, so that the next request can be sent before a page is decoded."""

    max_empty_pages: int = MAX_EMPTY_PAGES
    """How many consecutive pages may have no new key."""

    @abstractmethod
    async def fetch(self, page_token: str | None) -> Undecoded:
        """Fetch a page without decoding it."""

    @abstractmethod
    def peek_next_token(self, response: Undecoded) -> str | None:
        """Return the next page token without decoding the page; only `decode` is certain."""

    @abstractmethod
    def decode(self, response: Undecoded) -> AccessKeyPage:
        """Decode a page."""

    async def __call__(self, page_token: str | None) -> AccessKeyPage:
        """Fetch and decode a page."""
        return self.decode(await self.fetch(page_token))


class DecodedPageSource(PageSource[AccessKeyPage]):
    """A `FetchPage` as a `PageSource`: what it fetches is decoded already."""

    def __init__(self, fetch: FetchPage) -> None:
        self._fetch = fetch

    async def fetch(self, page_token: str | None) -> AccessKeyPage:
        """Fetch the page."""
        return await self._fetch(page_token)

    def peek_next_token(self, response: AccessKeyPage) -> str | None:
        """Return the next page token."""
        return response.next_page_token

    def decode(self, response: AccessKeyPage) -> AccessKeyPage:
        """Return the page."""
        return response


class KeyStream(ABC):
    """An organization's keys: `async for key in stream`, or `async for page in stream.pages()`."""

    error: AccessKeysError | None
    """What the last pass, or `start`, failed with; None if it did not fail."""

    @abstractmethod
    def pages(self) -> AsyncGenerator[AccessKeyPage, None]:
        """Yield each page, without repeated keys."""

    @abstractmethod
    async def start(self, *, pages: int = 1) -> None:
        """Fetch pages before the next `async for`, which raises what fails here.

        Args:
            pages: How many pages to fetch in all.
        """

    def __aiter__(self) -> AsyncIterator[AccessKey]:
        return self.keys()

    async def keys(self) -> AsyncGenerator[AccessKey, None]:
        """Yield each key, as `async for` over the object itself does.

        Yields:
            The keys of all pages.
        """
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for key in page.results:
                    yield key
                del page  # before the next is decoded, as in `pages`

    async def collect(self, *, max_items: int | None = None) -> list[AccessKey]:
        """Return the keys in a list.

        Args:
            max_items: How many keys to return at most; None for all. Fetching stops once there are enough.

        Returns:
            The keys.
        """
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


class PageCursor:
    """The position in one direction, which notices pages that go in circles or bring nothing new."""

    __slots__ = (
        "_barren_pages",
        "_failure",
        "_max_empty_pages",
        "_seen",
        "is_over",
        "next_page_token",
    )

    def __init__(self, page_token: str | None = None, *, max_empty_pages: int = MAX_EMPTY_PAGES) -> None:
        # Hashes are small; Python salts them for each process, so nobody can provoke collisions.
        self._seen = {hash(page_token)}
        self._failure: PaginationError | None = None
        self._barren_pages = 0
        self._max_empty_pages = max_empty_pages
        self.next_page_token = page_token
        """The page token of the page that comes next."""
        self.is_over = False
        """Whether the last page was passed."""

    def raise_if_looping(self) -> None:
        """Raise PaginationError if the next page token is repeated, or too many pages had no new key."""
        if self._failure is not None:
            raise self._failure

    def has_seen(self, page_token: str | None) -> bool:
        """Return whether a page token came before."""
        return hash(page_token) in self._seen

    def advance(self, page: AccessKeyPage, *, new_keys: int) -> None:
        """Pass the page that was fetched at `next_page_token`, and had `new_keys` new keys.

        A page whose next page token is repeated is itself sound: `raise_if_looping` raises after it.
        """
        self.next_page_token = page_token = page.next_page_token
        if page_token is None:
            self.is_over = True
            return
        self._barren_pages = 0 if new_keys else self._barren_pages + 1
        seen = hash(page_token)
        if seen in self._seen:
            self._fail("the listing goes in circles: a page token was repeated; start anew")
        elif self._barren_pages >= self._max_empty_pages:
            self._fail(
                f"the listing brought no new key in {self._barren_pages:,} pages in a row; "
                "start anew, or raise max_empty_pages"
            )
        self._seen.add(seen)

    def _fail(self, message: str) -> None:
        self._failure = PaginationError(message)
        self._failure.cursor = self.next_page_token


class Pager:
    """Fetch pages in turn, and decode them later.

    The page after an undecoded one is fetched by the page token that a peek finds. If decoding shows another
    one, everything that was fetched by the wrong page token is dropped. The owner of a pager counts the new
    keys of each decoded page, and calls `cursor.advance` before it decodes the next.
    """

    __slots__ = ("_peeked", "_source", "cursor", "undecoded")

    def __init__(self, fetch: FetchPage, page_token: str | None = None) -> None:
        self._source: PageSource[Any] = fetch if isinstance(fetch, PageSource) else DecodedPageSource(fetch)
        self.undecoded: deque[tuple[str | None, Any, BaseException | None]] = deque()
        """Page tokens with the pages that were fetched there, or the failures to fetch them."""
        self._peeked: tuple[str | None] | None = None
        self.cursor = PageCursor(page_token, max_empty_pages=self._source.max_empty_pages)

    def peek(self) -> str | None:
        """Return the page token after the last undecoded page; None after a failure or the last page."""
        if self._peeked is None:
            _, response, failure = self.undecoded[-1]
            self._peeked = (None if failure is not None else self._source.peek_next_token(response),)
        return self._peeked[0]

    def is_peek_repeated(self) -> bool:
        """Return whether the peeked page token came before."""
        page_token = self.peek()
        return self.cursor.has_seen(page_token) or any(page_token == one[0] for one in self.undecoded)

    async def fetch(self) -> BaseException | None:
        """Fetch the next page and keep it undecoded; a failure is kept in its place, and returned."""
        page_token = self.peek() if self.undecoded else self.cursor.next_page_token
        response, failure = None, None
        try:
            if not self.undecoded:
                self.cursor.raise_if_looping()
            response = await self._source.fetch(page_token)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised by `decode`
            failure = error
            if isinstance(error, AccessKeysError):
                error.cursor = page_token
        self.undecoded.append((page_token, response, failure))
        self._peeked = None
        return failure

    def decode(self) -> AccessKeyPage | None:
        """Decode the oldest page, or raise the failure in its place.

        Returns None, and drops everything undecoded, if a wrong peek led to it.
        """
        self.cursor.raise_if_looping()
        page_token, response, failure = self.undecoded.popleft()
        if page_token != self.cursor.next_page_token or self.cursor.is_over:
            self.undecoded.clear()
            return None
        if failure is not None:
            raise failure
        try:
            return self._source.decode(response)
        except AccessKeysError as error:
            error.cursor = page_token
            raise
