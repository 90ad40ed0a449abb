"""Every operation of the client against the emulator, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC
from uuid import UUID, uuid4

import pytest

from accesskeys_async import (
    UNSET,
    AccessKeysClient,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    Request,
    ResponseTooLargeError,
    Token,
    ValidationError,
)
from accesskeys_async.emulator import Emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(organizations=2, keys_per_organization=9) as service:
        yield service


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[AccessKeysClient]:
    async with AccessKeysClient(emulator.token, base_url=emulator.base_url) as client:
        yield client


@pytest.fixture
def org(emulator: Emulator) -> str:
    return emulator.organization_id


async def test_a_key_is_created_read_changed_listed_and_deleted(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    created = await client.create(org, name="ci", description="deploys")
    assert created.organization_id == UUID(org)
    assert created.suffix == created.token.reveal()[-6:]
    assert created.created_at.tzinfo is UTC
    assert emulator.verify(org, created.token.reveal()) == str(created.id)

    read = await client.get(org, created.id)
    assert (read.id, read.name, read.description) == (created.id, "ci", "deploys")
    assert not read.last_used_at

    changed = await client.update(org, str(created.id), description="deploys, eu")
    assert (changed.name, changed.description) == ("ci", "deploys, eu")
    assert changed.updated_at

    assert created.id in [key.id async for key in client.list(org)]

    await client.delete(org, created.id)
    with pytest.raises(NotFoundError) as caught:
        await client.get(org, created.id)
    assert caught.value.status == 404
    assert caught.value.request_id
    assert emulator.verify(org, created.token.reveal()) is None


@pytest.mark.parametrize("limit", [1, 3, 10, 100])
@pytest.mark.parametrize("prefetch", [0, 1, 4])
async def test_a_listing_passes_every_key_once_whatever_its_pages(
    client: AccessKeysClient, emulator: Emulator, org: str, limit: int, prefetch: int
) -> None:
    listing = client.list(org, limit=limit, prefetch=prefetch)
    ids = [str(key.id) async for key in listing]
    assert ids == [key.id for key in emulator.keys(org)]
    assert listing.complete
    assert listing.cursor is None
    assert listing.duplicates == 0
    assert emulator.journal.count(operation="list") == -(-10 // limit)
    assert all(f"limit={limit}" in entry.query for entry in emulator.journal)


async def test_reverse_is_the_mirror(client: AccessKeysClient, org: str) -> None:
    forward = [key.id async for key in client.list(org, limit=3)]
    backward = [key.id async for key in client.list(org, limit=3, reverse=True)]
    assert backward == forward[::-1]


async def test_a_listing_goes_on_at_the_cursor_of_another(client: AccessKeysClient, org: str) -> None:
    ids = [key.id for key in await client.list(org).collect()]
    listing = client.list(org, limit=4)
    async for page in listing.pages():
        assert listing.cursor is None, "the first page needs no token"
        assert [key.id for key in page] == ids[:4]
        break
    await listing.collect(max_items=5)
    rest = await client.list(org, limit=4, page_token=listing.cursor).collect()
    assert [key.id for key in rest] == ids[4:]


async def test_first_and_a_part_ask_for_no_more_than_they_need(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    ids = [key.id for key in await client.list(org).collect()]
    emulator.journal.clear()
    first = await client.list(org, limit=2).first()
    assert first is not None
    assert first.id == ids[0]
    assert emulator.journal.count() == 1
    part = await client.list(org, limit=2, prefetch=0).collect(max_items=3)
    assert [key.id for key in part] == ids[:3]
    assert emulator.journal.count() == 3


async def test_a_page_token_that_was_made_up_is_refused_with_its_name(
    client: AccessKeysClient, org: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        await client.list(org, page_token="made-up").collect()
    assert "pageToken" in str(caught.value.details)
    assert caught.value.cursor == "made-up"


@pytest.mark.parametrize("text", ["x" * 256, "\U0001f511" * 256, "\"\\/\b\x00\u2028 <&>'", "ключ"])
async def test_any_text_within_bounds_comes_back_as_it_went(
    client: AccessKeysClient, org: str, text: str
) -> None:
    created = await client.create(org, name=text, description=text)
    assert (created.name, created.description) == (text, text)
    changed = await client.update(org, created.id, name=text[::-1])
    assert (changed.name, changed.description) == (text[::-1], text)


async def test_what_breaks_a_bound_is_refused_before_anything_is_sent(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    key_id = uuid4()
    for attempt in (
        lambda: client.create(org, name="", description="a"),
        lambda: client.create(org, name="x" * 257, description="a"),
        lambda: client.create(org, name="a", description=""),
        lambda: client.update(org, key_id),
        lambda: client.update(org, key_id, name=""),
        lambda: client.get("not-a-uuid", key_id),
        lambda: client.get(org, "not-a-uuid"),
        lambda: client.delete(org, "not-a-uuid"),
        lambda: client.list(org, limit=0).first(),
        lambda: client.list(org, limit=101).first(),
        lambda: client.list(org, prefetch=-1).first(),
    ):
        with pytest.raises(InvalidRequestError):
            await attempt()
    assert len(emulator.journal) == 0


async def test_role_ids_are_sent_and_deprecated(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    first, second, *_ = emulator.roles(org)
    roles = [UUID(first.id), second.id]
    created = await client.create(org, name="a", description="b")
    with pytest.warns(DeprecationWarning, match="role_ids") as caught:
        changed = await client.update(org, created.id, role_ids=roles)
    assert caught[0].filename == __file__
    assert changed.role_ids == tuple(map(str, roles))


async def test_a_token_that_is_unknown_or_of_another_organization_is_refused(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    other = emulator.organizations[1]
    with pytest.raises(PermissionDeniedError):
        await client.list(other.id).first()
    with pytest.raises(AuthenticationError):
        await client.with_options(token="unknown-" * 4).list(org).first()
    assert await client.with_options(token=Token(other.token)).list(other.id).first()


async def test_a_token_callable_is_asked_at_each_attempt(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    tokens = iter([emulator.token, emulator.organizations[1].token])

    async def give() -> str:
        return next(tokens)

    rotating = client.with_options(token=give)
    assert await rotating.list(org).first()
    assert await rotating.list(emulator.organizations[1].id).first()


async def test_a_delete_of_the_clients_own_key_is_refused(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    own = emulator.verify(org, emulator.token)
    assert own is not None
    with pytest.raises(InvalidRequestError):
        await client.delete(org, own)
    assert emulator.verify(org, emulator.token) == own
    assert emulator.journal.count(operation="delete") == 0
    await client.delete(org, own, allow_self=True)
    with pytest.raises(AuthenticationError):
        await client.list(org).first()


async def test_raw_answers_are_whole_whatever_their_status(client: AccessKeysClient, org: str) -> None:
    created = await client.raw.create(org, name="a", description="b")
    assert created.status == 201
    key = (await client.list(org, reverse=True).collect())[0]
    statuses = [
        (await client.raw.list(org, limit=2)).status,
        (await client.raw.get(org, key.id)).status,
        (await client.raw.update(org, key.id, name="c")).status,
        (await client.raw.delete(org, key.id)).status,
        (await client.raw.delete(org, key.id)).status,
    ]
    assert statuses == [200, 200, 200, 204, 404]
    missing = await client.raw.get(org, key.id)
    assert b'"code"' in missing.body
    assert missing.headers["content-type"].startswith("application/json")
    assert [attempt.status for attempt in missing.attempts] == [404]
    assert missing.elapsed > 0


async def test_middlewares_run_once_a_call_outermost_first(client: AccessKeysClient, org: str) -> None:
    order: list[str] = []

    def make(name: str):
        async def middleware(request: Request, call_next):
            order.append(f"{name} {request.operation}")
            response = await call_next(request)
            order.append(f"{name} {response.status}")
            return response

        return middleware

    await client.with_options(middlewares=[make("a"), make("b")]).list(org).first()
    assert order == ["a listAccessKeys", "b listAccessKeys", "b 200", "a 200"]


async def test_the_bound_of_a_body_counts_after_unpacking(client: AccessKeysClient, org: str) -> None:
    size = len((await client.raw.list(org)).body)
    assert len((await client.with_options(max_response_bytes=size).raw.list(org)).body) == size
    with pytest.raises(ResponseTooLargeError):
        await client.with_options(max_response_bytes=size - 1).raw.list(org)


async def test_every_request_names_the_library_and_never_the_journals_secrets(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    created = await client.create(org, name="a", description="b")
    await client.update(org, created.id, name="c")
    await client.list(org).first()
    await client.delete(org, created.id)
    assert len(emulator.journal) > 3
    for entry in emulator.journal:
        assert entry.headers["user-agent"].startswith("accesskeys-async/")
        assert entry.headers["accept"] == "application/json"
        assert ("content-type" in entry.headers) == (entry.operation in {"create", "update"})


async def test_many_calls_at_once_each_get_their_own_answer(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    ids = [key.id for key in emulator.keys(org)] * 20
    keys = await asyncio.gather(*(client.get(org, key_id) for key_id in ids))
    assert [str(key.id) for key in keys] == ids


async def test_what_was_not_in_an_answer_is_unset(client: AccessKeysClient, org: str) -> None:
    created = await client.create(org, name="a", description="b")
    key = await client.get(org, created.id)
    assert key.role_ids is UNSET
    assert key.last_used_at is None or key.last_used_at is UNSET


async def test_a_page_source_fetches_one_page_at_a_time(client: AccessKeysClient, org: str) -> None:
    fetch = client.page_source(org, limit=5)
    first = await fetch(None)
    assert first.next_page_token is not None
    second = await fetch(first.next_page_token)
    assert second.next_page_token is None
    ids = [key.id for key in (*first.results, *second.results)]
    assert ids == [key.id for key in await client.list(org).collect()]
    backwards = await client.page_source(org, limit=5, reverse=True)(None)
    assert [key.id for key in backwards.results] == ids[:-6:-1]


async def test_a_page_source_checks_the_organization_when_it_fetches(client: AccessKeysClient) -> None:
    with pytest.raises(InvalidRequestError, match="org"):
        await client.page_source("nowhere")(None)


async def test_the_suffix_of_the_token_in_use_is_that_of_its_key(
    client: AccessKeysClient, emulator: Emulator, org: str
) -> None:
    async def provide() -> str:
        return emulator.token

    key_id = emulator.verify(org, emulator.token)
    assert key_id is not None
    suffix = (await client.get(org, key_id)).suffix
    assert await client.token_suffix() == suffix == emulator.token[-6:]
    assert await client.with_options(token=provide).token_suffix() == suffix


async def test_a_clone_may_extend_the_hooks(client: AccessKeysClient) -> None:
    seen: list[object] = []
    assert client.hooks == ()
    watched = client.with_options(hooks=[seen.append])
    assert watched.with_options(hooks=[*watched.hooks, print]).hooks == (seen.append, print)
