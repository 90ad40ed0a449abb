"""The service's own samples, as its reference shows them, through the client under aioresponses."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from accesskeys_async import (
    UNSET,
    AccessKeysClient,
    AuthenticationError,
    NewKey,
    PermissionDeniedError,
    Policy,
    PolicyDefinition,
    Role,
    RoleRef,
    Token,
    ValidationError,
)
from tests.conftest import MockedAPI
from tests.unit.conftest import BASE_URL

ID = "123e4567-e89b-12d3-a456-426614174000"
ORGANIZATION = UUID(ID)
ROLE = UUID("223e4567-e89b-12d3-a456-426614174000")
URL = f"{BASE_URL}/organizations/{ID}/access-keys"
TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGhIj"
ROLE_REF = {"id": str(ROLE), "type": "organization", "workspaces": [ID]}
RECORD: dict[str, Any] = {
    "id": ID,
    "organizationId": ID,
    "name": "text",
    "type": "user",
    "description": "text",
    "suffix": "EfGhIj",
    "lastUsedAt": "2025-11-27T04:41:53.669Z",
    "createdAt": "2025-11-27T04:41:53.669Z",
    "updatedAt": "2025-11-27T04:41:53.669Z",
}
LISTED = {**RECORD, "roleIds": [str(ROLE)], "roleRefs": [ROLE_REF]}
POLICY = {
    "id": ID,
    "name": "text",
    "description": "text",
    "definitions": [
        {
            "effect": "allow",
            "resources": ["text"],
            "actions": ["any"],
            "conditionsAll": [{"any": {"ANY_ADDITIONAL_PROPERTY": {"ANY_ADDITIONAL_PROPERTY": "text"}}}],
        }
    ],
    "rolesDependencyCount": 1,
    "scope": "organization",
    "type": "managed",
    "metadata": {"clouds": ["platform"]},
}
RETRIEVED = {
    **RECORD,
    "roles": [
        {
            "id": str(ROLE),
            "organizationId": ID,
            "name": "text",
            "description": "text",
            "type": "organization",
            "policies": [POLICY],
            "actions": [{"name": "text", "type": "text"}],
        }
    ],
}
REF = RoleRef(ROLE, "organization", (ORGANIZATION,))


async def test_a_created_key_has_its_token_and_roles(client: AccessKeysClient, mocked_api: MockedAPI) -> None:
    mocked_api.post(URL, status=201, payload={"accessKey": LISTED, "token": TOKEN})
    created = await client.create(ORGANIZATION, name="text", description="text", role_refs=[REF])
    assert created.token == Token(TOKEN)
    assert created.role_refs == (REF,)
    ((_, _, sent),) = mocked_api.calls
    assert json.loads(sent["data"]) == {"name": "text", "description": "text", "roleRefs": [ROLE_REF]}


async def test_listed_keys_refer_to_their_roles_and_share_them(
    client: AccessKeysClient, mocked_api: MockedAPI
) -> None:
    other = {**LISTED, "id": str(UUID(int=7))}
    mocked_api.get(f"{URL}?limit=100", payload={"results": [LISTED, other], "nextPageToken": ""})
    first, second = await client.list(ORGANIZATION).collect()
    assert first.role_refs == (REF,)
    assert first.role_refs is second.role_refs
    assert first.role_ids == (str(ROLE),)
    assert not first.roles


async def test_a_retrieved_key_has_whole_roles_and_refers_to_them(
    client: AccessKeysClient, mocked_api: MockedAPI
) -> None:
    mocked_api.get(f"{URL}/{ID}", payload=RETRIEVED)
    key = await client.get(ORGANIZATION, ID)
    condition = {"any": {"ANY_ADDITIONAL_PROPERTY": {"ANY_ADDITIONAL_PROPERTY": "text"}}}
    definition = PolicyDefinition("allow", ("text",), ("any",), (condition,))
    policy = Policy(ORGANIZATION, "text", "text", (definition,), "organization", "managed")
    assert key.roles == (Role(ROLE, ORGANIZATION, "text", "text", "organization", (policy,)),)
    assert key.role_refs == (RoleRef(ROLE, "organization"),)


@pytest.mark.parametrize(
    ("said", "role_refs"),
    [
        ({"roleRefs": None}, None),
        ({"roleRefs": []}, ()),
        ({"roles": None}, UNSET),
        ({}, UNSET),
        ({"roles": []}, ()),
        ({"roles": [], "roleRefs": [ROLE_REF]}, (REF,)),
        (
            {"roleRefs": [{"id": str(ROLE), "type": "a new one", "new": {"x": 1}}]},
            (RoleRef(ROLE, "a new one"),),
        ),
        ({"roleRefs": [{"id": str(ROLE), "type": None, "workspaces": None}]}, (RoleRef(ROLE, None, None),)),
    ],
)
async def test_what_a_response_says_of_roles_is_read_from_one_key_and_from_a_page(
    said: dict[str, Any], role_refs: object, client: AccessKeysClient, mocked_api: MockedAPI
) -> None:
    mocked_api.get(f"{URL}/{ID}", payload={**RECORD, **said})
    mocked_api.get(f"{URL}?limit=100", payload={"results": [{**RECORD, **said}]})
    assert (await client.get(ORGANIZATION, ID)).role_refs == role_refs
    (key,) = await client.list(ORGANIZATION).collect()
    assert key.role_refs == role_refs


async def test_roles_are_replaced_by_an_update(client: AccessKeysClient, mocked_api: MockedAPI) -> None:
    mocked_api.patch(f"{URL}/{ID}", payload=LISTED, repeat=True)
    assert (await client.update(ORGANIZATION, ID, role_refs=[ROLE])).role_refs == (REF,)
    await client.raw.update(ORGANIZATION, ID, role_refs=[ROLE])
    outcomes = [outcome async for outcome in client.update_many(ORGANIZATION, [ID], role_refs=iter([ROLE]))]
    assert outcomes[0].unwrap().role_refs == (REF,)
    sent = [json.loads(options["data"]) for _, _, options in mocked_api.calls]
    assert sent == [{"roleRefs": [{"id": str(ROLE)}]}] * 3


async def test_many_keys_are_created_with_roles(client: AccessKeysClient, mocked_api: MockedAPI) -> None:
    mocked_api.post(URL, status=201, payload={"accessKey": LISTED, "token": TOKEN}, repeat=True)
    new = NewKey("text", "text", role_refs=[{"id": ROLE, "workspaces": [ORGANIZATION]}])
    outcomes = [outcome async for outcome in client.create_many(ORGANIZATION, [new])]
    assert outcomes[0].unwrap().token.reveal() == TOKEN
    await client.raw.create(ORGANIZATION, name="text", description="text", role_refs=new.role_refs)
    sent = [json.loads(options["data"])["roleRefs"] for _, _, options in mocked_api.calls]
    assert sent == [[{"id": str(ROLE), "workspaces": [ID]}]] * 2


async def test_a_refusal_says_which_field_is_wrong_and_under_which_request(
    client: AccessKeysClient, mocked_api: MockedAPI
) -> None:
    body = {"code": "InvalidPayload", "message": "Invalid payload", "details": {".name": ["too long"]}}
    mocked_api.post(URL, status=422, payload=body, headers={"messagebird-request-id": "r-42"})
    with pytest.raises(ValidationError) as caught:
        await client.create(ORGANIZATION, name="text", description="text")
    assert caught.value.request_id == "r-42"
    assert caught.value.code == "InvalidPayload"
    assert "422 InvalidPayload: Invalid payload (name: too long) (request r-42)" in str(caught.value)


@pytest.mark.parametrize(("token", "is_told"), [("bk_" + "x" * 40, True), ("x" * 40, False)])
async def test_a_token_of_the_newer_platform_is_told_apart(
    token: str, is_told: bool, client: AccessKeysClient, mocked_api: MockedAPI
) -> None:
    mocked_api.get(f"{URL}/{ID}", status=401, payload={"code": "Unauthorized"})
    with pytest.raises(AuthenticationError) as caught:
        await client.with_options(token=token).get(ORGANIZATION, ID)
    assert ("tokens that begin with bk_ belong to Bird's newer platform" in str(caught.value)) is is_told
    assert token not in str(caught.value)


async def test_a_denied_create_names_what_a_policy_must_allow(
    client: AccessKeysClient, mocked_api: MockedAPI
) -> None:
    mocked_api.post(URL, status=403, payload={"code": "Forbidden"})
    with pytest.raises(PermissionDeniedError, match=f"allow 'create' on /organizations/{ID}/access-keys$"):
        await client.create(ORGANIZATION, name="text", description="text")
