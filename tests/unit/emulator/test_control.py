from datetime import UTC, datetime
from typing import Any

import pytest

from accesskeys_async.emulator import Emulator, Fault, RateLimit
from tests.unit.emulator.asking import Answer, Api, Ask, SendRaw


@pytest.fixture
def control(api: Api) -> Ask:
    async def ask(method: str, path: str, **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {api.emulator.control_token}", **options.pop("headers", {})}
        return await api.ask(method, f"/_emulator/{path}", headers=headers, **options)

    return ask


MOMENT = datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            {
                "kind": "status",
                "status": 503,
                "operation": "list",
                "times": 2,
                "retryAfter": 3,
                "body": {"a": 1},
            },
            Fault.status(503, operation="list", times=2, retry_after=3, body={"a": 1}),
        ),
        (
            {"kind": "status", "status": 429, "retryAfter": "Thu, 01 Jan 2026 00:00:03 GMT", "body": "slow"},
            Fault.status(429, retry_after=MOMENT, body="slow"),
        ),
        (
            {"kind": "status", "status": 302, "headers": {"Location": "/x"}, "retryAfter": 0.5},
            Fault.status(302, headers={"Location": "/x"}, retry_after=0.5),
        ),
        ({"kind": "delay", "seconds": 0.5, "operation": "get"}, Fault.delay(0.5, operation="get")),
        ({"kind": "reset_before"}, Fault.reset_before()),
        (
            {"kind": "reset_after", "operation": "create", "organization": "a"},
            Fault.reset_after(operation="create", organization="a"),
        ),
        ({"kind": "cut_headers"}, Fault.cut_headers()),
        ({"kind": "cut_body", "times": 3}, Fault.cut_body(times=3)),
        ({"kind": "malformed_json"}, Fault.malformed_json()),
        ({"kind": "drip", "seconds": 0.1, "chunk": 5}, Fault.drip(0.1, chunk=5)),
    ],
)
async def test_every_fault_can_be_scripted_from_another_process(
    api: Api, control: Ask, body: Any, fault: Fault
) -> None:
    answer = await control("POST", "faults", json=body)

    assert answer.status == 201
    assert list(api.emulator.faults.pending) == [fault]
    assert (await control("GET", "faults")).json["pending"][0]["kind"] == body["kind"]
    assert (await control("DELETE", "faults")).status == 204
    assert not api.emulator.faults.pending


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "explode"}, 422),
        ({"kind": "delay", "seconds": "1"}, 422),
        ({"kind": "delay", "seconds": -1}, 422),
        ({"kind": "status", "status": 42}, 422),
        ({"kind": "reset_after", "operation": "lst"}, 422),
        ({"kind": "reset_after", "times": 0}, 422),
        ({"kind": "reset_after", "tiems": 2}, 422),
        ({}, 422),
        ([], 422),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(api: Api, control: Ask, body: Any, status: int) -> None:
    answer = await control("POST", "faults", json=body)

    assert (answer.status, answer.json["code"]) == (status, "InvalidPayload")
    assert api.emulator.faults.pending == ()


@pytest.mark.parametrize("path", ["faults", "rate-limit"])
async def test_a_body_that_is_not_json_is_refused(control: Ask, path: str) -> None:
    method = "POST" if path == "faults" else "PUT"

    answer = await control(method, path, data=b"{", headers={"Content-Type": "application/json"})

    assert (answer.status, answer.json["code"]) == (400, "MalformedBody")


async def test_the_rate_limit_can_be_read_set_and_lifted(api: Api, control: Ask) -> None:
    assert (await control("GET", "rate-limit")).json == {"requestsPerSecond": None, "burst": None}

    body = {"requestsPerSecond": 2, "burst": 5, "retryAfter": True, "rateLimitHeaders": True}
    answer = await control("PUT", "rate-limit", json=body)

    assert answer.json == body
    assert api.emulator.rate_limit == RateLimit(2, burst=5, retry_after=True, rate_limit_headers=True)
    without = await control("PUT", "rate-limit", json={"requestsPerSecond": 2})
    assert without.json == {
        "requestsPerSecond": 2,
        "burst": 2,
        "retryAfter": False,
        "rateLimitHeaders": False,
    }
    assert (await control("PUT", "rate-limit", json={"requestsPerSecond": 3})).json["burst"] == 3
    assert (await control("PUT", "rate-limit", json={"requestsPerSecond": 0})).status == 422
    assert (await control("DELETE", "rate-limit")).status == 204
    assert api.emulator.rate_limit is None


async def test_the_roles_and_workspaces_of_an_organization_can_be_read(api: Api, control: Ask) -> None:
    org = api.emulator.organizations[1].id

    answer = await control("GET", f"roles?organization={org}")

    assert [role["id"] for role in answer.json["roles"]] == [role.id for role in api.emulator.roles(org)]
    workspaces = [workspace["id"] for workspace in answer.json["workspaces"]]
    assert workspaces == [workspace.id for workspace in api.emulator.workspaces(org)]
    assert len(workspaces) > 1
    for query in ("", "?organization=", f"?organization={workspaces[0]}"):
        assert (await control("GET", f"roles{query}")).status == 404


async def test_roles_can_be_enforced_and_no_longer(api: Api, control: Ask) -> None:
    assert (await control("GET", "authorization")).json == {"enforced": False}

    assert (await control("PUT", "authorization", json={"enforced": True})).json == {"enforced": True}

    assert api.emulator.enforce_roles
    assert (await control("PUT", "authorization", json={"enforced": 1})).status == 422
    assert (await control("PUT", "authorization", json={"enforced": False})).json == {"enforced": False}
    assert not api.emulator.enforce_roles


async def test_the_journal_can_be_read_and_cleared_and_has_no_control_requests(
    api: Api, control: Ask
) -> None:
    await api.list(limit="1")

    (entry,) = (await control("GET", "journal")).json["entries"]

    assert (entry["method"], entry["operation"], entry["status"]) == ("GET", "list", 200)
    assert entry["organizationId"] == api.emulator.organization_id
    assert "authorization" not in entry["headers"]
    assert (await control("DELETE", "journal")).status == 204
    assert (await control("GET", "journal")).json == {"entries": []}


async def test_the_journal_can_be_read_whatever_a_client_sent(control: Ask, send_raw: SendRaw) -> None:
    await send_raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Odd: \xff \xc3\xa9\r\n\r\n")

    (entry,) = (await control("GET", "journal")).json["entries"]

    assert entry["headers"]["x-odd"] == "\\xff é"


async def test_reset_makes_everything_as_new(api: Api, control: Ask) -> None:
    before = api.emulator.keys(api.emulator.organization_id)
    await api.create()
    api.emulator.faults.add(Fault.reset_before())

    assert (await control("POST", "reset")).status == 204

    assert api.emulator.keys(api.emulator.organization_id) == before
    assert api.emulator.faults.pending == ()
    assert len(api.emulator.journal) == 0


async def test_only_the_control_token_opens_it_and_it_opens_nothing_else(api: Api) -> None:
    emulator = api.emulator
    with_key = await api.ask("GET", "/_emulator/faults")
    with_key_as_bearer = await api.ask(
        "GET", "/_emulator/faults", headers={"Authorization": f"Bearer {emulator.token}"}
    )
    without = await api.ask("GET", "/_emulator/faults", headers={"Authorization": ""})

    assert [a.status for a in (with_key, with_key_as_bearer, without)] == [401, 401, 401]
    assert with_key.headers["WWW-Authenticate"] == "Bearer"
    assert (await api.ask("GET", token=emulator.control_token)).status == 401


async def test_other_paths_are_404_and_other_methods_405(control: Ask) -> None:
    assert (await control("GET", "nope")).status == 404
    answer = await control("PATCH", "faults")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST, DELETE")


async def test_its_token_is_random_unless_one_is_given_and_does_not_follow_from_the_seed() -> None:
    tokens = {Emulator(control=True).control_token for _ in range(3)}

    assert len(tokens) == 3
    assert all(len(token) >= 32 for token in tokens)
    assert Emulator(control=True, control_token="given").control_token == "given"


async def test_it_is_off_unless_asked_for(api: Api) -> None:
    async with Emulator() as emulator:
        token = api.emulator.control_token
        async with api.session.get(
            f"{emulator.base_url}/_emulator/faults", headers={"Authorization": f"Bearer {token}"}
        ) as response:
            assert response.status == 404
        with pytest.raises(RuntimeError, match="control=True"):
            _ = emulator.control_token
