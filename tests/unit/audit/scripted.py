"""A client whose pages come from a script, to test audits in every situation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Self
from uuid import UUID

from accesskeys_async import AccessKeysClient
from accesskeys_async._listing.pages import PageSource
from accesskeys_async.errors import PaginationError
from accesskeys_async.records import UNSET, AccessKey, AccessKeyPage, Role, Unset
from tests.unit.audit.judged import make_key


class Pages(PageSource[str]):
    """Pages by their tokens, the first by "0"; a peek may be wrong."""

    def __init__(
        self, pages: Mapping[str, AccessKeyPage], peeks: Mapping[str, str | None] | None = None
    ) -> None:
        self._pages = pages
        self._peeks = peeks or {}
        self.requested = 0
        self.decoded = 0

    async def fetch(self, page_token: str | None) -> str:
        page = page_token or "0"
        self.requested += 1
        if page not in self._pages:
            raise PaginationError(f"there is no page {page}")
        return page

    def peek_next_token(self, response: str) -> str | None:
        return self._peeks.get(response, self._pages[response].next_page_token)

    def decode(self, response: str) -> AccessKeyPage:
        self.decoded += 1
        return self._pages[response]


class Scripted(AccessKeysClient):
    """A client of one script for all organizations, or of one for each that is named.

    A key that is read alone has the roles of `roles`, or raises what is there.
    """

    def __init__(self, pages: Pages, **others: Pages) -> None:
        super().__init__("token-of-nobody-000000", base_url="http://localhost")
        self._pages = pages
        self.roles: dict[UUID, tuple[Role, ...] | Unset | Exception] = {}
        self.gets: list[UUID] = []
        self.at_once = self.most_at_once = 0
        self._others = {UUID(int=int(name.removeprefix("org"))): one for name, one in others.items()}

    def with_options(self, **_: object) -> Self:
        return self

    async def get(self, org: object, key_id: object) -> AccessKey:
        assert isinstance(key_id, UUID)
        self.gets.append(key_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        found = self.roles.get(key_id, ())
        if isinstance(found, Exception):
            raise found
        return make_key(id=key_id, roles=found, role_refs=UNSET)

    def page_source(self, org: object, *, limit: int = 100, reverse: bool = False) -> Pages:
        assert isinstance(org, UUID)
        return self._others.get(org, self._pages)


def make_pages(count: int, *, keys: int = 1, then: str | None = None) -> dict[str, AccessKeyPage]:
    """So many pages in a row, of so many keys each; the last one's token is `then`."""
    return {
        str(number): AccessKeyPage(
            tuple(make_key() for _ in range(keys)), str(number + 1) if number + 1 < count else then
        )
        for number in range(count)
    }
