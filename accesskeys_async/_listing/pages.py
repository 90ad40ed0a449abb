"""Going from page to page, and what every way of reading an organization's keys has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, Generic, TypeAlias, TypeVar

from accesskeys_async.errors import AccessKeysError, PaginationError
from accesskeys_async.records import AccessKey, AccessKeyPage

MAX_EMPTY_PAGES: Final = 1000
"""How many pages in a row may bring no key, unless the client says otherwise."""

FetchPage: TypeAlias = Callable[[str | None], Awaitable[AccessKeyPage]]
"""Gives the page at a page token; None for the first."""

Answer = TypeVar("Answer")


class PageSource(ABC, Generic[Answer]):
    """A `FetchPage` in its parts, so that the next request can go out before an answer is read."""

    max_empty_pages: int = MAX_EMPTY_PAGES
    """How many pages in a row may bring no new key."""

    @abstractmethod
    async def ask(self, page_token: str | None) -> Answer:
        """Fetch what `read` reads."""

    @abstractmethod
    def glance(self, answer: Answer) -> str | None:
        """Guess the next page's token at no cost, or return None; `read` has the word on it."""

    @abstractmethod
    def read(self, answer: Answer) -> AccessKeyPage:
        """Read the page."""

    async def __call__(self, page_token: str | None) -> AccessKeyPage:
        """Fetch and read the page at a page token."""
        return self.read(await self.ask(page_token))


class PlainSource(PageSource[AccessKeyPage]):
    """Any `FetchPage` as a `PageSource`: its answer is the page."""

    def __init__(self, fetch: FetchPage) -> None:
        self._fetch = fetch

    async def ask(self, page_token: str | None) -> AccessKeyPage:
        """Fetch the page."""
        return await self._fetch(page_token)

    def glance(self, answer: AccessKeyPage) -> str | None:
        """Return the next page's token."""
        return answer.next_page_token

    def read(self, answer: AccessKeyPage) -> AccessKeyPage:
        """Return the page."""
        return answer


class Reading(ABC):
    """One way through an organization's keys: `async for key in reading`, or `async for page in pages()`."""

    error: AccessKeysError | None
    """What the last pass, or `start`, failed with; None where it did not."""

    @abstractmethod
    def pages(self) -> AsyncGenerator[AccessKeyPage, None]:
        """Yield each page, without the keys that came before."""

    @abstractmethod
    async def start(self, *, pages: int = 1) -> None:
        """Fetch the first `pages` pages now, for the next `async for`; what fails is raised there."""

    def __aiter__(self) -> AsyncIterator[AccessKey]:
        return self.keys()

    async def keys(self) -> AsyncGenerator[AccessKey, None]:
        """Yield each key; what `async for` over the object itself does."""
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for key in page.results:
                    yield key
                del page  # before the next is decoded, as in `pages`

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


class Steps:
    """Take the pages of one direction, one by one, and notice when they go in circles, or lead nowhere."""

    __slots__ = ("_barren", "_fetch", "_lost", "_max_barren", "_seen", "is_over", "token")

    def __init__(self, fetch: FetchPage, page_token: str | None = None) -> None:
        self._fetch = fetch
        # Their hashes, to be small; Python draws new ones for each process, so none can be made to collide.
        self._seen = {hash(page_token)}
        self._lost: PaginationError | None = None
        self._barren = 0
        self._max_barren = fetch.max_empty_pages if isinstance(fetch, PageSource) else MAX_EMPTY_PAGES
        self.token = page_token
        """Of the page that comes next."""
        self.is_over = False
        """Whether the last page was taken."""

    async def take(self) -> AccessKeyPage:
        """Fetch the page at `token`, for `note` to step past it.

        Raises PaginationError in place of the page whose token came before; every error has its `cursor`.
        """
        self.check()
        token = self.token
        try:
            return await self._fetch(token)
        except AccessKeysError as error:
            error.cursor = token
            raise

    def check(self) -> None:
        """Raise PaginationError if the next page token is repeated, or too many pages brought no new key."""
        if self._lost is not None:
            raise self._lost

    def has_passed(self, page_token: str | None) -> bool:
        """Tell whether a page token came before."""
        return hash(page_token) in self._seen

    def note(self, page: AccessKeyPage, *, fresh: int) -> None:
        """Step past a page that was fetched at `token`, and brought `fresh` new keys.

        The page that leads nowhere is sound: `check` raises once it was passed on.
        """
        self.token = token = page.next_page_token
        if token is None:
            self.is_over = True
            return
        self._barren = 0 if fresh else self._barren + 1
        seen = hash(token)
        if seen in self._seen:
            self._lose("the listing goes in circles: a page token was repeated; start anew")
        elif self._barren >= self._max_barren:
            self._lose(
                f"the listing brought no new key in {self._barren:,} pages in a row; "
                "start anew, or raise max_empty_pages"
            )
        self._seen.add(seen)

    def _lose(self, message: str) -> None:
        self._lost = PaginationError(message)
        self._lost.cursor = self.token
