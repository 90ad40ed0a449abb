"""Plans made of the emulator's fleet, and carried out against it while it changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from uuid import UUID

import pytest

from accesskeys_async import (
    AccessKeysClient,
    InvalidRequestError,
    Request,
    Response,
    RetryPolicy,
    SharedPause,
)
from accesskeys_async._http.messages import Next
from accesskeys_async.audit import Credential, OrganizationAudit, Policy, RuleChange, Summary, audit
from accesskeys_async.audit.cleanup.apply import Removal, apply
from accesskeys_async.audit.cleanup.plan import Plan, Planner
from accesskeys_async.audit.cleanup.removal_journal import Act, RemovalJournal, RemovalJournalError
from accesskeys_async.emulator import Emulator, Fault

EVERY_KEY = Policy(rules={"AK002": RuleChange(parameters={"min_age_days": 0, "high_after_days": 0})})


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as service:
        yield service


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[AccessKeysClient]:
    async with AccessKeysClient(
        emulator.token,
        base_url=emulator.base_url,
        retry=RetryPolicy(max_retries=1, base_delay=0.0),
        throttle=SharedPause(default=0.0),
    ) as client:
        yield client


@pytest.fixture
def open_journal(tmp_path: Path) -> Callable[[Plan], RemovalJournal]:
    return lambda plan: RemovalJournal.open(tmp_path / "journal", plan_hash=plan.hash)


@pytest.fixture
async def plan(client: AccessKeysClient, emulator: Emulator) -> Plan:
    """A plan of four keys that were never used."""
    for number in range(4):
        await client.create(emulator.organization_id, name=f"old {number}", description="forgotten")
    return await _make_plan(client, emulator.organization_id)


async def _make_plan(client: AccessKeysClient, *organizations: str) -> Plan:
    planner = Planner(frozenset({"AK002"}))
    async with aclosing(audit(client, organizations, EVERY_KEY)) as parts:
        async for part in parts:
            match part:
                case OrganizationAudit():
                    planner.add(part)
                case Summary():
                    return planner.finish(part)
    raise AssertionError("the audit ended without a summary")


async def _apply(
    client: AccessKeysClient,
    plan: Plan,
    journal: RemovalJournal,
    *,
    max_deletes: int = 100,
    **options: object,
) -> list[Removal]:
    with journal:
        removals = apply(client, plan, journal, max_deletes=max_deletes, **options)  # type: ignore[arg-type]
        return [removal async for removal in removals]


def _key_ids(emulator: Emulator) -> set[UUID]:
    return {UUID(key.id) for key in emulator.keys(emulator.organization_id)}


async def test_a_plan_is_carried_out_and_a_second_time_nothing_is_left_to_do(
    client: AccessKeysClient, emulator: Emulator, plan: Plan, open_journal: Callable[[Plan], RemovalJournal]
) -> None:
    assert len(plan.candidates) == 4

    removals = await _apply(client, plan, open_journal(plan))

    assert [removal.act for removal in removals] == [Act.DELETED] * 4
    assert len(_key_ids(emulator)) == 1
    before = emulator.journal.count()
    assert await _apply(client, plan, open_journal(plan)) == []
    assert emulator.journal.count() == before


async def test_what_was_used_changed_or_deleted_since_is_left_alone(
    client: AccessKeysClient, emulator: Emulator, open_journal: Callable[[Plan], RemovalJournal]
) -> None:
    org = emulator.organization_id
    used = await client.create(org, name="used", description="d")
    changed = await client.create(org, name="changed", description="d")
    gone = await client.create(org, name="gone", description="d")
    left = await client.create(org, name="left", description="d")
    plan = await _make_plan(client, org)
    await client.with_options(token=used.token).list(org).first()
    await client.update(org, changed.id, description="needed after all")
    await client.delete(org, gone.id)

    removals = await _apply(client, plan, open_journal(plan))

    acts = {removal.candidate.key_id: removal.act for removal in removals}
    assert acts == {
        used.id: Act.USED,
        changed.id: Act.CHANGED,
        gone.id: Act.GONE,
        left.id: Act.DELETED,
    }
    assert {used.id, changed.id} < _key_ids(emulator)
    assert emulator.journal.count(operation="delete") == 2


async def test_the_key_that_is_asking_is_never_deleted_whoever_made_the_plan(
    client: AccessKeysClient, emulator: Emulator, open_journal: Callable[[Plan], RemovalJournal]
) -> None:
    org = emulator.organization_id
    other = await client.create(org, name="other auditor", description="d")
    spared = await client.create(org, name="spared", description="d")
    plan = await _make_plan(client, org)
    assert {candidate.key_id for candidate in plan.candidates} == {other.id, spared.id}

    removals = await _apply(
        client.with_options(token=other.token), plan, open_journal(plan), own_keys=frozenset({spared.id})
    )

    assert [removal.act for removal in removals] == [Act.OWN, Act.OWN]
    assert emulator.journal.count(operation="delete") == 0


async def test_no_more_are_deleted_than_may_be_and_the_next_call_goes_on(
    client: AccessKeysClient, emulator: Emulator, plan: Plan, open_journal: Callable[[Plan], RemovalJournal]
) -> None:
    first = await _apply(client, plan, open_journal(plan), max_deletes=3)

    assert [removal.act for removal in first] == [Act.DELETED] * 3 + [Act.LEFT]
    assert len(_key_ids(emulator)) == 2
    second = await _apply(client, plan, open_journal(plan), max_deletes=3)
    assert [removal.act for removal in second] == [Act.DELETED]


async def test_a_bound_below_one_is_refused_at_once(
    client: AccessKeysClient, plan: Plan, open_journal: Callable[[Plan], RemovalJournal]
) -> None:
    with open_journal(plan) as journal, pytest.raises(InvalidRequestError, match="max_deletes is 0"):
        apply(client, plan, journal, max_deletes=0)


async def test_a_failure_is_told_and_tried_again_by_the_next_call(
    client: AccessKeysClient, emulator: Emulator, plan: Plan, open_journal: Callable[[Plan], RemovalJournal]
) -> None:
    emulator.faults.add(Fault.status(503, operation="get", times=2))
    emulator.faults.add(Fault.status(403, operation="delete"))

    first = await _apply(client, plan, open_journal(plan))

    assert [(removal.act, removal.failure) for removal in first] == [
        (Act.FAILED, "unavailable"),
        (Act.FAILED, "permission"),
        (Act.DELETED, None),
        (Act.DELETED, None),
    ]
    second = await _apply(client, plan, open_journal(plan))
    assert [removal.act for removal in second] == [Act.DELETED] * 2


async def test_a_deletion_whose_answer_never_came_is_known_as_ours_by_the_next_call(
    client: AccessKeysClient, emulator: Emulator, plan: Plan, open_journal: Callable[[Plan], RemovalJournal]
) -> None:
    emulator.faults.add(Fault.cut_headers(operation="delete", times=1))
    once = client.with_options(retry=RetryPolicy(max_retries=0))

    first = await _apply(once, plan, open_journal(plan), max_deletes=1)
    assert first[0].act is Act.FAILED

    second = await _apply(client, plan, open_journal(plan))
    assert [removal.act for removal in second] == [Act.DELETED] * 4
    assert emulator.journal.count(operation="delete") == 4


@pytest.mark.parametrize(("method", "is_done"), [("GET", False), ("DELETE", False), ("DELETE", True)])
async def test_an_applying_that_is_cancelled_goes_on_where_it_stood(
    client: AccessKeysClient,
    emulator: Emulator,
    plan: Plan,
    open_journal: Callable[[Plan], RemovalJournal],
    method: str,
    is_done: bool,
) -> None:
    reached = asyncio.Event()
    seen = 0

    async def hang(request: Request, call_next: Next) -> Response:
        nonlocal seen
        seen += request.method == method
        if request.method == method and seen == 3:
            if is_done:
                await call_next(request)
            reached.set()
            await asyncio.Event().wait()
        return await call_next(request)

    task = asyncio.create_task(_apply(client.with_options(middlewares=[hang]), plan, open_journal(plan)))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    removals = await _apply(client, plan, open_journal(plan))

    assert [removal.act for removal in removals] == [Act.DELETED] * 2
    assert len(_key_ids(emulator)) == 1


async def test_nothing_is_deleted_that_could_not_be_written_down_first(
    client: AccessKeysClient, emulator: Emulator, plan: Plan, tmp_path: Path
) -> None:
    journal = RemovalJournal.open(tmp_path / "journal", plan_hash=plan.hash)
    journal.close()

    with pytest.raises(RemovalJournalError, match="can't be written"):
        await _apply(client, plan, journal)
    assert emulator.journal.count(operation="delete") == 0


async def test_each_organization_has_its_own_token_and_one_without_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Emulator(organizations=2) as emulator:
        one, two = emulator.organizations
        async with AccessKeysClient(one.token, base_url=emulator.base_url) as client:
            for organization in (one, two):
                speaking = client.with_options(token=organization.token)
                await speaking.create(organization.id, name="old", description="d")
            entries = {UUID(one.id): Credential("env", "ONE"), UUID(two.id): Credential("env", "TWO")}
            plans = [
                await _make_plan(client.with_options(token=organization.token), organization.id)
                for organization in (one, two)
            ]
            candidates = tuple(candidate for plan in plans for candidate in plan.candidates)
            plan = Plan(
                made_at=plans[0].made_at, policy_hash="", rules=(), is_complete=True, candidates=candidates
            )
            monkeypatch.setenv("TWO", two.token)

            removals = await _apply(
                client, plan, RemovalJournal.open(tmp_path / "j", plan_hash=plan.hash), credentials=entries
            )

    acts = {removal.candidate.organization_id: (removal.act, removal.failure) for removal in removals}
    assert acts == {UUID(one.id): (Act.FAILED, "credential"), UUID(two.id): (Act.DELETED, None)}
