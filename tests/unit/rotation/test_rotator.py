from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from attrs import evolve

from accesskeys_async import InvalidRequestError, NotFoundError
from accesskeys_async.emulator import Fault
from accesskeys_async.errors import ConfigurationError
from accesskeys_async.rotation import (
    Journal,
    Progress,
    Rotation,
    RotationBusyError,
    RotationRefusedError,
    RotationSettings,
    SinkError,
    State,
    UnknownRotationError,
)
from tests.unit.rotation.yard import NOW, Yard

pytestmark = pytest.mark.slow

WEEK = timedelta(days=7)


async def test_a_rotation_ends_with_the_new_key_alone_and_its_token_in_the_sink(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)

    done = await yard.run_to_end(rotator, rotation_id)

    assert done.state is State.CONFIRMED
    assert yard.key_ids == [yard.service.verify(yard.organization, yard.sink.token)] != [old_id]
    assert yard.marked == []


async def test_each_step_is_taken_once_and_says_when_to_come_again(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)

    steps = [await rotator.advance(rotation_id) for _ in range(3)]
    yard.clock.set(NOW + WEEK)
    steps += [await rotator.advance(rotation_id) for _ in range(2)]

    assert [(step.state, step.due_at) for step in steps] == [
        (State.VERIFIED, NOW),
        (State.GRACE, NOW + WEEK),
        (State.GRACE, NOW + WEEK),
        (State.CONFIRMED, None),
        (State.CONFIRMED, None),
    ]
    assert len(yard.sink.deliveries) == 1


async def test_both_keys_work_during_the_grace(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id

    await rotator.run(await yard.plan(rotator))

    assert yard.key_ids == [old_id, yard.service.verify(yard.organization, yard.sink.token)]


async def test_the_new_key_has_the_old_ones_name_and_description(yard: Yard) -> None:
    rotator = yard.make_rotator()
    old = yard.service.keys(yard.organization)[0]

    await rotator.run(await yard.plan(rotator))

    new = yard.service.keys(yard.organization)[-1]
    assert (new.name, new.description) == (old.name, old.description)


async def test_a_description_too_long_for_a_mark_is_whole_again_in_the_end(yard: Yard) -> None:
    rotator, description = yard.make_rotator(), "d" * 256
    await yard.client.update(yard.organization, yard.old_id, description=description)

    await rotator.run(await yard.plan(rotator))

    assert yard.service.keys(yard.organization)[-1].description == description


async def test_a_mark_that_an_old_key_still_bears_is_not_handed_on(yard: Yard) -> None:
    rotator = yard.make_rotator()
    await yard.client.update(yard.organization, yard.old_id, description="deploys [ak:0123456789abcdef]")

    await rotator.run(await yard.plan(rotator))

    assert yard.service.keys(yard.organization)[-1].description == "deploys"


async def test_planning_changes_nothing_but_the_journal(yard: Yard) -> None:
    before = yard.service.keys(yard.organization)

    await yard.plan(yard.make_rotator())

    assert [key.id for key in yard.service.keys(yard.organization)] == [key.id for key in before]
    assert yard.sink.deliveries == []


async def test_planning_a_key_twice_is_one_rotation(yard: Yard) -> None:
    rotator = yard.make_rotator()

    assert await yard.plan(rotator) == await yard.plan(rotator)
    with pytest.raises(RotationRefusedError, match="other terms"):
        await yard.plan(rotator, grace=timedelta(days=1))


async def test_planning_refuses_a_grace_below_nothing(yard: Yard) -> None:
    with pytest.raises(InvalidRequestError, match="grace is -1 day"):
        await yard.plan(yard.make_rotator(), grace=timedelta(days=-1))


async def test_planning_a_key_that_is_not_there_is_refused(yard: Yard) -> None:
    with pytest.raises(NotFoundError):
        await yard.make_rotator().plan(yard.organization, uuid4())


async def test_an_unknown_rotation_is_an_error_everywhere(yard: Yard) -> None:
    rotator = yard.make_rotator()

    for ask in (rotator.advance, rotator.run, rotator.abort, rotator.retry, rotator.status):
        with pytest.raises(UnknownRotationError):
            await ask(UUID(int=404))


async def test_a_key_still_in_use_is_kept_until_it_has_been_idle(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(settings=RotationSettings(clock=yard.clock.now)), yard.old_id
    old = await yard.client.create(yard.organization, name="used", description="used")
    rotation = await rotator.plan(yard.organization, old.id)
    await rotator.run(rotation.id)
    yard.clock.set(NOW + WEEK - timedelta(hours=1))
    await yard.use(old.token.reveal())()
    yard.clock.set(NOW + WEEK)

    kept = await rotator.run(rotation.id)

    assert kept.state is State.GRACE
    assert kept.due_at == NOW + WEEK + timedelta(days=1)
    assert kept.rotation.problem == (
        f"access key {old.id} (…{old.suffix}) was used after the cut-over, last at "
        f"{NOW + WEEK - timedelta(hours=1)}"
    )
    yard.clock.set(kept.due_at)
    assert (await rotator.run(rotation.id)).state is State.CONFIRMED
    assert old_id in yard.key_ids


async def test_a_key_in_use_goes_all_the_same_where_idleness_is_not_required(yard: Yard) -> None:
    rotator = yard.make_rotator()
    old = await yard.client.create(yard.organization, name="used", description="used")
    rotation = await rotator.plan(yard.organization, old.id, require_idle=False)
    await rotator.run(rotation.id)
    yard.clock.set(NOW + WEEK)
    await yard.use(old.token.reveal())()

    assert (await rotator.run(rotation.id)).state is State.CONFIRMED


async def test_the_cut_over_is_told_by_the_services_clock(yard: Yard) -> None:
    ahead = timedelta(hours=3)
    settings = RotationSettings(clock=lambda: yard.clock.now() + ahead)
    rotator = yard.make_rotator(settings=settings)
    old = await yard.client.create(yard.organization, name="used", description="used")
    rotation = await rotator.plan(yard.organization, old.id, grace=timedelta(hours=1))
    await rotator.run(rotation.id)
    yard.clock.advance(1800)
    await yard.use(old.token.reveal())()
    yard.clock.advance(1800)

    kept = await rotator.run(rotation.id)

    assert kept.state is State.GRACE, "by the worker's own clock the use lies hours before the cut-over"


async def test_a_rotation_waits_for_a_person_where_the_new_key_has_vanished(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    progress = await rotator.run(rotation_id)
    assert progress.rotation.candidate is not None
    await yard.client.delete(yard.organization, progress.rotation.candidate.key_id)
    yard.clock.set(NOW + WEEK)

    stuck = await rotator.run(rotation_id)

    assert (stuck.state, stuck.due_at) == (State.NEEDS_HUMAN, None)
    assert "is gone, so the old one" in (stuck.rotation.problem or "")
    assert yard.key_ids == [old_id]


async def test_an_old_key_that_somebody_deleted_first_is_confirmed_gone(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    await rotator.run(rotation_id)
    await yard.client.delete(yard.organization, old_id)
    yard.clock.set(NOW + WEEK)

    assert (await rotator.run(rotation_id)).state is State.CONFIRMED


async def test_a_key_that_is_not_the_one_planned_is_left_alone(yard: Yard) -> None:
    rotator = yard.make_rotator()
    planned = await yard.journal.get(await yard.plan(rotator))
    wrong = await yard.journal.write(evolve(planned, suffix="XXXXXX"), before=planned)

    stuck = await rotator.run(wrong.id)

    assert stuck.state is State.NEEDS_HUMAN
    assert "not XXXXXX as planned" in (stuck.rotation.problem or "")
    assert yard.sink.deliveries == []


async def test_the_old_key_is_kept_where_its_suffix_does_not_match_at_the_end(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    await rotator.run(rotation_id)
    grace = await yard.journal.get(rotation_id)
    await yard.journal.write(evolve(grace, suffix="XXXXXX"), before=grace)
    yard.clock.set(NOW + WEEK)

    stuck = await rotator.run(rotation_id)

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.DELETING)
    assert old_id in yard.key_ids


async def test_a_failure_that_may_pass_is_due_again_after_a_backoff(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    yard.service.faults.add(Fault.status(503, operation="get", times=5))

    late = await rotator.run(rotation_id)

    assert (late.state, late.due_at) == (State.PLANNED, NOW + timedelta(seconds=5))
    assert "503" in (late.rotation.problem or "")
    done = await yard.run_to_end(rotator, rotation_id)
    assert (done.state, done.rotation.problem, done.rotation.failures) == (State.CONFIRMED, None, 0)


async def test_a_retry_after_is_kept_also_where_it_is_long(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    yard.service.faults.add(Fault.status(429, operation="create", retry_after=3600))

    late = await rotator.run(rotation_id)

    assert late.due_at == NOW + timedelta(hours=1)


async def test_a_failure_that_does_not_pass_needs_a_person_and_can_be_retried(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    yard.service.faults.add(Fault.status(403, operation="create"))

    stuck = await rotator.run(rotation_id)

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.CREATING)
    assert "403" in (stuck.rotation.problem or "")
    assert (await rotator.run(rotation_id)).state is State.NEEDS_HUMAN
    assert (await rotator.retry(rotation_id)).state is State.CREATING
    assert (await yard.run_to_end(rotator, rotation_id)).state is State.CONFIRMED


async def test_only_what_needs_a_person_can_be_retried(yard: Yard) -> None:
    rotator = yard.make_rotator()

    with pytest.raises(RotationRefusedError, match="is planned, not needs-human"):
        await rotator.retry(await yard.plan(rotator))


async def test_a_lost_create_leaves_one_key(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    yard.service.faults.add(Fault.reset_after(operation="create"))

    late = await rotator.run(rotation_id)

    assert late.state is State.CREATING
    done = await yard.run_to_end(rotator, rotation_id)
    assert done.state is State.CONFIRMED
    assert yard.key_ids == [yard.service.verify(yard.organization, yard.sink.token)]


async def test_a_lost_create_that_is_nowhere_is_waited_for(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    yard.service.faults.add(Fault.reset_before(operation="create"))
    await rotator.run(rotation_id)
    yard.clock.advance(5)

    waiting = await rotator.run(rotation_id)

    assert (waiting.state, waiting.due_at) == (State.CREATING, NOW + timedelta(seconds=30))
    assert (await yard.run_to_end(rotator, rotation_id)).state is State.CONFIRMED
    assert yard.key_ids == [yard.service.verify(yard.organization, yard.sink.token)]


async def test_a_key_that_comes_into_being_after_its_settle_window_is_found_in_the_end(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    yard.service.faults.add(Fault.reset_before(operation="create"))
    await rotator.run(rotation_id)
    yard.clock.advance(30)
    in_grace = await rotator.run(rotation_id)
    lost = in_grace.rotation.candidates[0]
    await yard.client.create(yard.organization, name="ci", description=f"late [ak:{lost.nonce}]")

    assert (await yard.run_to_end(rotator, rotation_id)).state is State.CONFIRMED
    assert yard.key_ids == [yard.service.verify(yard.organization, yard.sink.token)]


async def test_a_key_of_somebody_else_that_looks_alike_is_never_deleted(yard: Yard) -> None:
    rotator = yard.make_rotator()
    old = yard.service.keys(yard.organization)[0]
    twin = await yard.client.create(yard.organization, name=old.name, description=old.description or "d")
    yard.service.faults.add(Fault.reset_after(operation="create"))

    await yard.run_to_end(rotator, await yard.plan(rotator))

    assert str(twin.id) in yard.key_ids


async def test_a_token_that_is_not_in_the_answer_needs_a_person_and_leaves_nothing_once_aborted(
    yard: Yard,
) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    yard.service.faults.add(Fault.malformed_json(operation="create"))

    assert (await rotator.run(rotation_id)).state is State.NEEDS_HUMAN
    assert (await rotator.abort(rotation_id)).state is State.ABORTED

    assert yard.key_ids == [old_id]


async def test_two_workers_at_once_make_one_key(yard: Yard) -> None:
    first, second = yard.make_rotator(), yard.make_rotator()
    rotation_id = await yard.plan(first)

    outcomes = await asyncio.gather(*(worker.advance(rotation_id) for worker in (first, second) * 4))

    assert sum(not outcome.busy and outcome.state is State.VERIFIED for outcome in outcomes) >= 1
    assert len(yard.sink.deliveries) == 1
    assert len(yard.key_ids) == 2


async def test_workers_share_a_journal_in_postgresql(yard: Yard, postgres_url: str) -> None:
    old_id = yard.old_id
    async with Journal(postgres_url) as here, Journal(postgres_url) as there:
        workers = [yard.make_rotator(journal=journal) for journal in (here, there)]
        rotations = await asyncio.gather(*(w.plan(yard.organization, old_id) for w in workers * 2))
        assert len({rotation.id for rotation in rotations}) == 1

        for _ in range(4):
            await asyncio.gather(*(worker.resume() for worker in workers * 2))
        yard.clock.set(NOW + WEEK)
        await asyncio.gather(*(worker.resume() for worker in workers * 2))

        [done] = await workers[0].status()
        assert done.state is State.CONFIRMED
    assert len(yard.sink.deliveries) == 1
    assert yard.key_ids == [yard.service.verify(yard.organization, yard.sink.token)]


async def test_a_worker_that_is_not_the_first_is_told_when_to_come_again(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    planned = await yard.journal.get(rotation_id)
    await yard.journal.claim(planned, "other", now=NOW, lease=timedelta(minutes=2))

    progress = await rotator.run(rotation_id)

    assert progress.busy
    assert progress.due_at == NOW + timedelta(minutes=2)
    with pytest.raises(RotationBusyError) as caught:
        await rotator.abort(rotation_id)
    assert caught.value.until == NOW + timedelta(minutes=2)


async def test_a_worker_that_sleeps_through_its_lease_does_not_go_on(yard: Yard) -> None:
    rotator, other = yard.make_rotator(), yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    old_id = yard.old_id
    yard.sink.before = lambda: yard.clock.advance(301)

    progress = await rotator.advance(rotation_id)

    assert progress.state is State.NEEDS_HUMAN
    assert "look which key's token the sink holds" in (progress.rotation.problem or "")
    yard.sink.before = None
    await other.retry(rotation_id)
    assert (await yard.run_to_end(other, rotation_id)).state is State.CONFIRMED
    assert yard.key_ids == [yard.service.verify(yard.organization, yard.sink.token)] != [old_id]


async def test_all_that_is_due_is_resumed_at_once(yard: Yard) -> None:
    rotator = yard.make_rotator()
    keys = [await yard.client.create(yard.organization, name=f"k{n}", description="d") for n in range(4)]
    for key in keys:
        await rotator.plan(yard.organization, key.id)

    progress = await rotator.resume()

    assert [step.state for step in progress] == [State.GRACE] * 4
    assert await rotator.resume() == ()


async def test_rotations_that_cannot_be_run_are_told_together_and_given_back(yard: Yard) -> None:
    async def broken() -> str:
        raise ConfigurationError("the token's source is broken")

    rotator = yard.make_rotator()
    keys = [await yard.client.create(yard.organization, name=f"k{n}", description="d") for n in range(2)]
    ids = [(await rotator.plan(yard.organization, key.id)).id for key in keys]

    with pytest.raises(ExceptionGroup, match="2 of 2 rotations could not be run"):
        await yard.make_rotator(client=yard.client.with_options(token=broken)).resume()

    assert {(await yard.journal.get(rotation_id)).owner for rotation_id in ids} == {None}


async def test_status_tells_all_or_one(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)

    [told] = await rotator.status()

    assert await rotator.status(str(rotation_id)) == (told,)
    assert told.id == rotation_id


async def test_an_answer_of_busy_follows_a_worker_that_has_finished(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    stale = await yard.journal.get(rotation_id)
    await rotator.run(rotation_id)

    class Stale(Journal):
        """Reads once what was true a moment ago."""

        async def get(self, rotation_id: UUID) -> Rotation:
            nonlocal stale
            found, stale = stale, await yard.journal.get(rotation_id)
            return found

        async def claim(self, *arguments: object, **options: object) -> Rotation | None:
            return await yard.journal.claim(*arguments, **options)

    progress = await yard.make_rotator(journal=Stale("unused")).advance(rotation_id)

    assert isinstance(progress, Progress)
    assert (progress.busy, progress.state) == (True, State.GRACE)


@pytest.mark.parametrize(
    ("problem", "changes"),
    [
        ("lease is 0:02:00 and act is 0:01:00", {"lease": timedelta(minutes=2)}),
        ("settle is 0:00:00; it takes more than 0", {"settle": timedelta(0)}),
    ],
)
def test_settings_that_make_no_sense_are_refused(problem: str, changes: dict[str, timedelta]) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        RotationSettings(**changes)


async def test_a_rotation_that_makes_key_after_key_asks_for_a_person(yard: Yard) -> None:
    settings = RotationSettings(clock=yard.clock.now, most_keys=2)
    rotator = yard.make_rotator(settings=settings)
    rotation_id = await yard.plan(rotator)
    for _ in range(2):
        yard.sink.failures = [asyncio.CancelledError()]
        with pytest.raises(asyncio.CancelledError):
            await rotator.run(rotation_id)

    stuck = await rotator.run(rotation_id)

    assert stuck.state is State.NEEDS_HUMAN
    assert "2 new keys were made and none came to be verified" in (stuck.rotation.problem or "")


async def test_a_sink_that_says_no_is_told_in_the_journal(yard: Yard) -> None:
    rotator = yard.make_rotator()
    yard.sink.failures = [SinkError("the vault is sealed")]

    progress = await rotator.run(await yard.plan(rotator))

    assert progress.state is State.ABORTED
    assert progress.rotation.problem == "the sink failed: the vault is sealed"
