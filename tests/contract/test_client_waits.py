"""How long a call waits: Retry-After, the deadline, the pause that all keep, and the budget of retries."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accesskeys_async import (
    AccessKeysClient,
    APITimeoutError,
    BudgetExhaustedError,
    CreateOutcomeUnknownError,
    DeadlineExceededError,
    RateLimitError,
    RetryBudget,
    RetryPolicy,
    ServerError,
    SharedPause,
    Timeout,
)
from accesskeys_async.emulator import Emulator, Fault, RateLimit
from tests.contract.faulty_calls import ONCE, RETRIES, run
from tests.waiting import let_run, until


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
    await until(lambda: emulator.journal.count(status=429) == 1)
    await let_run()
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
