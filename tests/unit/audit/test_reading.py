from __future__ import annotations

from uuid import UUID

import pytest

from accesskeys_async import AccessKeysClient, ClientClosedError
from accesskeys_async.audit.reading import WAITING, read_keys
from accesskeys_async.paging import PageSource
from accesskeys_async.records import AccessKeyPage
from tests.unit.audit.judged import ORGANIZATION, make_key


class Pages(PageSource[str]):
    """Pages by their tokens; a glance may be wrong."""

    def __init__(self, pages: dict[str, AccessKeyPage], wrong: dict[str, str]) -> None:
        self._pages = pages
        self._wrong = wrong

    async def ask(self, page_token: str | None) -> str:
        return page_token or "0"

    def glance(self, answer: str) -> str | None:
        return self._wrong.get(answer, self._pages[answer].next_page_token)

    def read(self, answer: str) -> AccessKeyPage:
        return self._pages[answer]


class Scripted(AccessKeysClient):
    """A client whose pages come from a script."""

    def __init__(self, pages: dict[str, AccessKeyPage], **wrong: str) -> None:
        super().__init__("token-of-nobody-000000", base_url="http://localhost")
        self._pages = Pages(pages, {name.removeprefix("p"): token for name, token in wrong.items()})

    def _pages_of(self, org: object, *, limit: int, reverse: bool = False) -> Pages:
        return self._pages


def make_pages(count: int, **last: str) -> dict[str, AccessKeyPage]:
    return {
        str(number): AccessKeyPage((make_key(),), str(number + 1) if number + 1 < count else last.get("then"))
        for number in range(count)
    }


@pytest.mark.parametrize("count", [1, 2, WAITING, WAITING + 1, 3 * WAITING])
async def test_all_pages_are_read_in_order(count: int) -> None:
    pages = make_pages(count)
    expected = tuple(page.results[0] for page in pages.values())
    assert await read_keys(Scripted(pages), ORGANIZATION, max_keys=1_000) == expected


async def test_where_a_glance_was_wrong_the_listing_has_the_word() -> None:
    pages = make_pages(4)
    expected = tuple(page.results[0] for page in pages.values())
    assert await read_keys(Scripted(pages, p0="2"), ORGANIZATION, max_keys=1_000) == expected


async def test_pages_that_go_in_circles_are_no_reading() -> None:
    unreadable = await read_keys(Scripted(make_pages(3, then="1")), ORGANIZATION, max_keys=1_000)
    assert getattr(unreadable, "reason", None) == "response"
    assert "goes in circles" in getattr(unreadable, "message", "")


async def test_a_key_that_comes_again_counts_once_as_it_was_last_seen() -> None:
    early, late = (make_key(id=UUID(int=5), name=name) for name in ("early", "late"))
    pages = {"0": AccessKeyPage((early,), "1"), "1": AccessKeyPage((late,), None)}
    assert await read_keys(Scripted(pages), ORGANIZATION, max_keys=10) == (late,)


async def test_a_closed_client_is_the_callers_mistake() -> None:
    client = AccessKeysClient("token-of-nobody-000000", base_url="http://localhost:1")
    await client.aclose()
    with pytest.raises(ClientClosedError):
        await read_keys(client, ORGANIZATION, max_keys=1)
