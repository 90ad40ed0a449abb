"""How the calls for many look to a type checker. Nothing here runs: mypy and pyright read it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_type
from uuid import UUID

from accesskeys_async import (
    AccessKey,
    AccessKeyPage,
    AccessKeysClient,
    AccessKeysError,
    CreatedAccessKey,
    Listing,
    Listings,
    NewKey,
    Outcome,
    Scan,
)


async def scan_one(client: AccessKeysClient, org: str) -> None:
    scan = client.scan(org, limit=50)
    assert_type(scan, Scan)
    assert_type(scan.mirrored, bool | None)
    assert_type(await scan.collect(), list[AccessKey])
    async for key in scan:
        assert_type(key, AccessKey)
    async for page in scan.pages():
        assert_type(page, AccessKeyPage)


async def read_many(client: AccessKeysClient, orgs: list[str], ids: AsyncIterator[UUID]) -> None:
    listings = client.list_many(orgs, prefetch=2, at_once=10)
    assert_type(listings, Listings[str, Listing])
    async for org, listing in listings:
        assert_type(org, str)
        assert_type(listing, Listing)
        assert_type(listing.error, AccessKeysError | None)
    async for page in client.list_many(ids).pages():
        assert_type(page, Outcome[UUID, AccessKeyPage])
    async for _, scan in client.scan_many(ids):
        assert_type(scan, Scan)
    async for outcome in client.get_many(orgs[0], ids):
        assert_type(outcome, Outcome[UUID, AccessKey])
        assert_type(outcome.item, UUID)
        assert_type(outcome.unwrap(), AccessKey)
        assert_type(outcome.error, AccessKeysError | None)


async def change_many(client: AccessKeysClient, org: str, keys: list[AccessKey | UUID]) -> None:
    async for made in client.create_many(org, [NewKey("name", "description")], recover=True):
        assert_type(made, Outcome[NewKey, CreatedAccessKey])
    async for changed in client.update_many(org, keys, name="one", description=str):
        assert_type(changed.unwrap(), AccessKey)
    async for deleted in client.delete_many(org, keys, missing_ok=True):
        assert_type(deleted, Outcome[AccessKey | UUID, None])
