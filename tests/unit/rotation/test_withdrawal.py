from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from accesskeys_async.emulator import Fault
from accesskeys_async.rotation import RotationRefusedError, State
from tests.unit.rotation.yard import NOW, Yard

pytestmark = pytest.mark.slow


async def test_a_planned_rotation_is_aborted_at_once(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)

    assert (await rotator.abort(rotation_id)).state is State.ABORTED
    assert (await rotator.abort(rotation_id)).state is State.ABORTED
    assert (await rotator.run(rotation_id)).state is State.ABORTED


async def test_aborting_deletes_a_key_whose_create_was_lost(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    yard.service.faults.add(Fault.reset_after(operation="create"))
    await rotator.run(rotation_id)
    assert len(yard.key_ids) == 2

    assert (await rotator.abort(rotation_id)).state is State.ABORTED
    assert yard.key_ids == [old_id]


async def test_aborting_waits_for_a_create_that_may_still_come_through(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    yard.service.faults.add(Fault.reset_before(operation="create"))
    await rotator.run(rotation_id)

    waiting = await rotator.abort(rotation_id)

    assert (waiting.state, waiting.due_at) == (State.CREATING, NOW + timedelta(seconds=30))
    assert (await yard.run_to_end(rotator, rotation_id)).state is State.ABORTED
    assert yard.key_ids == [old_id]
    assert yard.sink.deliveries == []


async def test_aborting_after_the_sink_was_called_deletes_nothing_and_asks_a_person(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    await rotator.run(rotation_id)

    stuck = await rotator.abort(rotation_id)

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.GRACE)
    assert "nothing was deleted" in (stuck.rotation.problem or "")
    assert len(yard.key_ids) == 2
    assert (await rotator.abort(rotation_id)).state is State.ABORTED
    assert len(yard.key_ids) == 2


async def test_what_was_aborted_in_its_grace_can_go_on(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    await rotator.run(rotation_id)
    await rotator.abort(rotation_id)

    await rotator.retry(rotation_id)

    assert (await yard.run_to_end(rotator, rotation_id)).state is State.CONFIRMED


async def test_aborting_is_refused_once_the_old_key_may_be_gone(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    grace = await rotator.run(rotation_id)
    yard.clock.set(grace.due_at)
    yard.service.faults.add(Fault.status(503, operation="delete", times=5))
    assert (await rotator.run(rotation_id)).state is State.DELETING

    with pytest.raises(RotationRefusedError, match="can't be undone; run it to its end"):
        await rotator.abort(rotation_id)

    await yard.run_to_end(rotator, rotation_id)
    with pytest.raises(RotationRefusedError, match="is confirmed"):
        await rotator.abort(rotation_id)


async def test_a_crash_while_aborting_does_not_turn_it_into_a_rotation(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    yard.service.faults.add(Fault.reset_after(operation="create"))
    await rotator.run(rotation_id)
    yard.service.faults.add(Fault.status(503, operation="list", times=5))
    assert (await rotator.abort(rotation_id)).rotation.aborting

    done = await yard.run_to_end(yard.make_rotator(), rotation_id)

    assert (done.state, yard.key_ids, yard.sink.deliveries) == (State.ABORTED, [old_id], [])


async def test_a_rotation_that_was_interrupted_at_the_sink_is_not_aborted_over_its_head(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator)
    yard.sink.failures = [asyncio.CancelledError()]
    with pytest.raises(asyncio.CancelledError):
        await rotator.run(rotation_id)

    assert (await rotator.abort(rotation_id)).state is State.NEEDS_HUMAN
    assert len(yard.key_ids) == 2
