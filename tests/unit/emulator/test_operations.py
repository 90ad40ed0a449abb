import json
from typing import Any

import pytest

from accesskeys_async.emulator import ManualClock
from tests.unit.emulator.asking import Api

ROLE = "11111111-2222-4333-8444-555555555555"


async def walk(api: Api, **params: str) -> tuple[list[str], int]:
    ids, pages, token = [], 0, None
    while token is not None or not pages:
        answer = await api.list(**params, **({"pageToken": token} if token else {}))
        assert answer.status == 200
        ids += [record["id"] for record in answer.json["results"]]
        token = answer.json.get("nextPageToken")
        pages += 1
    return ids, pages


@pytest.mark.parametrize(("limit", "pages"), [("1", 8), ("3", 3), ("4", 2), ("8", 1), ("100", 1)])
async def test_pages_put_together_are_the_whole_list_and_the_last_has_no_token(
    api: Api, limit: str, pages: int
) -> None:
    expected = [key.id for key in api.emulator.keys(api.emulator.organization_id)]

    assert await walk(api, limit=limit) == (expected, pages)
    assert await walk(api, limit=limit, reverse="true") == (expected[::-1], pages)


async def test_a_page_has_ten_keys_unless_told_otherwise(api: Api) -> None:
    for _ in range(5):
        await api.create()

    assert len((await api.list()).json["results"]) == 10


async def test_a_page_token_goes_on_after_the_key_it_named_is_gone(api: Api) -> None:
    first = await api.list(limit="3")
    ids = [key.id for key in api.emulator.keys(api.emulator.organization_id)]
    await api.ask("DELETE", f"{api.keys_path}/{ids[2]}")
    await api.create()

    second = await api.list(limit="3", pageToken=first.json["nextPageToken"])

    assert [record["id"] for record in second.json["results"]] == ids[3:6]


async def test_a_page_token_whose_keys_are_all_gone_leads_to_an_empty_last_page(api: Api) -> None:
    token = (await api.list(limit="7")).json["nextPageToken"]
    created = await api.create()
    own = api.emulator.keys(api.emulator.organization_id)[-2].id
    await api.ask("DELETE", f"{api.keys_path}/{own}")
    survivor = created.json["token"]
    answer = await api.ask("GET", params={"limit": "100", "pageToken": token}, token=survivor)
    assert [record["id"] for record in answer.json["results"]] == [created.json["accessKey"]["id"]]


async def test_a_page_token_is_good_for_its_organization_and_direction_only(api: Api) -> None:
    token = (await api.list(limit="1")).json["nextPageToken"]
    other = api.emulator.organizations[1]

    refused = [
        await api.list(pageToken=token, reverse="true"),
        await api.list(pageToken=token[:-1] + "!"),
        await api.list(pageToken=""),
        await api.ask(
            "GET",
            f"/organizations/{other.id}/access-keys",
            token=other.token,
            params={"pageToken": token},
        ),
    ]

    assert [(answer.status, answer.fields) for answer in refused] == [(422, {".pageToken"})] * 4


async def test_a_create_responds_with_the_record_beside_its_token_once(api: Api) -> None:
    answer = await api.create("ci", "deploys", roleRefs=[{"id": api.roles["Viewer"].id}])
    created, token = answer.json["accessKey"], answer.json["token"]

    assert answer.status == 201
    assert set(answer.json) == {"accessKey", "token"}
    assert created["type"] == "user"
    assert created["suffix"] == token[-6:]
    assert created["createdAt"] == created["updatedAt"] == "2026-01-01T00:00:00.000Z"
    assert created["lastUsedAt"] is None
    got = await api.ask("GET", f"{api.keys_path}/{created['id']}")
    assert got.status == 200
    rolls = {"roleRefs", "roleIds", "roles"}
    assert {k: v for k, v in got.json.items() if k not in rolls} == {
        k: v for k, v in created.items() if k not in rolls
    }
    listed = await api.list(limit="100")
    assert created in listed.json["results"]
    assert token not in got.body.decode() + listed.body.decode()


async def test_a_new_token_works_at_once_marks_its_use_and_ends_with_its_key(
    api: Api, clock: ManualClock
) -> None:
    created = (await api.create()).json
    path = f"{api.keys_path}/{created['accessKey']['id']}"
    clock.advance(60)

    used = await api.ask("GET", path, token=created["token"])
    assert used.json["lastUsedAt"] == "2026-01-01T00:01:00.000Z"
    gone = await api.ask("DELETE", path, token=created["token"])
    assert (gone.status, gone.body) == (204, b"")
    assert (await api.ask("GET", path, token=created["token"])).status == 401
    assert (await api.ask("GET", path)).status == 404
    assert (await api.ask("DELETE", path)).status == 404


async def test_an_update_changes_what_it_names_and_its_time(api: Api, clock: ManualClock) -> None:
    created = (await api.create()).json["accessKey"]
    path = f"{api.keys_path}/{created['id']}"
    clock.advance(5)

    renamed = await api.ask("PATCH", path, json={"name": "cd"})
    described = await api.ask("PATCH", path, json={"description": "d"})

    later = {"updatedAt": "2026-01-01T00:00:05.000Z"}
    assert renamed.json == {**created, **later, "name": "cd"}
    assert described.json == {**renamed.json, "description": "d"}
    assert described.json in (await api.list(limit="100")).json["results"]


async def test_an_empty_update_changes_the_time_alone(api: Api, clock: ManualClock) -> None:
    role = api.roles["Viewer"].id
    created = (await api.create(roleRefs=[{"id": role}])).json["accessKey"]
    clock.advance(5)

    answer = await api.ask("PATCH", f"{api.keys_path}/{created['id']}", json={})

    assert answer.status == 200
    assert answer.json["name"] == "ci"
    assert answer.json["roleIds"] == [role]
    assert answer.json["updatedAt"] == "2026-01-01T00:00:05.000Z"


@pytest.mark.parametrize("name", ["a\x00b", "é" * 256, '","lastUsedAt":"x"}', "\u2028", "😀", "  "])
async def test_any_text_within_bounds_comes_back_as_it_was_sent(api: Api, name: str) -> None:
    created = (await api.create(name)).json["accessKey"]

    assert created["name"] == name
    assert json.loads((await api.list(limit="100")).body)["results"][-1]["name"] == name


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {".name", ".description"}),
        ({"name": "a"}, {".description"}),
        ({"name": "", "description": "b" * 257, "roleIds": []}, {".name", ".description", ".roleIds"}),
        ({"name": 1, "description": None, "roleRefs": "x"}, {".name", ".description", ".roleRefs"}),
        ({"name": "a", "description": "b", "roleRefs": [{"id": ROLE}]}, {".roleRefs[0].id"}),
        ({"name": "a", "description": "b", "type": "user"}, {".type"}),
        ([], {"."}),
    ],
)
async def test_a_body_out_of_bounds_is_a_422_that_names_every_field_and_changes_nothing(
    api: Api, body: Any, fields: set[str]
) -> None:
    before = api.emulator.keys(api.emulator.organization_id)

    answer = await api.ask("POST", json=body)

    assert (answer.status, answer.json["code"], answer.fields) == (422, "InvalidPayload", fields)
    after = api.emulator.keys(api.emulator.organization_id)
    assert [key.id for key in before] == [key.id for key in after]


async def test_an_update_out_of_bounds_is_a_422(api: Api) -> None:
    created = (await api.create()).json["accessKey"]

    answer = await api.ask("PATCH", f"{api.keys_path}/{created['id']}", json={"name": ""})

    assert (answer.status, answer.fields) == (422, {".name"})


@pytest.mark.parametrize("params", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"reverse": "1"}])
async def test_a_parameter_out_of_bounds_is_a_422_that_names_it(api: Api, params: dict[str, str]) -> None:
    answer = await api.list(**params)

    assert (answer.status, answer.fields) == (422, {f".{name}" for name in params})


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("key_id", [ROLE, "not-a-uuid"])
async def test_a_key_that_does_not_exist_is_a_404(api: Api, method: str, key_id: str) -> None:
    options: dict[str, Any] = {"json": {"name": "x"}} if method == "PATCH" else {}

    answer = await api.ask(method, f"{api.keys_path}/{key_id}", **options)

    assert (answer.status, answer.json["code"]) == (404, "ResourceNotFound")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_a_key_of_another_organization_is_a_404(api: Api, method: str) -> None:
    foreign = api.emulator.keys(api.emulator.organizations[1].id)[0].id
    options: dict[str, Any] = {"json": {"name": "x"}} if method == "PATCH" else {}

    assert (await api.ask(method, f"{api.keys_path}/{foreign}", **options)).status == 404
    assert foreign in [key.id for key in api.emulator.keys(api.emulator.organizations[1].id)]


async def test_roles_are_in_the_responses_to_create_list_and_update_and_whole_in_that_to_get(
    api: Api,
) -> None:
    viewer, sender = api.roles["Viewer"], api.roles["Message sender"]
    workspaces = [workspace.id for workspace in api.emulator.workspaces(api.emulator.organization_id)][:2]
    sent = [{"id": sender.id, "workspaces": workspaces}, {"id": viewer.id, "type": "managed"}]
    refs = [
        {"id": sender.id, "type": "organization", "workspaces": workspaces},
        {"id": viewer.id, "type": "managed", "workspaces": []},
    ]

    created = (await api.create(roleRefs=sent)).json["accessKey"]

    path = f"{api.keys_path}/{created['id']}"
    updated = (await api.ask("PATCH", path, json={"name": "x"})).json
    listed = (await api.list(limit="100")).json["results"][-1]
    for record in (created, updated, listed):
        assert record["roleRefs"] == refs
        assert record["roleIds"] == [sender.id, viewer.id]
        assert "roles" not in record
    got = (await api.ask("GET", path)).json
    assert got["roles"] == [sender.to_json(), viewer.to_json()]
    assert got["roles"][0]["policies"][0]["definitions"][0]["actions"] == ["create"]
    assert not {"roleRefs", "roleIds"} & got.keys()


async def test_a_role_of_several_references_is_reported_once_as_a_role(api: Api) -> None:
    role = api.roles["Viewer"].id
    workspaces = api.emulator.workspaces(api.emulator.organization_id)[:2]
    refs = [{"id": role, "workspaces": [workspace.id]} for workspace in workspaces]

    created = (await api.create(roleRefs=refs)).json["accessKey"]

    got = (await api.ask("GET", f"{api.keys_path}/{created['id']}")).json
    assert [ref["workspaces"] for ref in created["roleRefs"]] == [ref["workspaces"] for ref in refs]
    assert created["roleIds"] == [role]
    assert [one["id"] for one in got["roles"]] == [role]


@pytest.mark.parametrize("field", ["roleRefs", "roleIds"])
async def test_an_update_with_roles_replaces_them_all(api: Api, field: str) -> None:
    viewer, sender = api.roles["Viewer"].id, api.roles["Message sender"].id
    created = (await api.create(roleRefs=[{"id": viewer}])).json["accessKey"]
    body = {field: [{"id": sender}] if field == "roleRefs" else [sender]}

    updated = await api.ask("PATCH", f"{api.keys_path}/{created['id']}", json=body)

    assert updated.json["roleRefs"] == [{"id": sender, "type": "organization", "workspaces": []}]
    assert updated.json["roleIds"] == [sender]


async def test_a_key_created_without_roles_has_none(api: Api) -> None:
    created = (await api.create()).json["accessKey"]

    assert (created["roleRefs"], created["roleIds"]) == ([], [])
    assert (await api.ask("GET", f"{api.keys_path}/{created['id']}")).json["roles"] == []


@pytest.mark.parametrize("listed", ["iam-roles", "workspaces"])
@pytest.mark.parametrize("reverse", ["false", "true"])
@pytest.mark.parametrize("limit", [1, 3, 4, 100])
async def test_roles_and_workspaces_are_listed_page_by_page(
    api: Api, listed: str, reverse: str, limit: int
) -> None:
    org = api.emulator.organization_id
    expected: Any = [
        record.to_json()
        for record in (api.emulator.roles(org) if listed == "iam-roles" else api.emulator.workspaces(org))
    ]
    found: list[Any] = []
    params = {"limit": str(limit), "reverse": reverse}
    for _ in range(0, len(expected), limit):
        page = (await api.ask("GET", f"/organizations/{org}/{listed}", params=params)).json
        found += page["results"]
        params["pageToken"] = page.get("nextPageToken", "")

    assert params["pageToken"] == ""
    assert found == (expected[::-1] if reverse == "true" else expected)


async def test_a_page_token_of_another_list_is_a_422(api: Api) -> None:
    org = api.emulator.organization_id
    token = (await api.list(limit="1")).json["nextPageToken"]

    answer = await api.ask("GET", f"/organizations/{org}/iam-roles", params={"pageToken": token})

    assert answer.json["details"] == {".pageToken": ["belongs to another list"]}


async def test_the_lists_of_roles_and_workspaces_are_of_ones_own_organization(api: Api) -> None:
    other = api.emulator.organizations[1].id

    for listed in ("iam-roles", "workspaces"):
        assert (await api.ask("GET", f"/organizations/{other}/{listed}")).status == 403
        posted = await api.ask("POST", f"/organizations/{api.emulator.organization_id}/{listed}")
        assert (posted.status, posted.headers["Allow"]) == (405, "GET")
