"""The pages of one organization's keys, over HTTP (`listAccessKeys`)."""

from __future__ import annotations

from collections.abc import Callable

from accesskeys_async._contract import arguments, decoding, requests, responses
from accesskeys_async._contract.arguments import Id
from accesskeys_async._http.messages import Next, Request, Response
from accesskeys_async._listing.pages import MAX_EMPTY_PAGES, PageSource
from accesskeys_async.records import AccessKeyPage


class KeyPages(PageSource[tuple[Request, Response]]):
    """One organization's pages in one direction. Fetching checks `org`."""

    def __init__(
        self,
        send: Next,
        org: Id,
        *,
        limit: int,
        reverse: bool,
        new_deadline: Callable[[], float | None],
        max_empty_pages: int = MAX_EMPTY_PAGES,
    ) -> None:
        self._send = send
        self._org = org
        self._limit = limit
        self._reverse = reverse
        self._new_deadline = new_deadline
        self.max_empty_pages = max_empty_pages

    async def fetch(self, page_token: str | None) -> tuple[Request, Response]:
        """Send the request for a page."""
        request = requests.build_list(
            arguments.read_id("org", self._org),
            limit=self._limit,
            reverse=self._reverse,
            page_token=page_token,
            deadline=self._new_deadline(),
        )
        return request, await self._send(request)

    def peek_next_token(self, response: tuple[Request, Response]) -> str | None:
        """Return the next page token; None if it is too long to be sent."""
        page_token = decoding.peek_next_page_token(response[1].body)
        if page_token is None or len(page_token) > arguments.MAX_PAGE_TOKEN_LENGTH:
            return None
        return page_token

    def decode(self, response: tuple[Request, Response]) -> AccessKeyPage:
        """Decode the page."""
        return responses.read_page(*response)
