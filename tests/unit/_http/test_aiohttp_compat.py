from __future__ import annotations

import asyncio

from multidict import CIMultiDict
from yarl import URL

from accesskeys_async._http.aiohttp_compat import PreparedHeadersRequest, can_watch


async def test_headers_stay_as_the_session_merged_them() -> None:
    headers = CIMultiDict({"Host": "127.0.0.1:8080", "Authorization": "AccessKey secret"})
    loop = asyncio.get_running_loop()

    request = PreparedHeadersRequest("GET", URL("http://127.0.0.1:8080/path"), headers=headers, loop=loop)

    assert [*request.headers.items()] == [("Host", "127.0.0.1:8080"), ("Authorization", "AccessKey secret")]


def test_connections_are_watched_only_with_an_aiohttp_that_has_all_that_is_needed() -> None:
    assert can_watch({str: ("join", "split"), int: ("real",)})
    assert not can_watch({str: ("join", "disjoin"), int: ("real",)})
