"""The next request goes out on a glance at an answer, and a wrong glance does no harm."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async import APIResponseError, NotFoundError
from accesskeys_async._contract.decoding import glance_at_page_token
from accesskeys_async._listing.listing import Listing
from accesskeys_async._listing.pages import PageSource
from accesskeys_async._listing.scan import FAR, Scan
from accesskeys_async.records import AccessKeyPage
from tests.unit._listing.scripted_pages import Service, make_key, settle

NOWHERE = "nowhere"


class Glancing(PageSource[AccessKeyPage]):
    """A service whose answers are read apart from being fetched, and whose glances are scripted."""

    def __init__(self, service: Service, glances: Mapping[str | None, str | None]) -> None:
        self.service = service
        self.glances = glances
        self.read_pages: list[AccessKeyPage] = []
        self.asked_at_reading: list[int] = []

    async def ask(self, page_token: str | None) -> AccessKeyPage:
        if page_token not in self.service.pages:
            self.service.asked.append(page_token)
            raise NotFoundError("GET /", status=404)
        page = await self.service(page_token)
        await settle()  # as long as a network takes, and longer than reading does
        return page

    def glance(self, answer: AccessKeyPage) -> str | None:
        return self.glances.get(answer.next_page_token, answer.next_page_token)

    def read(self, answer: AccessKeyPage) -> AccessKeyPage:
        self.read_pages.append(answer)
        self.asked_at_reading.append(len(self.service.asked))
        return answer


async def test_the_next_request_goes_out_before_an_answer_that_was_waited_for_is_read() -> None:
    source = Glancing(Service([0], [1], [2], [3]), {})
    assert len(await Listing(source, prefetch=1).collect()) == 4
    # The first page is read as it comes; from then on the next is asked for first.
    assert source.asked_at_reading == [1, 3, 4, 4]


async def test_what_is_fetched_ahead_is_not_read_before_the_caller_comes_for_it() -> None:
    source = Glancing(Service([0], [1], [2], [3]), {})
    pages = Listing(source, prefetch=1).pages()
    await anext(pages)
    await settle()
    await settle()
    assert source.service.asked == [None, "p1"]
    assert len(source.read_pages) == 1
    await anext(pages)
    await settle()
    await settle()
    assert source.service.asked == [None, "p1", "p2"]
    assert len(source.read_pages) == 2
    await pages.aclose()


@given(
    count=st.integers(1, 8),
    prefetch=st.integers(0, 4),
    glances=st.dictionaries(
        st.sampled_from([None, *(f"p{index}" for index in range(1, 8))]),
        st.sampled_from([None, NOWHERE, *(f"p{index}" for index in range(1, 8))]),
    ),
)
def test_whatever_the_glances_say_every_key_comes_once_and_in_order(
    count: int, prefetch: int, glances: dict[str | None, str | None]
) -> None:
    async def read() -> list[int]:
        source = Glancing(Service(*([index] for index in range(count))), glances)
        listing = Listing(source, prefetch=prefetch)
        keys = [key.id.int async for key in listing]
        assert listing.complete
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return keys

    assert asyncio.run(read()) == list(range(count))


def make_ends(count: int, glances: Mapping[str | None, str | None]) -> tuple[Glancing, Glancing]:
    ids = [[3 * index, 3 * index + 1, 3 * index + 2] for index in range(count)]
    mirror = [page[::-1] for page in reversed(ids)]
    return Glancing(Service(*ids), glances), Glancing(Service(*mirror), glances)


async def test_far_into_a_scan_the_next_request_goes_out_before_an_answer_is_read() -> None:
    forward, backward = make_ends(40, {})
    assert len(await Scan(forward, backward).collect()) == 120
    for side in (forward, backward):
        ahead = [asked - read for read, asked in enumerate(side.asked_at_reading, start=1)]
        assert ahead[:FAR] == [0] * FAR
        assert set(ahead[FAR:]) == {1}


@pytest.mark.parametrize("count", range(1, 2 * FAR))
async def test_a_scan_of_few_pages_asks_nothing_on_a_glance(count: int) -> None:
    forward, backward = make_ends(count, {})
    plain_forward, plain_backward = make_ends(count, dict.fromkeys([None, *(f"p{n}" for n in range(99))]))
    assert len(await Scan(forward, backward).collect()) == 3 * count
    assert len(await Scan(plain_forward, plain_backward).collect()) == 3 * count
    assert forward.service.asked == plain_forward.service.asked
    assert backward.service.asked == plain_backward.service.asked


@pytest.mark.slow
@given(
    count=st.integers(1, 24),
    glances=st.dictionaries(
        st.sampled_from([None, *(f"p{index}" for index in range(1, 24))]),
        st.sampled_from([None, NOWHERE, *(f"p{index}" for index in range(1, 24))]),
    ),
)
def test_whatever_the_glances_say_every_key_of_a_scan_comes_once(
    count: int, glances: dict[str | None, str | None]
) -> None:
    async def read() -> list[int]:
        scan = Scan(*make_ends(count, glances))
        keys = [key.id.int async for key in scan]
        assert scan.complete
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return keys

    assert sorted(asyncio.run(read())) == list(range(3 * count))


async def test_an_answer_that_cannot_be_read_has_its_page_as_cursor() -> None:
    class Unreadable(Glancing):
        def read(self, answer: AccessKeyPage) -> AccessKeyPage:
            if answer.results[0] == make_key(2):
                raise APIResponseError("$", "expected JSON")
            return super().read(answer)

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
def test_a_glance_finds_a_plain_token_and_never_raises(body: bytes, token: str | None) -> None:
    assert glance_at_page_token(body) == token
