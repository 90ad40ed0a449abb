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
    survivor = created.json["accessKey"]
    answer = await api.ask("GET", params={"limit": "100", "pageToken": token}, token=survivor)
    assert [record["id"] for record in answer.json["results"]] == [created.json["id"]]


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

    assert [(answer.status, answer.fields) for answer in refused] == [(422, {"pageToken"})] * 4


async def test_a_created_key_is_the_record_with_its_token_once(api: Api) -> None:
    answer = await api.create("ci", "deploys", roleIds=[ROLE])
    created = answer.json
    token = created.pop("accessKey")

    assert answer.status == 201
    assert created["suffix"] == token[-6:]
    assert created["createdAt"] == created["updatedAt"] == "2026-01-01T00:00:00.000Z"
    assert created["lastUsedAt"] is None
    got = await api.ask("GET", f"{api.keys_path}/{created['id']}")
    assert (got.status, got.json) == (200, created)
    listed = await api.list(limit="100")
    assert created in listed.json["results"]
    assert token not in got.body.decode() + listed.body.decode()


async def test_a_new_token_works_at_once_marks_its_use_and_ends_with_its_key(
    api: Api, clock: ManualClock
) -> None:
    created = (await api.create()).json
    path = f"{api.keys_path}/{created['id']}"
    clock.advance(60)

    used = await api.ask("GET", path, token=created["accessKey"])
    assert used.json["lastUsedAt"] == "2026-01-01T00:01:00.000Z"
    gone = await api.ask("DELETE", path, token=created["accessKey"])
    assert (gone.status, gone.body) == (204, b"")
    assert (await api.ask("GET", path, token=created["accessKey"])).status == 401
    assert (await api.ask("GET", path)).status == 404
    assert (await api.ask("DELETE", path)).status == 404


async def test_an_update_changes_what_it_names_and_its_time(api: Api, clock: ManualClock) -> None:
    created = (await api.create()).json
    del created["accessKey"]
    path = f"{api.keys_path}/{created['id']}"
    clock.advance(5)

    renamed = await api.ask("PATCH", path, json={"name": "cd"})
    described = await api.ask("PATCH", path, json={"description": "d", "roleIds": [ROLE]})

    later = {"updatedAt": "2026-01-01T00:00:05.000Z"}
    assert renamed.json == {**created, **later, "name": "cd", "roleIds": []}
    assert described.json == {**renamed.json, "description": "d", "roleIds": [ROLE]}
    assert (await api.ask("GET", path)).json == {k: v for k, v in described.json.items() if k != "roleIds"}


async def test_an_empty_update_changes_the_time_alone(api: Api, clock: ManualClock) -> None:
    created = (await api.create(roleIds=[ROLE])).json
    clock.advance(5)

    answer = await api.ask("PATCH", f"{api.keys_path}/{created['id']}", json={})

    assert answer.status == 200
    assert answer.json["name"] == "ci"
    assert answer.json["roleIds"] == [ROLE]
    assert answer.json["updatedAt"] == "2026-01-01T00:00:05.000Z"


@pytest.mark.parametrize("name", ["a\x00b", "é" * 256, '","lastUsedAt":"x"}', "\u2028", "😀", "  "])
async def test_any_text_within_bounds_comes_back_as_it_was_sent(api: Api, name: str) -> None:
    created = (await api.create(name)).json

    assert created["name"] == name
    assert json.loads((await api.list(limit="100")).body)["results"][-1]["name"] == name


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name", "description"}),
        ({"name": "a"}, {"description"}),
        ({"name": "", "description": "b" * 257, "roleIds": []}, {"name", "description", "roleIds"}),
        ({"name": 1, "description": None, "roleIds": "x"}, {"name", "description", "roleIds"}),
        ([], {"body"}),
    ],
)
async def test_a_body_out_of_bounds_is_a_422_that_names_every_field_and_changes_nothing(
    api: Api, body: Any, fields: set[str]
) -> None:
    before = api.emulator.keys(api.emulator.organization_id)

    answer = await api.ask("POST", json=body)

    assert (answer.status, answer.json["code"], answer.fields) == (422, "validation_failed", fields)
    after = api.emulator.keys(api.emulator.organization_id)
    assert [key.id for key in before] == [key.id for key in after]


async def test_an_update_out_of_bounds_is_a_422(api: Api) -> None:
    created = (await api.create()).json

    answer = await api.ask("PATCH", f"{api.keys_path}/{created['id']}", json={"name": ""})

    assert (answer.status, answer.fields) == (422, {"name"})


@pytest.mark.parametrize("params", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"reverse": "1"}])
async def test_a_parameter_out_of_bounds_is_a_422_that_names_it(api: Api, params: dict[str, str]) -> None:
    answer = await api.list(**params)

    assert (answer.status, answer.fields) == (422, set(params))


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("key_id", [ROLE, "not-a-uuid"])
async def test_a_key_that_does_not_exist_is_a_404(api: Api, method: str, key_id: str) -> None:
    options: dict[str, Any] = {"json": {"name": "x"}} if method == "PATCH" else {}

    answer = await api.ask(method, f"{api.keys_path}/{key_id}", **options)

    assert (answer.status, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_a_key_of_another_organization_is_a_404(api: Api, method: str) -> None:
    foreign = api.emulator.keys(api.emulator.organizations[1].id)[0].id
    options: dict[str, Any] = {"json": {"name": "x"}} if method == "PATCH" else {}

    assert (await api.ask(method, f"{api.keys_path}/{foreign}", **options)).status == 404
    assert foreign in [key.id for key in api.emulator.keys(api.emulator.organizations[1].id)]
