import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from accesskeys_async.emulator import Emulator, Fault, ManualClock, RateLimit
from tests.unit.emulator.asking import Api, Arrived, Send


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "AccessKey",
        "AccessKey ",
        "AccessKey unknown",
        "Bearer {token}",
        "{token}",
        "AccessKey{token}",
    ],
)
async def test_without_a_known_token_the_answer_is_401(api: Api, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.format(token=api.emulator.token)}

    async with api.session.get(api.emulator.base_url + api.keys_path, headers=headers) as response:
        content = await response.json()

    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == "AccessKey"
    assert content["code"] == "Unauthorized"
    assert api.emulator.token not in json.dumps(content)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, "no Authorization header; send one: 'AccessKey ' followed by the token"),
        ("Bearer x", "does not begin with 'AccessKey '"),
        ("AccessKey unknown", "The token is wrong, or its access key was deleted"),
    ],
)
async def test_a_401_says_in_plain_words_what_is_wrong(api: Api, header: str | None, said: str) -> None:
    headers = {} if header is None else {"Authorization": header}

    async with api.session.get(api.emulator.base_url + api.keys_path, headers=headers) as response:
        content = await response.json()

    assert said in content["message"]


async def test_two_authorization_headers_are_401(api: Api) -> None:
    both = [("Authorization", f"AccessKey {api.emulator.token}")] * 2

    async with api.session.get(api.emulator.base_url + api.keys_path, headers=both) as response:
        assert response.status == 401


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["AccessKey", "accesskey", "ACCESSKEY", "AccessKey  "])
async def test_the_scheme_is_compared_without_case(api: Api, scheme: str) -> None:
    answer = await api.ask("GET", headers={"Authorization": f"{scheme} {api.emulator.token}"})

    assert answer.status == 200


async def test_a_token_of_another_organization_is_403_and_an_unknown_organization_404(api: Api) -> None:
    other = api.emulator.organizations[1]
    unknown = "00000000-0000-4000-8000-000000000000"

    assert (await api.ask("GET", f"/organizations/{other.id}/access-keys")).status == 403
    assert (await api.ask("GET", f"/organizations/{unknown}/access-keys")).status == 404
    assert (await api.ask("GET", "/organizations/acme/access-keys")).status == 404


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/", "/nope", "/organizations", "/_emulator", "/organizations/x/access-keys/y/z"]
)
async def test_an_unknown_path_is_a_404_in_json(api: Api, path: str) -> None:
    answer = await api.ask("GET", path)

    assert (answer.status, answer.json["code"]) == (404, "ResourceNotFound")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND"])
async def test_another_method_is_405_and_names_those_allowed(api: Api, method: str) -> None:
    answer = await api.ask(method)

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, POST"
    assert method == "HEAD" or answer.json["code"] == "MethodNotAllowed"


async def test_a_key_takes_get_patch_and_delete(api: Api) -> None:
    answer = await api.ask("POST", f"{api.keys_path}/83887d60-1ceb-4ba7-a2ee-a7b3f7a24d47")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, PATCH, DELETE")


@pytest.mark.slow
@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/xml", "application/json; charset=latin-1", "json"]
)
async def test_a_body_of_another_type_is_415(api: Api, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    options: dict[str, Any] = {"skip_auto_headers": ["Content-Type"]} if content_type is None else {}

    answer = await api.ask("POST", data=b'{"name": "a", "description": "b"}', headers=headers, **options)

    assert (answer.status, answer.json["code"]) == (415, "UnsupportedMediaType")


async def test_json_with_its_charset_is_taken(api: Api) -> None:
    headers = {"Content-Type": "Application/JSON; charset=UTF-8"}

    answer = await api.ask("POST", data=b'{"name": "a", "description": "b"}', headers=headers)

    assert answer.status == 201


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"name": "a", "name": "b"}', b"[" * 60_000])
async def test_a_body_that_is_not_json_is_400(api: Api, body: bytes) -> None:
    answer = await api.ask("POST", data=body, headers={"Content-Type": "application/json"})

    assert (answer.status, answer.json["code"]) == (400, "MalformedBody")


async def test_a_body_may_have_64_kib_and_no_byte_more(api: Api) -> None:
    fits = json.dumps({"name": "a", "description": "b"}).encode()
    fits += b" " * (64 * 1024 - len(fits))
    headers = {"Content-Type": "application/json"}

    assert (await api.ask("POST", data=fits, headers=headers)).status == 201
    answer = await api.ask("POST", data=fits + b" ", headers=headers)
    assert (answer.status, answer.json["code"]) == (413, "PayloadTooLarge")


async def test_a_chunked_body_over_64_kib_is_413(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(80):
            yield b" " * 1024

    answer = await api.ask("POST", data=chunks(), headers={"Content-Type": "application/json"})

    assert answer.status == 413


@pytest.mark.slow
async def test_a_compressed_body_is_measured_after_decompression(api: Api) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    async def post(body: bytes) -> int:
        return (await api.ask("POST", data=gzip.compress(body), headers=headers)).status

    assert await post(b'{"name": "a", "description": "b"}') == 201
    assert await post(b" " * 10_000_000) == 413


async def test_a_reply_has_the_clocks_date_and_a_number(api: Api, clock: ManualClock) -> None:
    clock.advance(3600)

    first, second = await api.list(), await api.ask("GET", "/nope")

    assert parsedate_to_datetime(first.headers["Date"]) == clock.now()
    assert first.headers["messagebird-request-id"] != second.headers["messagebird-request-id"]


async def test_over_the_rate_limit_is_429_until_the_clock_has_moved_on(api: Api, clock: ManualClock) -> None:
    limit = RateLimit(1, burst=2, retry_after=True, rate_limit_headers=True)
    api.emulator.rate_limit = limit
    assert api.emulator.rate_limit == limit

    answers = [await api.list() for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[1].headers["RateLimit-Remaining"] == "0"
    assert answers[2].headers["Retry-After"] == "1"
    assert answers[2].json["code"] == "TooManyRequests"
    other = api.emulator.organizations[1]
    assert (await api.ask("GET", f"/organizations/{other.id}/access-keys", token=other.token)).status == 200
    clock.advance(1)
    assert (await api.list(limit="0")).headers["RateLimit-Remaining"] == "0"
    api.emulator.rate_limit = None
    assert (await api.list()).status == 200


async def test_over_the_rate_limit_no_header_says_when_to_come_back_unless_that_is_wanted(api: Api) -> None:
    usual = set((await api.list()).headers)
    api.emulator.rate_limit = RateLimit(1, burst=1)

    passed, refused = await api.list(), await api.list()

    assert (passed.status, refused.status) == (200, 429)
    assert set(passed.headers) == set(refused.headers) == usual


async def test_the_journal_has_each_request_without_its_token(api: Api) -> None:
    await api.list(limit="1")
    await api.ask("GET", "/nope")

    listed, lost = api.emulator.journal
    assert (listed.method, listed.path, listed.query) == ("GET", api.keys_path, "limit=1")
    assert (listed.operation, listed.organization_id) == ("list", api.emulator.organization_id)
    assert (listed.status, lost.status, lost.operation) == (200, 404, None)
    assert "user-agent" in listed.headers
    assert api.emulator.token not in repr(list(api.emulator.journal))


async def test_a_request_is_in_the_journal_before_it_is_answered(
    emulator: Emulator, send: Send, arrived: Arrived
) -> None:
    emulator.faults.add(Fault.delay(3600))
    waiting = asyncio.create_task(send())
    await arrived()

    assert [entry.status for entry in emulator.journal] == [None]
    emulator.reset()
    assert await waiting == b""


async def test_the_openapi_document_is_served_to_everyone_and_left_out_of_the_journal(api: Api) -> None:
    async with api.session.get(f"{api.emulator.base_url}/openapi.json") as response:
        document = await response.json()
    async with api.session.post(f"{api.emulator.base_url}/openapi.json") as refused:
        assert refused.status == 405

    assert response.status == 200
    assert document["openapi"].startswith("3.")
    assert len(api.emulator.journal) == 0


HOSTS = ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "192.168.0.7", ""]
EVERY_KIND_OF_PATH = ["{keys}", "/openapi.json", "/_emulator/faults", "/nope"]


@pytest.mark.slow
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", EVERY_KIND_OF_PATH)
async def test_a_page_that_reaches_the_emulator_by_a_name_of_its_own_gets_nothing(
    api: Api, path: str, host: str
) -> None:
    port = api.emulator.base_url.rpartition(":")[2]
    api.emulator.faults.add(Fault.status(503))

    answer = await api.ask(
        "GET",
        path.format(keys=api.keys_path),
        headers={
            "Host": host.format(port=port),
            **({"Authorization": f"Bearer {api.emulator.control_token}"} if "_emulator" in path else {}),
        },
    )

    assert (answer.status, answer.json["code"]) == (421, "MisdirectedRequest")
    assert len(api.emulator.journal) == 0
    assert len(api.emulator.faults.pending) == 1


@pytest.mark.parametrize("host", ["localhost", "LocalHost:1", "127.0.0.1", "[::1]:80"])
async def test_a_loopback_name_is_served_on_any_port(api: Api, host: str) -> None:
    assert (await api.ask("GET", headers={"Host": host})).status == 200


async def test_another_name_is_served_if_it_is_allowed() -> None:
    async with (
        Emulator(allowed_hosts=["emulator"]) as emulator,
        aiohttp.ClientSession() as session,
    ):
        api = Api(emulator, session)
        assert (await api.ask("GET", headers={"Host": "emulator:8788"})).status == 200
        assert (await api.ask("GET", headers={"Host": "other"})).status == 421


@pytest.mark.parametrize("path", [None, "/nope", "/openapi.json", "/_emulator/faults"])
async def test_every_response_has_a_request_id_of_its_own(api: Api, path: str | None) -> None:
    answers = [await api.ask(method, path) for method in ("GET", "POST", "PUT")]

    assert len({answer.headers["messagebird-request-id"] for answer in answers}) == 3
    assert not any("X-Request-Id" in answer.headers for answer in answers)


async def test_the_access_log_has_a_line_for_each_request_and_no_token(
    api: Api, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "accesskeys_async.emulator")

    await api.list(limit="1")
    created = await api.create()
    await api.ask("GET", "/_emulator/faults")
    api.emulator.faults.add(Fault.cut_headers(operation="create"))
    await send("POST", body=b'{"name": "a", "description": "b"}')

    assert caplog.messages == [
        f"GET {api.keys_path}?limit=1: 200",
        f"POST {api.keys_path}: 201",
        "GET /_emulator/faults: 401",
        f"POST {api.keys_path}: no whole response, by a fault",
    ]
    assert api.emulator.token not in caplog.text
    assert created.json["token"] not in caplog.text


async def make_key(api: Api, *roles: str) -> str:
    """Create a key with roles and return its token."""
    refs: dict[str, Any] = {"roleRefs": [{"id": api.roles[role].id} for role in roles]} if roles else {}
    token: str = (await api.create(**refs)).json["token"]
    return token


async def statuses_of(api: Api, token: str) -> list[int]:
    spare = (await api.create()).json["accessKey"]["id"]
    return [
        (await api.ask("GET", token=token)).status,
        (await api.ask("POST", token=token, json={"name": "a", "description": "b"})).status,
        (await api.ask("GET", f"{api.keys_path}/{spare}", token=token)).status,
        (await api.ask("PATCH", f"{api.keys_path}/{spare}", token=token, json={"name": "x"})).status,
        (await api.ask("DELETE", f"{api.keys_path}/{spare.upper()}", token=token)).status,
        (
            await api.ask("GET", f"/organizations/{api.emulator.organization_id}/iam-roles", token=token)
        ).status,
    ]


@pytest.mark.parametrize(
    ("roles", "statuses"),
    [
        ((), [403] * 6),
        (("Message sender",), [403] * 6),
        (("Key auditor",), [200, 403, 200, 403, 403, 403]),
        (("Viewer",), [200, 403, 200, 403, 403, 200]),
        (("Key operator",), [200, 201, 200, 200, 403, 403]),
        (("Key manager",), [200, 201, 200, 200, 204, 200]),
        (("Administrator",), [200, 201, 200, 200, 204, 200]),
        (("Message sender", "Key auditor"), [200, 403, 200, 403, 403, 403]),
        (("Administrator", "Key operator"), [200, 201, 200, 200, 403, 200]),
    ],
)
async def test_a_token_may_do_what_its_roles_allow_if_roles_are_enforced(
    api: Api, roles: tuple[str, ...], statuses: list[int]
) -> None:
    token = await make_key(api, *roles)
    assert await statuses_of(api, token) == [200, 201, 200, 200, 204, 200]

    api.emulator.enforce_roles = True

    assert await statuses_of(api, token) == statuses


async def test_a_403_for_want_of_a_role_names_the_action_and_the_path(api: Api) -> None:
    token = await make_key(api)
    api.emulator.enforce_roles = True

    answer = await api.ask("POST", token=token, json={})

    assert (answer.status, answer.json["code"]) == (403, "Forbidden")
    assert answer.json["message"].endswith(f"do not allow create on {api.keys_path}")


async def test_roles_are_enforced_from_the_start_if_that_is_wanted() -> None:
    async with Emulator(enforce_roles=True) as emulator, aiohttp.ClientSession() as session:
        api = Api(emulator, session)
        assert (await api.ask("GET")).status == 200
        token = await make_key(api)
        assert (await api.ask("GET", token=token)).status == 403
        emulator.enforce_roles = False
        assert (await api.ask("GET", token=token)).status == 200
        emulator.reset()
        assert emulator.enforce_roles
