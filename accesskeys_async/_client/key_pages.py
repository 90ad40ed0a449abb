"""Where the pages of an organization's keys come from: requests, sent and read."""

from __future__ import annotations

from collections.abc import Callable

from accesskeys_async._contract import arguments, decoding, requests, responses
from accesskeys_async._contract.arguments import Id
from accesskeys_async._http.messages import Next, Request, Response
from accesskeys_async._listing.pages import MAX_EMPTY_PAGES, PageSource
from accesskeys_async.records import AccessKeyPage


class KeyPages(PageSource[tuple[Request, Response]]):
    """One organization's pages, in one direction. Fetching checks `org`."""

    def __init__(
        self,
        send: Next,
        org: Id,
        *,
        limit: int,
        reverse: bool,
        latest: Callable[[], float | None],
        max_empty_pages: int = MAX_EMPTY_PAGES,
    ) -> None:
        self._send = send
        self._org = org
        self._limit = limit
        self._reverse = reverse
        self._latest = latest
        self.max_empty_pages = max_empty_pages

    async def ask(self, page_token: str | None) -> tuple[Request, Response]:
        """Send the request for a page."""
        request = requests.build_list(
            arguments.read_id("org", self._org),
            limit=self._limit,
            reverse=self._reverse,
            page_token=page_token,
            deadline=self._latest(),
        )
        return request, await self._send(request)

    def glance(self, answer: tuple[Request, Response]) -> str | None:
        """Guess the next page's token; None for one that could not be asked with."""
        token = decoding.glance_at_page_token(answer[1].body)
        return token if token is not None and len(token) <= arguments.MAX_PAGE_TOKEN_LENGTH else None

    def read(self, answer: tuple[Request, Response]) -> AccessKeyPage:
        """Read the page."""
        return responses.read_page(*answer)
