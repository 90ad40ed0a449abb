"""The requests of our own aiohttp sessions."""

from __future__ import annotations

from collections.abc import Iterable

import aiohttp
from aiohttp.typedefs import LooseHeaders
from multidict import CIMultiDict
from yarl import URL

__all__ = ["OwnRequest"]


class OwnRequest(aiohttp.ClientRequest):
    """Takes its headers as the session has merged them, where aiohttp copies them one by one."""

    def update_host(self, url: URL) -> None:
        """Do nothing: a base URL was seen to have a host, and no user."""

    def update_headers(self, headers: LooseHeaders | None) -> None:
        """Keep the headers, of which Host is one. They are this request's alone."""
        assert isinstance(headers, CIMultiDict)
        self.headers = headers

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add none: the session's own have them all."""
