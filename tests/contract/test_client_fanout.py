"""Many calls and many listings at once, over real connections to the emulator."""

from __future__ import annotations

import asyncio
import itertools
import warnings
from collections.abc import AsyncIterator
from contextvars import ContextVar
from uuid import UUID

import pytest
from attrs import evolve

from accesskeys_async import (
    AccessKey,
    AccessKeysClient,
    InvalidRequestError,
    NewKey,
    Next,
    NotFoundError,
    PermissionDeniedError,
    Request,
    Response,
)
from accesskeys_async.emulator import Emulator, Fault

KEYS = 250
NOBODY = UUID(int=5)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(organizations=6, keys_per_organization=KEYS) as emulator:
        yield emulator


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[AccessKeysClient]:
    """A client with a token for each organization: a middleware notes which one is asked for."""
    tokens = {UUID(organization.id): organization.token for organization in emulator.organizations}
    asked: ContextVar[UUID] = ContextVar("asked")

    async def note(request: Request, call_next: Next) -> Response:
        asked.set(request.organization_id)
        return await call_next(request)

    async def find_token() -> str:
        return tokens.get(asked.get(), emulator.token)

    async with AccessKeysClient(
        find_token, base_url=emulator.base_url, middlewares=[note], max_concurrency=8
    ) as client:
        yield client


@pytest.fixture
def org(emulator: Emulator) -> str:
    return emulator.organization_id


def ids_of(emulator: Emulator, org: str) -> list[str]:
    return [key.id for key in emulator.keys(org)]


async def test_many_keys_are_read_with_an_outcome_for_each(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    ids = ids_of(emulator, org)
    outcomes = [one async for one in client.get_many(org, [*ids, str(NOBODY), "no id"])]
    errors = {one.item: type(one.error) for one in outcomes if one.error is not None}
    assert errors == {str(NOBODY): NotFoundError, "no id": InvalidRequestError}
    assert sorted(str(one.unwrap().id) for one in outcomes if one.error is None) == sorted(ids)
    assert all(str(one.unwrap().id) == one.item for one in outcomes if one.error is None)


async def test_many_keys_are_created_with_a_token_for_each(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    drafts = [NewKey(f"worker-{number}", "made in a test") for number in range(20)]
    outcomes = [one async for one in client.create_many(org, [*drafts, NewKey("", "no name")])]
    made = {one.item: one.unwrap() for one in outcomes if one.error is None}
    assert set(made) == set(drafts)
    for draft, created in made.items():
        assert created.name == draft.name
        assert emulator.verify(org, created.token.reveal()) == str(created.id)
    (refused,) = [one for one in outcomes if one.error is not None]
    assert str(refused.error) == "name is 0 characters; the API takes 1 to 256"


async def test_creates_whose_answers_are_lost_can_be_recovered_in_bulk(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    emulator.faults.add(Fault.reset_after(operation="create", times=3))
    before = len(ids_of(emulator, org))
    drafts = (NewKey(f"worker-{number}", "made in a test") for number in range(5))
    outcomes = [one async for one in client.create_many(org, drafts, recover=True, settle=0.05)]
    assert {one.unwrap().name for one in outcomes} == {f"worker-{number}" for number in range(5)}
    assert len(ids_of(emulator, org)) == before + 5


def test_naming_role_ids_warns_where_the_draft_is_made() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        NewKey("name", "description", role_ids=[NOBODY])
    assert [(one.category, one.filename) for one in caught] == [(DeprecationWarning, __file__)]


async def test_many_keys_are_changed_by_texts_or_by_what_makes_them(
    client: AccessKeysClient, org: str
) -> None:
    keys = await client.list(org).collect(max_items=30)
    changed = client.update_many(org, keys, name=lambda key: f"{key.name}-v2", description="second")
    async for outcome in changed:
        key = outcome.unwrap()
        assert (key.id, key.name) == (outcome.item.id, f"{outcome.item.name}-v2")
        assert key.description == "second"


async def test_changing_by_id_leaves_alone_what_is_not_named(client: AccessKeysClient, org: str) -> None:
    keys = await client.list(org).collect(max_items=3)
    async for outcome in client.update_many(org, [key.id for key in keys], description="second"):
        assert outcome.unwrap().name == next(key.name for key in keys if key.id == outcome.item)


async def test_many_keys_are_deleted_by_record_or_id(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    keys: list[AccessKey | UUID] = [*await client.list(org).collect(max_items=20)]
    keys[10:] = [key.id for key in keys[10:] if isinstance(key, AccessKey)]
    async for outcome in client.delete_many(org, keys):
        outcome.unwrap()
    assert len(ids_of(emulator, org)) == KEYS + 1 - 20
    again = [one.error async for one in client.delete_many(org, keys)]
    assert {type(error) for error in again} == {NotFoundError}
    assert [one.error async for one in client.delete_many(org, keys, missing_ok=True)] == [None] * 20


async def test_a_record_that_is_not_the_keys_any_more_and_the_own_key_are_spared(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    *others, own = await client.list(org).collect()
    changed = evolve(others[0], suffix="zzzzzz")
    foreign = evolve(others[1], organization_id=NOBODY)
    outcomes = [one async for one in client.delete_many(org, [changed, own, foreign])]
    said = {one.item.id: str(one.error) for one in outcomes}
    assert "not deleted" in said[changed.id]
    assert "whose token this client uses" in said[own.id]
    assert said[foreign.id].endswith(f"of organization {NOBODY}; call for that one")
    assert len(ids_of(emulator, org)) == KEYS + 1


@pytest.mark.parametrize("method", ["get_many", "create_many", "update_many", "delete_many"])
async def test_a_single_item_or_an_organization_that_is_no_id_is_refused_at_once(
    method: str, client: AccessKeysClient, org: str
) -> None:
    call = getattr(client, method)
    with pytest.raises(InvalidRequestError, match="is a single one; it takes several, such as a list"):
        call(org, org)
    with pytest.raises(InvalidRequestError, match=r"^org is "):
        call("no id", [])


async def test_no_more_calls_are_under_way_than_the_client_allows(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    under_way, most = 0, 0

    async def watch(request: Request, call_next: Next) -> Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await call_next(request)
        finally:
            under_way -= 1

    watched = client.with_options(middlewares=[watch], token=emulator.token)
    asked = itertools.count()
    endless = (ids_of(emulator, org)[next(asked) % KEYS] for _ in itertools.repeat(None, 100))
    assert len([one async for one in watched.get_many(org, endless)]) == 100
    assert most == 8 == client.max_concurrency


async def test_many_organizations_are_listed_and_a_failing_one_is_told_beside_the_others(
    client: AccessKeysClient, emulator: Emulator
) -> None:
    orgs = [organization.id for organization in emulator.organizations]
    counts: dict[str, int | type[Exception]] = {}
    async for org, listing in client.list_many([*orgs, str(NOBODY), "no id"]):
        counts[org] = type(listing.error) if listing.error else len(await listing.collect())
    assert counts == {
        **dict.fromkeys(orgs, KEYS + 1),
        str(NOBODY): NotFoundError,
        "no id": InvalidRequestError,
    }


async def test_many_organizations_are_scanned(client: AccessKeysClient, emulator: Emulator) -> None:
    orgs = [organization.id for organization in emulator.organizations]
    async for org, scan in client.scan_many(orgs, limit=20):
        assert sorted(str(key.id) for key in await scan.collect()) == sorted(ids_of(emulator, org))
        assert scan.mirrored


@pytest.mark.parametrize("way", ["list_many", "scan_many"])
async def test_all_pages_of_all_organizations_come(
    way: str, client: AccessKeysClient, emulator: Emulator
) -> None:
    orgs = [organization.id for organization in emulator.organizations]
    found: dict[str, list[str]] = {org: [] for org in orgs}
    async for outcome in getattr(client, way)(orgs, at_once=2, limit=30).pages():
        found[outcome.item] += [str(key.id) for key in outcome.unwrap()]
    assert all(sorted(found[org]) == sorted(ids_of(emulator, org)) for org in orgs)


async def test_a_token_of_one_organization_fails_for_the_others_alone(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    narrow = client.with_options(token=emulator.token, middlewares=[])
    orgs = [organization.id for organization in emulator.organizations]
    errors = {item: type(one.error) async for item, one in narrow.list_many(orgs)}
    assert errors.pop(org) is type(None)
    assert set(errors.values()) == {PermissionDeniedError}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"at_once": 0}, "at_once is 0"),
        ({"limit": 101}, "limit is 101"),
        ({"prefetch": -1}, "prefetch is -1"),
    ],
)
async def test_a_bound_that_is_broken_is_refused_at_once(
    options: dict[str, int], problem: str, client: AccessKeysClient
) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        client.list_many([], **options)


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_a_scan_of_the_emulator_brings_every_key_once(
    limit: int, client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    scan = client.scan(org, limit=limit)
    ids = [str(key.id) async for key in scan]
    assert sorted(ids) == sorted(ids_of(emulator, org))
    assert scan.complete
    assert scan.mirrored is not False


async def test_a_scan_brings_every_key_that_is_there_throughout_while_keys_come_and_go(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    keys = await client.list(org).collect()
    doomed = [key.id for key in keys[1:-1:3]]
    staying = {key.id for key in keys} - set(doomed)

    async def churn() -> None:
        drafts = (NewKey(f"new-{number}", "made in a test") for number in range(60))
        async for _ in client.create_many(org, drafts):
            pass

    async def wither() -> None:
        async for _ in client.delete_many(org, doomed, allow_self=True):
            pass

    async with asyncio.TaskGroup() as group:
        changes = [group.create_task(churn()), group.create_task(wither())]
        while not all(task.done() for task in changes):
            ids = [key.id async for key in client.scan(org, limit=7)]
            assert len(ids) == len(set(ids))
            assert staying <= set(ids)
