"""How many directions `scan_many` reads an organization in."""

from __future__ import annotations

import pytest
from attrs import define, field

from accesskeys_async import AccessKeysClient, Request, Response
from tests.unit._listing.test_streams_closed import ORG, Service
from tests.unit.conftest import Unthrottled


@define
class CountingService(Service):
    backward: int = field(default=0, kw_only=True)

    async def __call__(self, request: Request, call_next: object) -> Response:
        self.backward += "reverse" in request.query
        return await super().__call__(request, call_next)


@pytest.mark.parametrize(("at_once", "backward"), [(1, True), (4, True), (5, False), (None, False)])
async def test_organizations_are_read_from_both_ends_at_once_if_slots_are_free(
    at_once: int | None, backward: bool
) -> None:
    service = CountingService()
    client = AccessKeysClient(
        "token-of-nobody-000000",
        base_url="http://localhost",
        middlewares=[service],
        throttle=Unthrottled(),
        max_concurrency=8,
    )
    async for _, scan in client.scan_many([ORG], limit=2, at_once=at_once):
        assert len(await scan.collect(max_items=6)) == 6
    assert (service.backward > 0) is backward
