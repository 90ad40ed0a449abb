"""The next request is sent on a peek at the page token, and a wrong peek loses no key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async import APIResponseError, NotFoundError
from accesskeys_async._contract.decoding import peek_next_page_token
from accesskeys_async._listing.listing import Listing
from accesskeys_async._listing.pages import PageSource
from accesskeys_async._listing.scan import MIN_PAGES_TO_SPECULATE, Scan
from accesskeys_async.records import AccessKeyPage
from tests.unit._listing.scripted_pages import Service, make_key, settle

NOWHERE = "nowhere"


class PeekedSource(PageSource[AccessKeyPage]):
    """A service whose pages are decoded after they were fetched, with scripted peeks."""

    def __init__(self, service: Service, peeks: Mapping[str | None, str | None]) -> None:
        self.service = service
        self.peeks = peeks
        self.decoded: list[AccessKeyPage] = []
        self.sent_at_decoding: list[int] = []

    async def fetch(self, page_token: str | None) -> AccessKeyPage:
        if page_token not in self.service.pages:
            self.service.asked.append(page_token)
            raise NotFoundError("GET /", status=404)
        page = await self.service(page_token)
        await settle()  # as long as a network takes, and longer than decoding does
        return page

    def peek_next_token(self, response: AccessKeyPage) -> str | None:
        return self.peeks.get(response.next_page_token, response.next_page_token)

    def decode(self, response: AccessKeyPage) -> AccessKeyPage:
        self.decoded.append(response)
        self.sent_at_decoding.append(len(self.service.asked))
        return response


async def test_the_next_request_is_sent_before_a_page_is_decoded_that_the_caller_waits_for() -> None:
    source = PeekedSource(Service([0], [1], [2], [3]), {})
    assert len(await Listing(source, prefetch=1).collect()) == 4
    # The first page is decoded as it comes; from then on the next request is sent first.
    assert source.sent_at_decoding == [1, 3, 4, 4]


async def test_a_prefetched_page_is_decoded_only_when_the_caller_asks_for_it() -> None:
    source = PeekedSource(Service([0], [1], [2], [3]), {})
    pages = Listing(source, prefetch=1).pages()
    await anext(pages)
    await settle()
    await settle()
    assert source.service.asked == [None, "p1"]
    assert len(source.decoded) == 1
    await anext(pages)
    await settle()
    await settle()
    assert source.service.asked == [None, "p1", "p2"]
    assert len(source.decoded) == 2
    await pages.aclose()


@given(
    count=st.integers(1, 8),
    prefetch=st.integers(0, 4),
    peeks=st.dictionaries(
        st.sampled_from([None, *(f"p{index}" for index in range(1, 8))]),
        st.sampled_from([None, NOWHERE, *(f"p{index}" for index in range(1, 8))]),
    ),
)
def test_wrong_peeks_change_neither_the_keys_of_a_listing_nor_their_order(
    count: int, prefetch: int, peeks: dict[str | None, str | None]
) -> None:
    async def read() -> list[int]:
        source = PeekedSource(Service(*([index] for index in range(count))), peeks)
        listing = Listing(source, prefetch=prefetch)
        keys = [key.id.int async for key in listing]
        assert listing.complete
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return keys

    assert asyncio.run(read()) == list(range(count))


def make_ends(count: int, peeks: Mapping[str | None, str | None]) -> tuple[PeekedSource, PeekedSource]:
    ids = [list(range(10 * index, 10 * index + 10)) for index in range(count)]
    mirror = [page[::-1] for page in reversed(ids)]
    return PeekedSource(Service(*ids), peeks), PeekedSource(Service(*mirror), peeks)


async def test_a_scan_of_many_pages_sends_the_next_request_before_a_page_is_decoded() -> None:
    forward, backward = make_ends(40, {})
    assert len(await Scan(forward, backward).collect()) == 400
    for side in (forward, backward):
        ahead = [sent - decoded for decoded, sent in enumerate(side.sent_at_decoding, start=1)]
        # Nothing can have met before the backward direction has a page: the second request is never wasted.
        assert ahead[:MIN_PAGES_TO_SPECULATE] == [side is forward] + [False] * (MIN_PAGES_TO_SPECULATE - 1)
        assert set(ahead[MIN_PAGES_TO_SPECULATE:]) == {1}


@pytest.mark.parametrize("count", range(1, 2 * MIN_PAGES_TO_SPECULATE - 1))
async def test_a_scan_of_few_pages_sends_no_request_that_a_peek_may_waste(count: int) -> None:
    forward, backward = make_ends(count, {})
    plain_forward, plain_backward = make_ends(count, dict.fromkeys([None, *(f"p{n}" for n in range(99))]))
    assert len(await Scan(forward, backward).collect()) == 10 * count
    assert len(await Scan(plain_forward, plain_backward).collect()) == 10 * count
    assert forward.service.asked == plain_forward.service.asked
    assert backward.service.asked == plain_backward.service.asked


@pytest.mark.slow
@given(
    count=st.integers(1, 24),
    peeks=st.dictionaries(
        st.sampled_from([None, *(f"p{index}" for index in range(1, 24))]),
        st.sampled_from([None, NOWHERE, *(f"p{index}" for index in range(1, 24))]),
    ),
)
def test_wrong_peeks_lose_no_key_of_a_scan(count: int, peeks: dict[str | None, str | None]) -> None:
    async def read() -> list[int]:
        scan = Scan(*make_ends(count, peeks))
        keys = [key.id.int async for key in scan]
        assert scan.complete
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return keys

    assert sorted(asyncio.run(read())) == list(range(10 * count))


async def test_the_error_of_a_page_that_cannot_be_decoded_has_its_page_token() -> None:
    class Unreadable(PeekedSource):
        def decode(self, response: AccessKeyPage) -> AccessKeyPage:
            if response.results[0] == make_key(2):
                raise APIResponseError("$", "expected JSON")
            return super().decode(response)

    listing = Listing(Unreadable(Service([0], [1], [2], [3]), {}), prefetch=1)
    with pytest.raises(APIResponseError) as caught:
        await listing.collect()
    assert caught.value.cursor == listing.cursor == "p2"
    assert listing.error is caught.value


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (b'{"results":[],"nextPageToken":"abc"}', "abc"),
        (b'{"nextPageToken" : "abc","results":[]}', "abc"),
        (b'{"results":[]}', None),
        (b'{"results":[],"nextPageToken":null}', None),
        (b'{"results":[],"nextPageToken":""}', None),
        (b'{"results":[],"nextPageToken":"a\\u0062c"}', None),
        (b'{"results":[{"name":"\\"nextPageToken\\":\\"x\\""}]}', None),
        (b'\xff\xfe"nextPageToken":"\xff"', "\ufffd"),
        (b"", None),
    ],
)
def test_a_peek_finds_a_plain_page_token_and_never_raises(body: bytes, token: str | None) -> None:
    assert peek_next_page_token(body) == token
