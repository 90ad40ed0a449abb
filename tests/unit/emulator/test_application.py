import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

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
    assert content["code"] == "unauthorized"
    assert api.emulator.token not in json.dumps(content)


async def test_two_authorization_headers_are_401(api: Api) -> None:
    both = [("Authorization", f"AccessKey {api.emulator.token}")] * 2

    async with api.session.get(api.emulator.base_url + api.keys_path, headers=both) as response:
        assert response.status == 401


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


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/organizations", "/_emulator", "/organizations/x/access-keys/y/z"]
)
async def test_an_unknown_path_is_a_404_in_json(api: Api, path: str) -> None:
    answer = await api.ask("GET", path)

    assert (answer.status, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND"])
async def test_another_method_is_405_and_names_those_allowed(api: Api, method: str) -> None:
    answer = await api.ask(method)

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, POST"
    assert method == "HEAD" or answer.json["code"] == "method_not_allowed"


async def test_a_key_takes_get_patch_and_delete(api: Api) -> None:
    answer = await api.ask("POST", f"{api.keys_path}/83887d60-1ceb-4ba7-a2ee-a7b3f7a24d47")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, PATCH, DELETE")


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/xml", "application/json; charset=latin-1", "json"]
)
async def test_a_body_of_another_type_is_415(api: Api, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    options: dict[str, Any] = {"skip_auto_headers": ["Content-Type"]} if content_type is None else {}

    answer = await api.ask("POST", data=b'{"name": "a", "description": "b"}', headers=headers, **options)

    assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")


async def test_json_with_its_charset_is_taken(api: Api) -> None:
    headers = {"Content-Type": "Application/JSON; charset=UTF-8"}

    answer = await api.ask("POST", data=b'{"name": "a", "description": "b"}', headers=headers)

    assert answer.status == 201


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"name": "a", "name": "b"}', b"[" * 60_000])
async def test_a_body_that_is_not_json_is_400(api: Api, body: bytes) -> None:
    answer = await api.ask("POST", data=body, headers={"Content-Type": "application/json"})

    assert (answer.status, answer.json["code"]) == (400, "malformed_json")


async def test_a_body_may_have_64_kib_and_no_byte_more(api: Api) -> None:
    fits = json.dumps({"name": "a", "description": "b", "x": ""}).encode()
    fits = fits.replace(b'"x": ""', b'"x": "%b"' % (b"y" * (64 * 1024 - len(fits))))
    headers = {"Content-Type": "application/json"}

    assert (await api.ask("POST", data=fits, headers=headers)).status == 201
    answer = await api.ask("POST", data=fits + b" ", headers=headers)
    assert (answer.status, answer.json["code"]) == (413, "payload_too_large")


async def test_a_chunked_body_over_64_kib_is_413(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(80):
            yield b" " * 1024

    answer = await api.ask("POST", data=chunks(), headers={"Content-Type": "application/json"})

    assert answer.status == 413


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
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_over_the_rate_limit_is_429_until_the_clock_has_moved_on(api: Api, clock: ManualClock) -> None:
    api.emulator.rate_limit = RateLimit(1, burst=2)
    assert api.emulator.rate_limit == RateLimit(1, burst=2)

    answers = [await api.list() for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[1].headers["RateLimit-Remaining"] == "0"
    assert answers[2].headers["Retry-After"] == "1"
    assert answers[2].json["code"] == "rate_limited"
    other = api.emulator.organizations[1]
    assert (await api.ask("GET", f"/organizations/{other.id}/access-keys", token=other.token)).status == 200
    clock.advance(1)
    assert (await api.list(limit="0")).headers["RateLimit-Remaining"] == "0"
    api.emulator.rate_limit = None
    assert (await api.list()).status == 200


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
