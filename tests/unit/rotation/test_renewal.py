from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from accesskeys_async import AuthenticationError, CreatedAccessKey
from accesskeys_async.emulator import Fault
from accesskeys_async.rotation import (
    CurrentToken,
    Delivery,
    FileSink,
    RotationSettings,
    SinkUnsureError,
    State,
)
from tests.unit.rotation.yard import NOW, Yard

pytestmark = pytest.mark.slow


async def test_a_crash_before_the_acknowledgement_begins_again_with_another_key(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    yard.sink.failures = [asyncio.CancelledError()]

    with pytest.raises(asyncio.CancelledError):
        await rotator.run(rotation_id)
    assert (await yard.journal.get(rotation_id)).state is State.CREATED
    await rotator.run(rotation_id)

    # The first new key stays: the sink may have taken its token before it was interrupted.
    assert len(yard.key_ids) == 3
    await yard.run_to_end(rotator, rotation_id)
    assert yard.key_ids == [yard.service.verify(yard.organization, yard.sink.token)] != [old_id]
    assert yard.sink.deliveries[0].attempt == 2


async def test_a_key_that_the_sink_may_hold_is_not_deleted_while_it_is_used(yard: Yard) -> None:
    taken: list[str] = []

    async def sink(delivery: Delivery) -> None:
        taken.append(delivery.token.reveal())
        if len(taken) == 1:
            raise asyncio.CancelledError

    rotator = yard.make_rotator(sink=sink)
    rotation_id = await yard.plan(rotator)
    with pytest.raises(asyncio.CancelledError):
        await rotator.run(rotation_id)
    in_grace = await rotator.run(rotation_id)
    assert in_grace.due_at is not None
    yard.clock.set(in_grace.due_at)
    await yard.use(taken[0])()

    kept = await rotator.run(rotation_id)

    assert kept.state is State.GRACE
    assert yard.service.verify(yard.organization, taken[0]) is not None


async def test_a_sink_that_knows_what_is_in_its_way_stops_the_rotation_before_a_key_is_created(
    yard: Yard,
) -> None:
    path = yard.folder / "none" / "token"
    rotator, old_id = yard.make_rotator(sink=CurrentToken("x").follow(FileSink(path))), yard.old_id
    rotation_id = await yard.plan(rotator)

    stuck = await rotator.run(rotation_id)

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.PLANNED)
    assert f"the sink can't keep a token: {path} can't be written: No such" in (stuck.rotation.problem or "")
    assert (yard.key_ids, yard.service.journal.count(operation="create")) == ([old_id], 0)
    path.parent.mkdir()
    await rotator.retry(rotation_id)
    assert (await yard.run_to_end(rotator, rotation_id)).state is State.CONFIRMED


async def test_a_check_that_takes_too_long_is_tried_again(yard: Yard) -> None:
    class Sink:
        checks = 0

        async def __call__(self, delivery: Delivery) -> None:
            await yard.sink(delivery)

        async def check(self, replaces: object) -> None:
            self.checks += 1
            if self.checks == 1:
                await asyncio.Event().wait()

    act = timedelta(milliseconds=300)
    rotator = yard.make_rotator(sink=Sink(), settings=RotationSettings(clock=yard.clock.now, act=act))
    rotation_id = await yard.plan(rotator)

    assert (await rotator.run(rotation_id)).state is State.PLANNED
    assert (await yard.run_to_end(rotator, rotation_id)).state is State.CONFIRMED


async def test_a_sink_that_fails_costs_the_new_key_and_not_the_old_one(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    yard.sink.failures = [OSError("disk full")]

    progress = await rotator.run(rotation_id)

    assert (progress.state, progress.due_at) == (State.ABORTED, None)
    assert progress.rotation.problem == "the sink failed: OSError: disk full"
    assert yard.key_ids == [old_id]


async def test_a_sinks_error_does_not_bring_the_token_into_the_journal(yard: Yard) -> None:
    async def sink(delivery: Delivery) -> None:
        raise ValueError(f"no room for {delivery.token.reveal()}")

    rotator = yard.make_rotator(sink=sink)

    progress = await rotator.run(await yard.plan(rotator))

    assert "no room for Token(…" in (progress.rotation.problem or "")


async def test_a_failed_sinks_key_is_deleted_later_where_the_service_is_down(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    yard.sink.failures = [OSError("disk full")]
    yard.service.faults.add(Fault.status(503, operation="delete", times=5))

    late = await rotator.run(rotation_id)

    assert (late.state, len(yard.key_ids)) == (State.CREATED, 2)
    done = await yard.run_to_end(rotator, rotation_id)
    assert (done.state, yard.key_ids) == (State.ABORTED, [old_id])
    assert len(yard.sink.deliveries) == 0


async def test_a_sink_that_fails_after_one_that_may_not_have_needs_a_person(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    yard.sink.failures = [asyncio.CancelledError(), OSError("disk full")]
    with pytest.raises(asyncio.CancelledError):
        await rotator.run(rotation_id)

    stuck = await rotator.run(rotation_id)

    assert stuck.state is State.NEEDS_HUMAN
    assert "a key of an earlier try may be in the sink" in (stuck.rotation.problem or "")
    assert len(yard.key_ids) == 2
    await rotator.retry(rotation_id)
    assert (await yard.run_to_end(rotator, rotation_id)).state is State.CONFIRMED
    assert yard.key_ids == [yard.service.verify(yard.organization, yard.sink.token)] != [old_id]


async def test_a_sink_that_does_not_answer_needs_a_person_and_costs_no_key(yard: Yard) -> None:
    async def sink(delivery: Delivery) -> None:
        await asyncio.Event().wait()

    act = timedelta(milliseconds=300)
    rotator = yard.make_rotator(sink=sink, settings=RotationSettings(clock=yard.clock.now, act=act))

    stuck = await rotator.run(await yard.plan(rotator))

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.CREATED)
    assert "or not: it did not answer within 0.3 s; no key was deleted" in (stuck.rotation.problem or "")
    assert len(yard.key_ids) == 2


async def test_a_sink_that_cannot_tell_needs_a_person_and_costs_no_key(yard: Yard) -> None:
    rotator = yard.make_rotator()
    yard.sink.failures = [SinkUnsureError("the line broke")]

    stuck = await rotator.run(await yard.plan(rotator))

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.CREATED)
    assert "or not: the line broke; no key was deleted" in (stuck.rotation.problem or "")
    assert len(yard.key_ids) == 2


async def test_a_probe_that_fails_needs_a_person_and_costs_no_key(yard: Yard) -> None:
    async def probe(key: CreatedAccessKey) -> None:
        raise ValueError(f"{key.token.reveal()} does not open the door")

    rotator = yard.make_rotator(probe=probe)

    stuck = await rotator.run(await yard.plan(rotator))

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.DISTRIBUTED)
    assert "its probe failed: ValueError: Token(…" in (stuck.rotation.problem or "")
    assert len(yard.key_ids) == 2


async def test_a_probe_that_cannot_get_through_is_tried_again_with_the_same_key(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    yard.sink.before = lambda: yard.service.faults.add(Fault.status(503, operation="get", times=5))

    late = await rotator.run(rotation_id)

    assert (late.state, late.due_at) == (State.DISTRIBUTED, NOW + timedelta(seconds=5))
    assert (await yard.run_to_end(rotator, rotation_id)).state is State.CONFIRMED
    assert len(yard.sink.deliveries) == 1


async def test_another_worker_begins_again_where_a_probe_was_left(yard: Yard) -> None:
    rotator, other = yard.make_rotator(), yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    yard.sink.before = lambda: yard.service.faults.add(Fault.status(503, operation="get", times=5))
    await rotator.run(rotation_id)
    yard.sink.before = None
    yard.clock.advance(5)

    done = await yard.run_to_end(other, rotation_id)

    assert (done.state, len(yard.sink.deliveries)) == (State.CONFIRMED, 2)
    assert yard.key_ids == [yard.service.verify(yard.organization, yard.sink.token)]


async def test_a_probe_that_takes_too_long_is_tried_again(yard: Yard) -> None:
    calls = 0

    async def probe(key: CreatedAccessKey) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.Event().wait()

    act = timedelta(milliseconds=300)
    rotator = yard.make_rotator(probe=probe, settings=RotationSettings(clock=yard.clock.now, act=act))
    rotation_id = await yard.plan(rotator)

    assert (await rotator.run(rotation_id)).state is State.DISTRIBUTED
    assert (await yard.run_to_end(rotator, rotation_id)).state is State.CONFIRMED


async def test_a_probe_whose_window_is_over_needs_a_person(yard: Yard) -> None:
    async def probe(key: CreatedAccessKey) -> None:
        raise AuthenticationError("GET /x", status=401)

    rotator = yard.make_rotator(probe=probe)

    assert (await rotator.run(await yard.plan(rotator))).state is State.NEEDS_HUMAN


async def test_the_intent_to_create_is_in_the_journal_before_the_create_is_sent(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    seen = []

    async def look(request, call_next):
        if request.operation == "createAccessKey":
            seen.append(await yard.journal.get(rotation_id))
        return await call_next(request)

    rotator = yard.make_rotator(client=yard.client.with_options(middlewares=[look]))
    await rotator.run(rotation_id)

    [at_create] = seen
    assert at_create.state is State.CREATING
    [candidate] = at_create.candidates
    assert (candidate.key_id, candidate.given) == (None, False)


async def test_no_delete_is_sent_before_deleting_is_in_the_journal(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    seen = []

    async def look(request, call_next):
        if request.method == "DELETE":
            seen.append((await yard.journal.get(rotation_id)).state)
        return await call_next(request)

    rotator = yard.make_rotator(client=yard.client.with_options(middlewares=[look]))
    await yard.run_to_end(rotator, rotation_id)

    assert seen == [State.DELETING]
