from __future__ import annotations

import asyncio

import pytest
from multidict import CIMultiDict
from yarl import URL

from accesskeys_async.transport.failures import DroppedError
from accesskeys_async.transport.messages import OwnRequest


async def test_headers_make_one_request_and_no_other() -> None:
    headers = CIMultiDict({"Authorization": "AccessKey secret", "Accept": "application/json"})
    loop = asyncio.get_running_loop()

    request = OwnRequest("GET", URL("http://127.0.0.1:8080/path"), headers=headers, loop=loop)

    assert [*request.headers.items()] == [
        ("Host", "127.0.0.1:8080"),
        ("Authorization", "AccessKey secret"),
        ("Accept", "application/json"),
    ]
    with pytest.raises(DroppedError, match="sent once"):
        OwnRequest("GET", URL("http://127.0.0.1:8080/path"), headers=headers, loop=loop)
