from __future__ import annotations

from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async import AccessKeysClient, ClientClosedError
from accesskeys_async._listing.pages import MAX_EMPTY_PAGES
from accesskeys_async.audit.records import Unreadable
from accesskeys_async.audit.run.fetching import MAX_UNDECODED_PAGES, KeyFetcher
from accesskeys_async.records import AccessKey, AccessKeyPage
from tests.unit.audit.judged import ORGANIZATION, make_key
from tests.unit.audit.scripted import Pages, Scripted, make_pages


async def read(pages: Pages, *, max_keys: int = 1_000) -> tuple[AccessKey, ...] | Unreadable:
    fetcher = KeyFetcher(Scripted(pages), ORGANIZATION, max_keys=max_keys)
    await fetcher.fetch()
    while (keys := fetcher.take()) is None:
        await fetcher.fetch(to_the_end=True)
    return keys


def keys_of(pages: dict[str, AccessKeyPage]) -> tuple[AccessKey, ...]:
    return tuple(key for page in pages.values() for key in page.results)


@pytest.mark.parametrize(
    "count", [1, 2, MAX_UNDECODED_PAGES, MAX_UNDECODED_PAGES + 1, 3 * MAX_UNDECODED_PAGES]
)
async def test_all_pages_are_read_in_order_each_once(count: int) -> None:
    pages = make_pages(count)
    script = Pages(pages)
    assert await read(script) == keys_of(pages)
    assert (script.requested, script.decoded) == (count, count)


@pytest.mark.parametrize(
    ("count", "undecoded"), [(1, 1), (MAX_UNDECODED_PAGES, MAX_UNDECODED_PAGES), (MAX_UNDECODED_PAGES + 3, 3)]
)
async def test_a_bounded_number_of_pages_waits_undecoded(count: int, undecoded: int) -> None:
    script = Pages(make_pages(count))
    await KeyFetcher(Scripted(script), ORGANIZATION, max_keys=1_000).fetch()
    assert script.requested - script.decoded == undecoded


@pytest.mark.slow
@given(
    st.integers(1, MAX_UNDECODED_PAGES + 5).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.dictionaries(
                st.integers(0, count - 1).map(str),
                st.none() | st.integers(0, count - 1).map(str) | st.just("nowhere"),
            ),
        )
    )
)
async def test_wrong_peeks_lose_no_key(
    drawn: tuple[int, dict[str, str | None]],
) -> None:
    count, peeks = drawn
    pages = make_pages(count)
    assert await read(Pages(pages, peeks)) == keys_of(pages)


async def test_a_page_that_seems_to_be_the_last_is_decoded_if_fetched_to_the_end() -> None:
    pages = make_pages(4)
    fetcher = KeyFetcher(Scripted(Pages(pages, dict.fromkeys(pages))), ORGANIZATION, max_keys=1_000)
    await fetcher.fetch(to_the_end=True)
    assert fetcher.take() == keys_of(pages)


async def test_pages_that_go_in_circles_are_unreadable_and_soon_noticed() -> None:
    script = Pages(make_pages(3, then="1"))
    unreadable = await read(script)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.reason == "response"
    assert unreadable.message == "the listing goes in circles: a page token was repeated; start anew"
    assert script.requested <= 4


async def test_endless_empty_pages_are_unreadable() -> None:
    pages = make_pages(MAX_EMPTY_PAGES + 10)
    script = Pages({token: evolve(page, results=()) for token, page in pages.items()})
    unreadable = await read(script)
    assert isinstance(unreadable, Unreadable)
    assert "no new key in 1,000 pages" in unreadable.message
    assert script.decoded == MAX_EMPTY_PAGES


@pytest.mark.parametrize("max_keys", [1_000_000, 100])
async def test_endlessly_repeated_keys_are_unreadable(max_keys: int) -> None:
    keys = tuple(make_key() for _ in range(3))
    pages = make_pages(MAX_EMPTY_PAGES + 100)
    script = Pages({token: evolve(page, results=keys) for token, page in pages.items()})
    unreadable = await read(script, max_keys=max_keys)
    assert isinstance(unreadable, Unreadable)
    assert "no new key in 1,000 pages" in unreadable.message
    assert script.decoded == MAX_EMPTY_PAGES + 1


async def test_repeated_keys_do_not_count_towards_the_bound() -> None:
    keys = tuple(make_key() for _ in range(3))
    pages = {token: evolve(page, results=keys) for token, page in make_pages(10).items()}
    assert await read(Pages(pages), max_keys=3) == keys


async def test_an_organization_that_fails_in_the_middle_is_unreadable() -> None:
    unreadable = await read(Pages(make_pages(3, then="nowhere")))
    assert unreadable == Unreadable("response", "there is no page nowhere")


@pytest.mark.parametrize("count", [2, 2 * MAX_UNDECODED_PAGES])
async def test_too_many_keys_are_unreadable_and_end_the_fetching(count: int) -> None:
    script = Pages(make_pages(count))
    assert await read(script, max_keys=count) == keys_of(script._pages)
    unreadable = await read(Pages(make_pages(count)), max_keys=1)
    assert unreadable == Unreadable("response", "has more than 1 keys; raise max_keys")
    endless = Pages(make_pages(3 * MAX_UNDECODED_PAGES))
    await read(endless, max_keys=1)
    assert endless.requested <= MAX_UNDECODED_PAGES


async def test_a_repeated_key_counts_once_as_it_was_last_seen() -> None:
    early, late = (make_key(id=UUID(int=5), name=name) for name in ("early", "late"))
    pages = {"0": AccessKeyPage((early,), "1"), "1": AccessKeyPage((late,), None)}
    assert await read(Pages(pages), max_keys=10) == (late,)


async def test_a_closed_client_raises() -> None:
    client = AccessKeysClient("token-of-nobody-000000", base_url="http://localhost:1")
    await client.aclose()
    with pytest.raises(ClientClosedError):
        await KeyFetcher(client, ORGANIZATION, max_keys=1).fetch()
