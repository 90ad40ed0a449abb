"""The retry table, row by row: connections that really drop, and how many requests the service saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from accesskeys_async import (
    AccessKeysClient,
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    ConflictError,
    CreateOutcomeUnknownError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    RetryPolicy,
    ServerError,
    ValidationError,
)
from accesskeys_async.emulator import Emulator, Fault
from tests.contract.faulty_calls import ALL, EVERY, ONCE, REPEATABLE, RETRIES, aim, in_a_hurry, run

NOW = datetime.now(UTC)
HTTP_NOW = format_datetime(NOW, usegmt=True)
TURNED_AWAY = {
    "429": Fault.status(429, times=99),
    "429 with Retry-After": Fault.status(429, times=99, retry_after=0),
    "503 with Retry-After": Fault.status(503, times=99, retry_after=0),
    "503 with Retry-After as a date": Fault.status(
        503, times=99, retry_after=NOW, headers={"Date": HTTP_NOW}
    ),
}
PASSING = {
    "500": Fault.status(500, times=99),
    "502": Fault.status(502, times=99),
    "503": Fault.status(503, times=99),
    "503 with a Retry-After of garbage": Fault.status(503, times=99, retry_after="soon"),
    "503 with a negative Retry-After": Fault.status(503, times=99, retry_after="-5"),
    "504": Fault.status(504, times=99),
}
LOST = {
    "reset before the effect": Fault.reset_before(times=99),
    "reset after the effect": Fault.reset_after(times=99),
    "cut off in the headers": Fault.cut_headers(times=99),
    "cut off in the body": Fault.cut_body(times=99),
    "timed out before the effect": Fault.delay(9, times=99),
    "timed out in the body": Fault.drip(9, times=99),
}
FAILURES = {**TURNED_AWAY, **PASSING, **LOST}
FINAL: dict[str, tuple[Fault, type[Exception]]] = {
    "400": (Fault.status(400, times=99), ValidationError),
    "401": (Fault.status(401, times=99), AuthenticationError),
    "403": (Fault.status(403, times=99), PermissionDeniedError),
    "404": (Fault.status(404, times=99), NotFoundError),
    "405": (Fault.status(405, times=99), APIStatusError),
    "409": (Fault.status(409, times=99), ConflictError),
    "422": (Fault.status(422, times=99), ValidationError),
    "501": (Fault.status(501, times=99), ServerError),
    "302": (Fault.status(302, times=99, headers={"Location": "https://elsewhere.example/"}), RedirectError),
    "malformed JSON": (Fault.malformed_json(times=99), APIResponseError),
    "another shape": (Fault.status(200, times=99, body={"data": []}), APIResponseError),
    "no JSON": (Fault.status(200, times=99, body="<html>"), APIResponseError),
}


def suits(operation: str, fault: Fault) -> bool:
    """Tell whether a fault can be met: the answer to a delete has no body to drip or to read."""
    needs_a_body = fault.kind in {"drip", "malformed_json"} or (fault.reply and fault.reply.status == 200)
    return operation != "delete" or not needs_a_body


def pair(operations: Iterable[str], faults: Mapping[str, Fault]) -> list[object]:
    """Put every operation under every fault that suits it."""
    return [
        pytest.param(operation, fault, id=f"{operation}, {name}")
        for operation in operations
        for name, fault in faults.items()
        if suits(operation, fault)
    ]


@pytest.mark.parametrize(("operation", "fault"), pair(EVERY, TURNED_AWAY))
async def test_what_was_turned_away_is_tried_again_whatever_it_is(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, operation: str
) -> None:
    emulator.faults.add(aim(fault, operation))
    with pytest.raises(RateLimitError if fault.reply.status == 429 else ServerError) as caught:
        await run(client, emulator, operation)
    assert emulator.journal.count(operation=operation) == ALL
    assert [attempt.status for attempt in caught.value.attempts] == [fault.reply.status] * ALL


@pytest.mark.parametrize(("operation", "fault"), pair(EVERY, PASSING))
async def test_a_passing_failure_is_tried_again_unless_it_may_have_made_a_key(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, operation: str
) -> None:
    emulator.faults.add(aim(fault, operation))
    with pytest.raises(ServerError) as caught:
        await run(client, emulator, operation)
    assert emulator.journal.count(operation=operation) == (ALL if operation in REPEATABLE else ONCE)
    assert len(caught.value.attempts) == (ALL if operation in REPEATABLE else ONCE)


@pytest.mark.parametrize(("operation", "fault"), pair(REPEATABLE, LOST))
async def test_a_lost_answer_is_asked_for_again(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, operation: str
) -> None:
    emulator.faults.add(aim(fault, operation))
    with pytest.raises(APIConnectionError) as caught:
        await run(in_a_hurry(client, fault), emulator, operation)
    assert emulator.journal.count(operation=operation) == ALL
    assert caught.value.sent is None
    assert isinstance(caught.value, APITimeoutError) == (fault.kind in {"delay", "drip"})
    assert [attempt.effect_unknown for attempt in caught.value.attempts] == [True] * ALL


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_a_create_whose_answer_is_lost_is_never_sent_twice(
    client: AccessKeysClient, emulator: Emulator, fault: Fault
) -> None:
    emulator.faults.add(aim(fault, "create"))
    with pytest.raises(CreateOutcomeUnknownError) as caught:
        await run(in_a_hurry(client, fault), emulator, "create")
    assert emulator.journal.count(operation="create") == ONCE
    assert len(caught.value.attempts) == ONCE
    made = [key for key in emulator.keys(emulator.organization_id) if key.name == "new"]
    assert len(made) == (0 if fault.kind in {"reset_before", "delay"} else 1)


@pytest.mark.parametrize(
    ("operation", "fault", "error"),
    [
        pytest.param(operation, fault, error, id=f"{operation}, {name}")
        for operation in EVERY
        for name, (fault, error) in FINAL.items()
        if suits(operation, fault)
    ],
)
async def test_what_does_not_pass_by_itself_is_not_tried_again(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, operation: str, error: type[Exception]
) -> None:
    emulator.faults.add(aim(fault, operation))
    with pytest.raises(error) as caught:
        await run(client, emulator, operation)
    assert emulator.journal.count(operation=operation) == ONCE
    assert len(caught.value.attempts) == ONCE


@pytest.mark.parametrize("operation", EVERY)
async def test_what_could_not_connect_is_tried_again_whatever_it_is(
    client: AccessKeysClient, emulator: Emulator, operation: str, unused_tcp_port: int
) -> None:
    nowhere = client.with_options(base_url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(APIConnectionError) as caught:
        await run(nowhere, emulator, operation)
    assert caught.value.sent is False
    assert len(caught.value.attempts) == ALL
    assert not any(attempt.effect_unknown for attempt in caught.value.attempts)


@pytest.mark.parametrize(("operation", "fault"), pair(REPEATABLE, FAILURES))
async def test_a_call_succeeds_once_the_failure_has_passed(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, operation: str
) -> None:
    emulator.faults.add(aim(fault, operation, times=RETRIES))
    await run(in_a_hurry(client, fault), emulator, operation)
    assert emulator.journal.count(operation=operation) == ALL
    emulator.faults.assert_used()


@pytest.mark.parametrize("fault", TURNED_AWAY.values(), ids=TURNED_AWAY)
async def test_a_create_that_was_turned_away_makes_one_key(
    client: AccessKeysClient, emulator: Emulator, fault: Fault
) -> None:
    emulator.faults.add(aim(fault, "create", times=RETRIES))
    created = await client.create(emulator.organization_id, name="new", description="made in a test")
    assert emulator.verify(emulator.organization_id, created.token.reveal()) == str(created.id)
    assert [key.name for key in emulator.keys(emulator.organization_id)].count("new") == 1


async def test_a_delete_that_meets_404_after_its_own_answer_was_lost_has_succeeded(
    client: AccessKeysClient, emulator: Emulator
) -> None:
    key_id = emulator.keys(emulator.organization_id)[0].id
    emulator.faults.add(Fault.reset_after(operation="delete"))
    await client.delete(emulator.organization_id, key_id, allow_self=True)
    assert [entry.status for entry in emulator.journal] == [None, 404]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_delete_that_meets_404_after_it_was_only_turned_away_has_failed(
    client: AccessKeysClient, emulator: Emulator, status: int
) -> None:
    emulator.faults.add(Fault.status(status, retry_after=0), Fault.status(404))
    with pytest.raises(NotFoundError):
        await run(client, emulator, "delete")
    assert emulator.journal.count() == 2


async def test_a_delete_that_meets_404_at_once_has_failed_unless_it_may(
    client: AccessKeysClient, emulator: Emulator
) -> None:
    key_id = emulator.keys(emulator.organization_id)[0].id
    await client.delete(emulator.organization_id, key_id, allow_self=True)
    with pytest.raises(NotFoundError):
        await client.delete(emulator.organization_id, key_id, allow_self=True)
    await client.delete(emulator.organization_id, key_id, allow_self=True, missing_ok=True)
    assert emulator.journal.count(operation="delete") == 3


DROPS = [Fault.reset_before(), Fault.reset_after()]


@pytest.mark.parametrize(
    ("warm", "fault"),
    [*((False, fault) for fault in DROPS), (False, Fault.cut_headers()), (True, Fault.cut_headers())],
)
@pytest.mark.parametrize("operation", ["get", "delete"])
async def test_aiohttp_resends_nothing_behind_our_back(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, operation: str, warm: bool
) -> None:
    never = client.with_options(retry=RetryPolicy(max_retries=0))
    if warm:
        await never.list(emulator.organization_id).first()
    emulator.faults.add(aim(fault, operation))
    with pytest.raises(APIConnectionError):
        await run(never, emulator, operation)
    assert emulator.journal.count(operation=operation) == ONCE


@pytest.mark.parametrize("fault", DROPS)
@pytest.mark.parametrize("operation", ["get", "update", "delete"])
async def test_what_a_kept_connection_lost_before_any_response_is_sent_again_once_without_a_retry(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, operation: str
) -> None:
    never = client.with_options(retry=RetryPolicy(max_retries=0))
    await never.list(emulator.organization_id).first()
    emulator.faults.add(aim(fault, operation))
    await run(never, emulator, operation)
    assert emulator.journal.count(operation=operation) == 2
