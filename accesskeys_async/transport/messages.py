"""The requests and responses of our own aiohttp session: they do less, and are never sent twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import aiohttp
from aiohttp.connector import Connection
from aiohttp.typedefs import LooseHeaders
from multidict import CIMultiDict

from accesskeys_async.transport.failures import DroppedError, drop

__all__ = ["OwnRequest", "OwnResponse"]

SENT_BEFORE: Final = "it was sent once, and is not sent again"


class OwnRequest(aiohttp.ClientRequest):
    """Takes its headers as the session has merged them, where aiohttp copies them one by one."""

    def update_headers(self, headers: LooseHeaders | None) -> None:
        """Use the headers up. Raises DroppedError where they were used: aiohttp would send them once more."""
        assert isinstance(headers, CIMultiDict)
        if not headers:
            raise DroppedError(SENT_BEFORE)
        self.headers = CIMultiDict({"Host": self.url.host_port_subcomponent or ""})
        self.headers.update(headers)
        headers.clear()

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add none: the session's own have them all."""


class OwnResponse(aiohttp.ClientResponse):
    """Says itself that its connection was lost, so that aiohttp does not send the request once more."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the head. Raises DroppedError where the connection is lost before."""
        try:
            return await aiohttp.ClientResponse.start(self, connection)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            dropped = drop(error)
        raise dropped
