import asyncio
import json
from datetime import UTC, datetime
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from accesskeys_async.emulator import Emulator, Fault
from accesskeys_async.emulator.delivery import deliver
from accesskeys_async.emulator.replies import Reply
from tests.unit.emulator.asking import Api, Send

BODY = json.dumps({"name": "ci", "description": "deploys"}).encode()


def count(emulator: Emulator) -> int:
    return len(emulator.keys(emulator.organization_id))


async def test_a_scripted_status_answers_instead_of_the_operation(api: Api) -> None:
    moment = datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)
    api.emulator.faults.add(
        Fault.status(503, operation="create", times=2, body="down", retry_after=3),
        Fault.status(429, retry_after=moment),
    )
    before = count(api.emulator)

    first, second, third, fourth = [await api.create() for _ in range(4)]

    assert (first.status, first.body, first.headers["Retry-After"]) == (503, b"down", "3")
    assert second.status == 503
    assert third.headers["Retry-After"] == "Thu, 01 Jan 2026 00:00:03 GMT"
    assert third.json["code"] == "InjectedFault"
    assert fourth.status == 201
    assert count(api.emulator) == before + 1
    api.emulator.faults.assert_used()
    assert [entry.status for entry in api.emulator.journal] == [503, 503, 429, 201]


async def test_a_delay_ends_in_the_usual_answer(api: Api) -> None:
    api.emulator.faults.add(Fault.delay(0.01))

    assert (await api.list()).status == 200


async def test_a_reset_before_drops_the_connection_and_changes_nothing(
    emulator: Emulator, send: Send
) -> None:
    emulator.faults.add(Fault.reset_before(operation="create"))
    before = count(emulator)

    with pytest.raises(ConnectionResetError):
        await send("POST", body=BODY)

    assert count(emulator) == before
    assert [(entry.operation, entry.status) for entry in emulator.journal] == [("create", None)]


async def test_a_reset_after_drops_the_connection_when_the_change_is_made(
    emulator: Emulator, send: Send
) -> None:
    emulator.faults.add(Fault.reset_after(operation="create"))
    before = count(emulator)

    with pytest.raises(ConnectionResetError):
        await send("POST", body=BODY)

    assert count(emulator) == before + 1
    assert [(entry.operation, entry.status) for entry in emulator.journal] == [("create", None)]


async def test_a_reply_can_be_cut_in_its_headers(emulator: Emulator, send: Send) -> None:
    emulator.faults.add(Fault.cut_headers())

    reply = await send()

    assert reply.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert b"\r\n\r\n" not in reply
    assert next(iter(emulator.journal)).status is None


async def test_a_reply_can_be_cut_in_its_body(emulator: Emulator, send: Send) -> None:
    emulator.faults.add(Fault.cut_body())

    head, _, body = (await send()).partition(b"\r\n\r\n")

    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert len(body) == length // 2
    assert body.startswith(b'{"results":[')


async def test_a_reply_without_a_body_is_cut_in_its_headers(emulator: Emulator, send: Send) -> None:
    emulator.faults.add(Fault.cut_body())
    key_id = emulator.keys(emulator.organization_id)[0].id

    reply = await send("DELETE", f"/{key_id}")

    assert reply.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"\r\n\r\n" not in reply
    assert key_id not in [key.id for key in emulator.keys(emulator.organization_id)]


async def test_a_reply_can_be_malformed_though_its_framing_is_right(api: Api) -> None:
    api.emulator.faults.add(Fault.malformed_json(times=2))
    key_id = api.emulator.keys(api.emulator.organization_id)[0].id

    answers = [await api.list(), await api.ask("DELETE", f"{api.keys_path}/{key_id}")]

    for answer in answers:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        with pytest.raises(ValueError):
            answer.json  # noqa: B018 - reading it is the test
    assert api.emulator.journal.count(status=200) == 2


async def test_a_body_can_drip(api: Api) -> None:
    api.emulator.faults.add(Fault.drip(0.001, chunk=100))
    whole = (await api.list()).json

    assert whole == (await api.list()).json


async def test_a_client_that_leaves_a_drip_does_no_harm(api: Api) -> None:
    api.emulator.faults.add(Fault.drip(0.001, chunk=1))
    headers = {"Authorization": f"AccessKey {api.emulator.token}"}
    async with api.session.get(api.emulator.base_url + api.keys_path, headers=headers) as response:
        response.close()

    assert (await api.list()).status == 200


async def test_a_client_that_is_gone_before_its_reply_is_cut_does_no_harm() -> None:
    request = make_mocked_request("GET", "/", transport=Mock(is_closing=lambda: True))

    with pytest.raises(ConnectionResetError):
        await deliver(Reply(200, b"{}"), Fault.cut_body(), {}).prepare(request)


async def test_a_fault_is_for_its_organization(api: Api) -> None:
    other = api.emulator.organizations[1]
    api.emulator.faults.add(Fault.status(500, organization=other.id))

    assert (await api.list()).status == 200
    answer = await api.ask("GET", f"/organizations/{other.id}/access-keys", token=other.token)
    assert answer.status == 500


async def test_what_is_not_an_operation_meets_no_fault(api: Api) -> None:
    api.emulator.faults.add(Fault.status(500))

    assert (await api.ask("GET", "/nope")).status == 404
    assert (await api.ask("PUT")).status == 405
    assert len(api.emulator.faults.pending) == 1


async def test_concurrent_requests_share_a_script(api: Api) -> None:
    api.emulator.faults.add(Fault.status(503, times=5))

    answers = await asyncio.gather(*(api.list() for _ in range(20)))

    assert sorted(answer.status for answer in answers) == [200] * 15 + [503] * 5


async def test_a_connection_goes_on_after_a_scripted_status(emulator: Emulator) -> None:
    emulator.faults.add(Fault.status(503))
    url = f"{emulator.base_url}/organizations/{emulator.organization_id}/access-keys"
    headers = {"Authorization": f"AccessKey {emulator.token}"}
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        statuses = []
        for _ in range(2):
            async with session.get(url) as response:
                statuses.append(response.status)
                await response.read()

    assert statuses == [503, 200]
