from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from accesskeys_async import (
    AccessKey,
    AccessKeysClient,
    APIConnectionError,
    APIResponseError,
    CreateOutcomeUnknownError,
    InvalidRequestError,
    NotFoundError,
    ServerError,
    Token,
)
from accesskeys_async._contract.writing import dump_key
from tests.conftest import MockedAPI
from tests.unit.conftest import BASE_URL, TOKEN

KEY = UUID(int=1)
CREATED = {"token": "created-token-AbCdEf"}


@pytest.fixture
def url(organization_id: UUID) -> str:
    return f"{BASE_URL}/organizations/{organization_id}/access-keys"


@pytest.fixture
def row(make_key: Callable[..., AccessKey]) -> dict[str, Any]:
    return dump_key(make_key())


async def test_a_listing_asks_for_page_after_page(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, make_key: Any
) -> None:
    rows = [dump_key(make_key(number)) for number in range(3)]
    mocked_api.get(f"{url}?limit=2", payload={"results": rows[:2], "nextPageToken": "a b/c"})
    mocked_api.get(f"{url}?limit=2&pageToken=a%20b%2Fc", payload={"results": rows[2:]})
    keys = await client.list(organization_id, limit=2).collect()
    assert keys == [make_key(number) for number in range(3)]


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, "limit=100"),
        ({"reverse": True}, "limit=100&reverse=true"),
        ({"page_token": "x"}, "limit=100&pageToken=x"),
    ],
)
async def test_a_listing_s_options_go_into_the_query(
    options: dict[str, Any],
    query: str,
    client: AccessKeysClient,
    mocked_api: MockedAPI,
    url: str,
    organization_id: UUID,
) -> None:
    mocked_api.get(f"{url}?{query}", payload={"results": []}, repeat=True)
    assert await client.list(str(organization_id), **options).collect() == []
    assert (await client.raw.list(organization_id, **options)).status == 200


async def test_a_key_is_read(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, row: Any, make_key: Any
) -> None:
    mocked_api.get(f"{url}/{KEY}", payload=row, repeat=True)
    assert await client.get(organization_id, KEY) == make_key()
    assert await client.get(str(organization_id).upper(), KEY.hex) == make_key()


async def test_a_key_is_created(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, row: Any
) -> None:
    mocked_api.post(url, status=201, payload={"accessKey": row} | CREATED)
    created = await client.create(organization_id, name="ci", description="deploys")
    assert created.id == KEY
    assert created.token == Token("created-token-AbCdEf")
    ((_, _, sent),) = mocked_api.calls
    assert json.loads(sent["data"]) == {"name": "ci", "description": "deploys"}


async def test_a_key_is_changed_and_what_is_unset_stays(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, row: Any, make_key: Any
) -> None:
    mocked_api.patch(f"{url}/{KEY}", payload=row | {"description": "eu"})
    changed = await client.update(organization_id, KEY, description="eu")
    assert changed == make_key(description="eu")
    ((_, _, sent),) = mocked_api.calls
    assert json.loads(sent["data"]) == {"description": "eu"}


async def test_a_key_is_read_before_it_is_deleted(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, row: Any
) -> None:
    mocked_api.get(f"{url}/{KEY}", payload=row)
    mocked_api.delete(f"{url}/{KEY}", status=204)
    await client.delete(organization_id, KEY)
    assert [method for method, _, _ in mocked_api.calls] == ["GET", "DELETE"]


async def test_every_request_has_the_token_and_json_headers_and_follows_no_redirect(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, row: Any
) -> None:
    mocked_api.get(f"{url}?limit=100", payload={"results": []})
    mocked_api.get(f"{url}/{KEY}", payload=row)
    mocked_api.post(url, status=201, payload={"accessKey": row} | CREATED)
    mocked_api.patch(f"{url}/{KEY}", payload=row)
    mocked_api.delete(f"{url}/{KEY}", status=204)
    await client.list(organization_id).collect()
    await client.get(organization_id, KEY)
    await client.create(organization_id, name="ci", description="d")
    await client.update(organization_id, KEY, name="ci")
    await client.delete(organization_id, KEY, allow_self=True)
    assert len(mocked_api.calls) == 5
    for method, _, sent in mocked_api.calls:
        assert sent["headers"]["Authorization"] == f"AccessKey {TOKEN}"
        has_body = method in {"POST", "PATCH"}
        assert sent["headers"].get("Content-Type") == ("application/json" if has_body else None)
        assert (sent["data"] is not None) is has_body
        assert sent["allow_redirects"] is False
        assert not sent.get("raise_for_status")


@pytest.mark.parametrize(
    "call",
    [
        lambda client, org: client.list(org, limit=101),
        lambda client, org: client.list(org, page_token=""),
        lambda client, org: client.list(org, prefetch=-1),
        lambda client, org: client.list("me"),
        lambda client, org: client.get("me", KEY),
        lambda client, org: client.get(org, "7"),
        lambda client, org: client.create("me", name="n", description="d"),
        lambda client, org: client.create(org, name="", description="d"),
        lambda client, org: client.create(org, name="n", description="x" * 257),
        lambda client, org: client.create(org, name="n", description="x" * 235, recover=True),
        lambda client, org: client.update(org, KEY),
        lambda client, org: client.update(org, KEY, name=None),
        lambda client, org: client.update(org, "7", name="n"),
        lambda client, org: client.delete(org, "7"),
        lambda client, org: client.delete("me", KEY),
        lambda client, org: client.reap(org),
        lambda client, org: client.raw.list(org, limit=0),
        lambda client, org: client.raw.get("me", KEY),
        lambda client, org: client.raw.create(org, name="", description="d"),
        lambda client, org: client.raw.update(org, KEY),
        lambda client, org: client.raw.delete(org, "7"),
    ],
)
async def test_what_breaks_a_bound_is_refused_before_anything_is_sent(
    call: Any, client: AccessKeysClient, mocked_api: MockedAPI, organization_id: UUID
) -> None:
    async def run() -> None:
        result = call(client, organization_id)
        if inspect.isawaitable(result):
            await result

    with pytest.raises(InvalidRequestError):
        await run()
    assert mocked_api.calls == []


async def test_an_error_of_the_api_is_raised_and_a_lost_answer_tried_again(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID
) -> None:
    mocked_api.get(f"{url}/{KEY}", exception=aiohttp.ServerDisconnectedError())
    mocked_api.get(f"{url}/{KEY}", status=503)
    mocked_api.get(f"{url}/{KEY}", status=404, payload={"code": "gone", "message": "No such key"})
    with pytest.raises(NotFoundError) as caught:
        await client.get(organization_id, KEY)
    assert [attempt.status for attempt in caught.value.attempts] == [None, 503, 404]
    assert (caught.value.code, caught.value.message) == ("gone", "No such key")


async def test_another_key_than_was_asked_for_is_an_error(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, row: Any
) -> None:
    mocked_api.get(f"{url}/{KEY}", payload=row | {"id": str(UUID(int=2))})
    mocked_api.patch(f"{url}/{KEY}", payload=row | {"id": str(UUID(int=2))})
    for call in (client.get(organization_id, KEY), client.update(organization_id, KEY, name="n")):
        with pytest.raises(APIResponseError, match=r"\$\.id: expected 0{8}-"):
            await call


async def test_a_delete_that_meets_404_after_a_lost_answer_has_succeeded(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID
) -> None:
    mocked_api.delete(f"{url}/{KEY}", exception=aiohttp.ServerDisconnectedError())
    mocked_api.delete(f"{url}/{KEY}", status=404)
    await client.delete(organization_id, KEY, allow_self=True)
    mocked_api.delete(f"{url}/{KEY}", status=429, headers={"Retry-After": "0"})
    mocked_api.delete(f"{url}/{KEY}", status=404)
    with pytest.raises(NotFoundError):
        await client.delete(organization_id, KEY, allow_self=True)


@pytest.mark.parametrize("allow_self", [True, False])
async def test_a_missing_key_may_be_fine_to_delete(
    allow_self: bool, client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID
) -> None:
    for method in (mocked_api.get, mocked_api.delete):
        method(f"{url}/{KEY}", status=404, repeat=True)
    await client.delete(organization_id, KEY, missing_ok=True, allow_self=allow_self)
    with pytest.raises(NotFoundError):
        await client.delete(organization_id, KEY, allow_self=allow_self)


@pytest.mark.parametrize(("suffix", "options"), [("GhIjKl", {}), ("AbCdEf", {"expect_suffix": "OtHeRs"})])
async def test_the_key_in_use_and_another_than_was_meant_are_not_deleted(
    suffix: str,
    options: dict[str, Any],
    client: AccessKeysClient,
    mocked_api: MockedAPI,
    url: str,
    organization_id: UUID,
    row: Any,
) -> None:
    mocked_api.get(f"{url}/{KEY}", payload=row | {"suffix": suffix})
    with pytest.raises(InvalidRequestError, match="not deleted"):
        await client.delete(organization_id, KEY, **options)
    assert [method for method, _, _ in mocked_api.calls] == ["GET"]


async def test_a_create_whose_answer_is_lost_is_not_sent_again(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID
) -> None:
    mocked_api.post(url, exception=aiohttp.ServerDisconnectedError(), repeat=True)
    mocked_api.get(f"{url}?limit=100", payload={"results": []}, repeat=True)
    with pytest.raises(CreateOutcomeUnknownError) as caught:
        await client.create(organization_id, name="ci", description="d")
    assert [method for method, _, _ in mocked_api.calls].count("POST") == 1
    assert isinstance(caught.value.__cause__, APIConnectionError)
    assert len(caught.value.attempts) == 1
    assert caught.value.candidates == ()


@pytest.mark.parametrize(("status", "posts"), [(500, 1), (502, 1), (503, 1), (504, 1), (429, 5)])
async def test_a_create_is_sent_again_only_where_the_api_turned_it_away(
    status: int,
    posts: int,
    client: AccessKeysClient,
    mocked_api: MockedAPI,
    url: str,
    organization_id: UUID,
) -> None:
    headers = {"Retry-After": "0"} if status == 429 else {}
    mocked_api.post(url, status=status, headers=headers, repeat=True)
    with pytest.raises(Exception, match=f": {status}"):
        await client.create(organization_id, name="ci", description="d")
    assert len(mocked_api.calls) == posts


async def test_a_create_that_was_never_sent_is_tried_again(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, row: Any
) -> None:
    mocked_api.post(url, exception=aiohttp.ConnectionTimeoutError())
    mocked_api.post(url, status=201, payload={"accessKey": row} | CREATED)
    assert (await client.create(organization_id, name="ci", description="d")).id == KEY
    mocked_api.post(url, exception=aiohttp.ConnectionTimeoutError(), repeat=True)
    with pytest.raises(APIConnectionError) as caught:
        await client.create(organization_id, name="ci", description="d")
    assert caught.value.sent is False


async def test_role_ids_from_an_iterator_are_sent_with_every_create_of_a_recovery(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, row: Any
) -> None:
    mocked_api.post(url, exception=aiohttp.ServerDisconnectedError())
    mocked_api.get(f"{url}?limit=100", payload={"results": []}, repeat=True)
    mocked_api.post(url, status=201, payload={"accessKey": row} | CREATED)
    mocked_api.patch(f"{url}/{KEY}", payload=row)
    with pytest.deprecated_call():
        created = await client.create(
            organization_id, name="ci", description="d", role_ids=iter([KEY]), recover=True, settle=0
        )
    assert created.token.reveal() == "created-token-AbCdEf"
    bodies = [json.loads(sent["data"]) for method, _, sent in mocked_api.calls if method == "POST"]
    assert [body["roleIds"] for body in bodies] == [[str(KEY)]] * 2


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("operation", ["create", "update"])
async def test_role_ids_warn_at_the_caller_s_line(
    operation: str,
    raw: bool,
    client: AccessKeysClient,
    mocked_api: MockedAPI,
    url: str,
    organization_id: UUID,
    row: Any,
) -> None:
    through = client.raw if raw else client
    mocked_api.post(url, status=201, payload={"accessKey": row} | CREATED)
    mocked_api.patch(f"{url}/{KEY}", payload=row)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if operation == "create":
            await through.create(organization_id, name="n", description="d", role_ids=[KEY])
        else:
            await through.update(organization_id, KEY, role_ids=[KEY])
    assert [(w.category, w.filename) for w in caught] == [(DeprecationWarning, __file__)]
    line = inspect.getsource(inspect.getmodule(inspect.currentframe())).splitlines()[caught[0].lineno - 1]  # type: ignore[arg-type] # this module
    assert f"through.{operation}(" in line


async def test_without_role_ids_nothing_warns(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, row: Any
) -> None:
    mocked_api.post(url, status=201, payload={"accessKey": row} | CREATED)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await client.create(organization_id, name="n", description="d")
    assert caught == []


async def test_raw_gives_the_whole_answer_whatever_its_status(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, row: Any
) -> None:
    mocked_api.get(f"{url}/{KEY}", status=503)
    mocked_api.get(f"{url}/{KEY}", status=404, body=b"<html>", headers={"X-Request-Id": "r-1"})
    mocked_api.post(url, status=201, payload=row | {"fieldOfTomorrow": 1})
    mocked_api.patch(f"{url}/{KEY}", status=422)
    mocked_api.delete(f"{url}/{KEY}", status=204)
    missing = await client.raw.get(organization_id, KEY)
    assert (missing.status, missing.body, missing.request_id) == (404, b"<html>", "r-1")
    assert [attempt.status for attempt in missing.attempts] == [503, 404]
    created = await client.raw.create(organization_id, name="n", description="d")
    assert json.loads(created.body)["fieldOfTomorrow"] == 1
    assert (await client.raw.update(organization_id, KEY, name="n")).status == 422
    assert (await client.raw.delete(organization_id, KEY)).status == 204


async def test_raw_raises_where_no_answer_came(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID
) -> None:
    mocked_api.post(url, exception=aiohttp.ServerDisconnectedError())
    with pytest.raises(APIConnectionError) as caught:
        await client.raw.create(organization_id, name="n", description="d")
    assert caught.value.sent is None


async def test_an_error_of_a_listing_carries_the_page_to_go_on_at(
    client: AccessKeysClient, mocked_api: MockedAPI, url: str, organization_id: UUID, row: Any
) -> None:
    mocked_api.get(f"{url}?limit=100", payload={"results": [row], "nextPageToken": "next"})
    mocked_api.get(f"{url}?limit=100&pageToken=next", status=500, repeat=True)
    with pytest.raises(ServerError) as caught:
        await client.list(organization_id).collect()
    assert caught.value.cursor == "next"
