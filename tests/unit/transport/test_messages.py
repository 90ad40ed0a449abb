from __future__ import annotations

import asyncio

from multidict import CIMultiDict
from yarl import URL

from accesskeys_async.transport.messages import OwnRequest


async def test_headers_stay_as_the_session_merged_them() -> None:
    headers = CIMultiDict({"Host": "127.0.0.1:8080", "Authorization": "AccessKey secret"})
    loop = asyncio.get_running_loop()

    request = OwnRequest("GET", URL("http://127.0.0.1:8080/path"), headers=headers, loop=loop)

    assert [*request.headers.items()] == [("Host", "127.0.0.1:8080"), ("Authorization", "AccessKey secret")]
