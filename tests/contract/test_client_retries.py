"""The retry table, row by row: connections that really drop, and how many requests the service saw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from attrs import evolve

from accesskeys_async import (
    AccessKeysClient,
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BudgetExhaustedError,
    ConflictError,
    CreateOutcomeUnknownError,
    DeadlineExceededError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    RetryBudget,
    RetryPolicy,
    ServerError,
    SharedPause,
    Timeout,
    ValidationError,
)
from accesskeys_async.emulator import Emulator, Fault, RateLimit

NOW = datetime.now(UTC)
HTTP_NOW = format_datetime(NOW, usegmt=True)
RETRIES = 2
ALL = RETRIES + 1
ONCE = 1
Call = Callable[[AccessKeysClient, str, str], Awaitable[object]]
CALLS: dict[str, Call] = {
    "list": lambda client, org, key_id: client.list(org).collect(),
    "get": lambda client, org, key_id: client.get(org, key_id),
    "update": lambda client, org, key_id: client.update(org, key_id, name="renamed"),
    "delete": lambda client, org, key_id: client.delete(org, key_id, allow_self=True),
    "create": lambda client, org, key_id: client.create(org, name="new", description="made in a test"),
}
REPEATABLE = ("list", "get", "update", "delete")
EVERY = tuple(CALLS)
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


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(keys_per_organization=3) as service:
        yield service


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[AccessKeysClient]:
    async with AccessKeysClient(
        emulator.token,
        base_url=emulator.base_url,
        retry=RetryPolicy(max_retries=RETRIES, base_delay=0.0),
        timeout=Timeout(attempt=3.0),
        deadline=5.0,
        throttle=SharedPause(default=0.0),
    ) as client:
        yield client


def aim(fault: Fault, operation: str, times: int | None = None) -> Fault:
    """Point a fault at one operation."""
    changes: dict[str, Any] = {"operation": operation}
    if times is not None:
        changes["times"] = times
    return evolve(fault, **changes)


def in_a_hurry(client: AccessKeysClient, fault: Fault) -> AccessKeysClient:
    """Give up early on what never ends."""
    never_ends = fault.kind in {"delay", "drip"}
    return client.with_options(timeout=Timeout(attempt=0.15)) if never_ends else client


async def run(client: AccessKeysClient, emulator: Emulator, operation: str) -> object:
    key_id = emulator.keys(emulator.organization_id)[0].id
    return await CALLS[operation](client, emulator.organization_id, key_id)


@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize("fault", TURNED_AWAY.values(), ids=TURNED_AWAY)
async def test_what_was_turned_away_is_tried_again_whatever_it_is(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, operation: str
) -> None:
    emulator.faults.add(aim(fault, operation))
    with pytest.raises(RateLimitError if fault.reply.status == 429 else ServerError) as caught:
        await run(client, emulator, operation)
    assert emulator.journal.count(operation=operation) == ALL
    assert [attempt.status for attempt in caught.value.attempts] == [fault.reply.status] * ALL


@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
async def test_a_passing_failure_is_tried_again_unless_it_may_have_made_a_key(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, operation: str
) -> None:
    emulator.faults.add(aim(fault, operation))
    with pytest.raises(ServerError) as caught:
        await run(client, emulator, operation)
    assert emulator.journal.count(operation=operation) == (ALL if operation in REPEATABLE else ONCE)
    assert len(caught.value.attempts) == (ALL if operation in REPEATABLE else ONCE)


@pytest.mark.parametrize("operation", REPEATABLE)
@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_a_lost_answer_is_asked_for_again(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, operation: str
) -> None:
    if operation == "delete" and fault.kind == "drip":
        pytest.skip("an answer without a body has nothing to drip")
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


@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize(("fault", "error"), FINAL.values(), ids=FINAL)
async def test_what_does_not_pass_by_itself_is_not_tried_again(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, error: type[Exception], operation: str
) -> None:
    if operation == "delete" and fault.reply is not None and fault.reply.status == 200:
        pytest.skip("a delete has no answer to read")
    if operation == "delete" and fault.kind == "malformed_json":
        pytest.skip("a delete has no answer to read")
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


@pytest.mark.parametrize("operation", REPEATABLE)
@pytest.mark.parametrize("fault", FAILURES.values(), ids=FAILURES)
async def test_a_call_succeeds_once_the_failure_has_passed(
    client: AccessKeysClient, emulator: Emulator, fault: Fault, operation: str
) -> None:
    if operation == "delete" and fault.kind == "drip":
        pytest.skip("an answer without a body has nothing to drip")
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


@pytest.mark.parametrize("fault", [Fault.reset_before(), Fault.reset_after(), Fault.cut_headers()])
@pytest.mark.parametrize("operation", ["get", "delete"])
@pytest.mark.parametrize("warm", [False, True], ids=["fresh connection", "kept connection"])
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


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_retry_after_over_the_bound_raises_at_once(
    client: AccessKeysClient, emulator: Emulator, status: int, form: str
) -> None:
    asked: Any = 3600 if form == "seconds" else datetime.now(UTC) + timedelta(hours=1)
    emulator.faults.add(Fault.status(status, operation="get", retry_after=asked))
    with pytest.raises(RateLimitError if status == 429 else ServerError) as caught:
        async with asyncio.timeout(2):
            await run(client, emulator, "get")
    assert emulator.journal.count() == ONCE
    assert caught.value.retry_after == pytest.approx(3600, abs=5)
    assert any("max_retry_after" in note for note in caught.value.__notes__)


async def test_a_retry_after_past_the_deadline_raises_at_once(
    client: AccessKeysClient, emulator: Emulator
) -> None:
    emulator.faults.add(Fault.status(503, operation="get", retry_after=10))
    with pytest.raises(ServerError) as caught:
        async with asyncio.timeout(2):
            await run(client, emulator, "get")
    assert emulator.journal.count() == ONCE
    assert caught.value.retry_after == 10
    assert any("deadline" in note for note in caught.value.__notes__)


async def test_retry_after_is_a_floor(client: AccessKeysClient, emulator: Emulator) -> None:
    emulator.faults.add(Fault.status(503, operation="get", retry_after=0.2))
    began = asyncio.get_running_loop().time()
    await run(client, emulator, "get")
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_the_deadline_bounds_all_attempts_together(
    client: AccessKeysClient, emulator: Emulator
) -> None:
    emulator.faults.add(Fault.delay(9, operation="get", times=99))
    hurried = client.with_options(
        deadline=0.25, timeout=Timeout(attempt=0.15), retry=RetryPolicy(max_retries=99, base_delay=0.0)
    )
    began = asyncio.get_running_loop().time()
    with pytest.raises(DeadlineExceededError) as caught:
        await run(hurried, emulator, "get")
    assert asyncio.get_running_loop().time() - began < 0.5
    assert emulator.journal.count(operation="get") == 2
    assert len(caught.value.attempts) == 2
    assert isinstance(caught.value.last, APITimeoutError)
    assert isinstance(caught.value, TimeoutError)


async def test_a_create_that_the_deadline_cuts_short_has_an_unknown_outcome(
    client: AccessKeysClient, emulator: Emulator
) -> None:
    emulator.faults.add(Fault.delay(9, operation="create"))
    with pytest.raises(CreateOutcomeUnknownError):
        await run(client.with_options(deadline=0.1), emulator, "create")
    assert emulator.journal.count(operation="create") == ONCE


async def test_one_429_pauses_every_task_that_shares_the_throttle(
    client: AccessKeysClient, emulator: Emulator
) -> None:
    emulator.faults.add(Fault.status(429, operation="get", retry_after=0.3))
    paused = client.with_options(throttle=SharedPause(default=0.0))
    other = paused.with_options(deadline=4.0)
    hit = asyncio.create_task(run(paused, emulator, "get"))
    await asyncio.sleep(0.1)
    assert emulator.journal.count(status=429) == 1
    await asyncio.gather(hit, *(run(other, emulator, "list") for _ in range(5)))
    first, *rest = sorted(entry.at for entry in emulator.journal)
    assert len(rest) == 6
    assert min(rest) - first >= timedelta(seconds=0.29)


async def test_a_service_with_a_rate_limit_is_ridden_through(
    client: AccessKeysClient, emulator: Emulator
) -> None:
    emulator.rate_limit = RateLimit(40, burst=5)
    patient = client.with_options(
        retry=RetryPolicy(max_retries=20, base_delay=0.01), throttle=SharedPause(), deadline=20.0
    )
    key_id = emulator.keys(emulator.organization_id)[0].id
    keys = await asyncio.gather(*(patient.get(emulator.organization_id, key_id) for _ in range(15)))
    assert len(keys) == 15
    assert emulator.journal.count(status=200) == 15


async def test_an_empty_budget_lets_the_first_error_stand(
    client: AccessKeysClient, emulator: Emulator
) -> None:
    budget = RetryBudget(capacity=3, refund=0.0)
    poor = client.with_options(retry=RetryPolicy(max_retries=RETRIES, base_delay=0.0, budget=budget))
    emulator.faults.add(Fault.status(500, operation="get", times=99))
    for _ in range(10):
        with pytest.raises(ServerError) as caught:
            await run(poor, emulator, "get")
    assert emulator.journal.count(operation="get") == 10 + 3
    assert isinstance(caught.value.__cause__, BudgetExhaustedError)


async def test_a_dying_service_sees_a_tenth_more_load_once_the_budget_is_spent(
    client: AccessKeysClient, emulator: Emulator
) -> None:
    thrifty = client.with_options(
        retry=RetryPolicy(max_retries=4, base_delay=0.0, budget=RetryBudget(capacity=0, refund=0.1))
    )
    for _ in range(100):
        emulator.faults.add(Fault.status(500, operation="get"))
        with pytest.raises(ServerError):
            await run(thrifty, emulator, "get")
    assert emulator.journal.count(operation="get") == 100


async def test_a_429_takes_nothing_from_the_budget(client: AccessKeysClient, emulator: Emulator) -> None:
    budget = RetryBudget(capacity=5)
    emulator.faults.add(Fault.status(429, operation="get", times=RETRIES, retry_after=0))
    await run(client.with_options(retry=RetryPolicy(base_delay=0.0, budget=budget)), emulator, "get")
    assert budget.tokens == 5
