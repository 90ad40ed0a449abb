from __future__ import annotations

import json
from datetime import timedelta

from attrs import evolve

from accesskeys_async import Request, Response
from accesskeys_async._http.messages import Next
from accesskeys_async.emulator import Fault
from accesskeys_async.rotation import State
from tests.unit.rotation.yard import NOW, Yard

WEEK = timedelta(days=7)


async def test_an_api_that_does_not_tell_last_uses_needs_a_person(yard: Yard) -> None:
    async def hide_last_use(request: Request, call_next: Next) -> Response:
        response = await call_next(request)
        if request.operation == "getAccessKey":
            record = json.loads(response.body)
            record.pop("lastUsedAt", None)
            response = evolve(response, body=json.dumps(record).encode())
        return response

    rotator, old_id = (
        yard.make_rotator(client=yard.client.with_options(middlewares=[hide_last_use])),
        yard.old_id,
    )
    rotation_id = await yard.plan(rotator)

    stuck = await yard.run_to_end(rotator, rotation_id)

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.GRACE)
    assert f"does not say when access key {old_id} was last used" in (stuck.rotation.problem or "")
    assert old_id in yard.key_ids


async def test_a_key_that_can_still_be_read_after_its_deletion_is_looked_at_again(yard: Yard) -> None:
    last: list[Response] = []

    async def lag(request: Request, call_next: Next) -> Response:
        response = await call_next(request)
        if request.path.endswith(old_id) and request.method == "GET":
            if response.status == 200:
                last[:] = [response]
            elif last:
                return last.pop()
        return response

    rotator, old_id = yard.make_rotator(client=yard.client.with_options(middlewares=[lag])), yard.old_id
    rotation_id = await yard.plan(rotator)
    await rotator.run(rotation_id)
    yard.clock.set(NOW + WEEK)

    late = await rotator.run(rotation_id)

    assert (late.state, late.due_at) == (State.DELETING, NOW + WEEK + timedelta(seconds=5))
    assert "was deleted and can still be read" in (late.rotation.problem or "")
    assert (await yard.run_to_end(rotator, rotation_id)).state is State.CONFIRMED


async def test_a_lost_create_that_was_found_and_deleted_does_not_hold_the_end_up(yard: Yard) -> None:
    rotator = yard.make_rotator()
    rotation_id = await yard.plan(rotator, grace=timedelta(0))
    yard.service.faults.add(Fault.reset_after(operation="create"))
    await rotator.run(rotation_id)
    yard.clock.advance(5)

    assert (await rotator.run(rotation_id)).state is State.CONFIRMED


async def test_a_lost_delete_is_confirmed_by_a_404(yard: Yard) -> None:
    rotator, old_id = yard.make_rotator(), yard.old_id
    rotation_id = await yard.plan(rotator)
    await rotator.run(rotation_id)
    yard.clock.set(NOW + WEEK)
    yard.service.faults.add(Fault.reset_after(operation="delete"))

    assert (await rotator.run(rotation_id)).state is State.CONFIRMED
    assert old_id not in yard.key_ids
