"""One sink, one key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from attrs import evolve, frozen

from accesskeys_async import PermissionDeniedError
from accesskeys_async._http.messages import Next, Request, Response
from accesskeys_async.emulator import Fault
from accesskeys_async.rotation import (
    CurrentToken,
    Delivery,
    DirectorySink,
    FileSink,
    Journal,
    Progress,
    Rotation,
    Rotator,
    Sink,
    SinkError,
    State,
)
from accesskeys_async.rotation.failures import TargetTakenError
from tests.unit.rotation.yard import RecordingSink, Yard

pytestmark = pytest.mark.slow


@frozen
class OnePlace:
    """Keeps tokens in one place that it names, whichever key they are of."""

    recording: RecordingSink
    place: str = "one"

    async def __call__(self, delivery: Delivery) -> None:
        await self.recording(delivery)

    def target(self, replaces: UUID) -> str:
        return self.place


@pytest.fixture
async def others(yard: Yard) -> list[UUID]:
    """Two keys besides the one that administers."""
    made = await yard.client.create(yard.organization, name="second", description="second")
    return [UUID(yard.old_id), made.id]


async def _rotate(yard: Yard, rotator: Rotator, key_id: UUID, *, to_end: bool = True) -> Progress:
    rotation = await rotator.plan(yard.organization, key_id)
    return await (yard.run_to_end(rotator, rotation.id) if to_end else rotator.run(rotation.id))


def _problem(progress: Progress) -> str:
    return progress.rotation.problem or ""


async def test_a_second_key_is_refused_while_the_first_ones_rotation_is_alive(
    yard: Yard, others: list[UUID]
) -> None:
    rotator = yard.make_rotator(sink=OnePlace(yard.sink))
    first = await _rotate(yard, rotator, others[0], to_end=False)

    stuck = await _rotate(yard, rotator, others[1], to_end=False)

    assert first.state is State.GRACE
    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.PLANNED)
    assert f"the sink holds one token and serves rotation {first.rotation.id} of" in _problem(stuck)
    assert len(yard.sink.deliveries) == 1
    assert yard.service.verify(yard.organization, yard.sink.token) is not None


async def test_a_second_key_is_refused_while_the_first_ones_token_is_in_use_there(
    yard: Yard, others: list[UUID]
) -> None:
    rotator = yard.make_rotator(sink=CurrentToken("x").follow(OnePlace(yard.sink)))
    first = await _rotate(yard, rotator, others[0])
    new_id = first.rotation.candidates[-1].key_id

    stuck = await _rotate(yard, rotator, others[1], to_end=False)

    assert first.state is State.CONFIRMED
    assert stuck.state is State.NEEDS_HUMAN
    assert f"the sink holds the token of access key {new_id} (…" in _problem(stuck)
    assert yard.service.verify(yard.organization, yard.sink.token) == str(new_id)
    other = yard.make_rotator(sink=OnePlace(yard.sink, "another"))
    await other.retry(stuck.rotation.id)
    assert (await yard.run_to_end(other, stuck.rotation.id)).state is State.CONFIRMED


async def test_the_successor_of_a_key_goes_where_its_token_is_again_and_again(yard: Yard) -> None:
    rotator = yard.make_rotator(sink=OnePlace(yard.sink))
    key_id: UUID | None = UUID(yard.old_id)

    for _ in range(3):
        assert key_id is not None
        done = await _rotate(yard, rotator, key_id)
        assert done.state is State.CONFIRMED, _problem(done)
        key_id = done.rotation.candidates[-1].key_id

    assert yard.service.verify(yard.organization, yard.sink.token) == str(key_id)


async def test_a_place_whose_key_is_gone_is_free(yard: Yard, others: list[UUID]) -> None:
    rotator = yard.make_rotator(sink=OnePlace(yard.sink))
    first = await _rotate(yard, rotator, others[0])
    new_id = first.rotation.candidates[-1].key_id
    assert new_id is not None
    await yard.client.delete(yard.organization, new_id)

    assert (await _rotate(yard, rotator, others[1])).state is State.CONFIRMED


async def test_a_place_that_refused_a_token_is_free(yard: Yard, others: list[UUID]) -> None:
    rotator = yard.make_rotator(sink=OnePlace(yard.sink))
    yard.sink.failures = [SinkError("sealed")]
    assert (await _rotate(yard, rotator, others[0])).state is State.ABORTED

    assert (await _rotate(yard, rotator, others[1])).state is State.CONFIRMED


async def test_a_key_that_was_left_in_the_sink_by_an_abort_keeps_others_away_but_not_its_own_key(
    yard: Yard, others: list[UUID]
) -> None:
    rotator = yard.make_rotator(sink=OnePlace(yard.sink))
    given = await _rotate(yard, rotator, others[0], to_end=False)
    for _ in range(2):
        closed = await rotator.abort(given.rotation.id)
    assert closed.state is State.ABORTED

    assert (await _rotate(yard, rotator, others[1], to_end=False)).state is State.NEEDS_HUMAN
    assert (await _rotate(yard, rotator, others[0], to_end=False)).state is State.GRACE


async def test_two_that_begin_at_the_same_moment_are_told_apart(yard: Yard, others: list[UUID]) -> None:
    rotator = yard.make_rotator(sink=OnePlace(yard.sink))
    for key_id in others:
        await rotator.plan(yard.organization, key_id)

    done = await rotator.resume()

    assert sorted(progress.state for progress in done) == [State.GRACE, State.NEEDS_HUMAN]
    assert len(yard.sink.deliveries) == 1


async def test_the_journal_lets_one_living_rotation_have_a_target(
    journal: Journal, make_rotation: Callable[..., Rotation]
) -> None:
    one, two = [await journal.add(make_rotation(number)) for number in (1, 2)]
    one = await journal.write(evolve(one, target="t"), before=one)

    with pytest.raises(TargetTakenError):
        await journal.write(evolve(two, target="t"), before=two)

    await journal.write(evolve(one, state=State.ABORTED), before=one)
    assert (await journal.write(evolve(two, target="t"), before=two)).target == "t"
    assert [rotation.id for rotation in await journal.find(target="t")] == [one.id, two.id]


async def test_a_rotation_whose_token_may_be_out_goes_on_with_the_same_sink(yard: Yard) -> None:
    rotator = yard.make_rotator(sink=OnePlace(yard.sink))
    rotation_id = await yard.plan(rotator)
    yard.sink.failures = [asyncio.CancelledError()]
    with pytest.raises(asyncio.CancelledError):
        await rotator.run(rotation_id)

    stuck = await yard.make_rotator(sink=OnePlace(yard.sink, "another")).run(rotation_id)

    assert "this is not the sink that the rotation began with" in _problem(stuck)
    await rotator.retry(rotation_id)
    assert (await yard.run_to_end(rotator, rotation_id)).state is State.CONFIRMED


async def test_a_rotation_whose_token_is_not_out_may_go_on_with_another_sink(yard: Yard) -> None:
    rotator = yard.make_rotator(sink=OnePlace(yard.sink))
    rotation_id = await yard.plan(rotator)
    yard.service.faults.add(Fault.status(503, operation="create", times=5))
    assert (await rotator.run(rotation_id)).state is State.CREATING

    done = await yard.run_to_end(yard.make_rotator(sink=OnePlace(yard.sink, "another")), rotation_id)

    assert done.state is State.CONFIRMED


async def test_a_token_that_may_not_be_looked_for_is_taken_to_be_in_use(yard: Yard) -> None:
    """The earlier rotation is of another organization, which this client's token does not open."""

    async def keep_out(request: Request, call_next: Next) -> Response:
        if str(UUID(int=9)) in request.path:
            raise PermissionDeniedError("GET /x", status=403)
        return await call_next(request)

    client = yard.client.with_options(middlewares=[keep_out])
    rotator = yard.make_rotator(client=client, sink=OnePlace(yard.sink))
    done = await _rotate(yard, rotator, UUID(yard.old_id))
    elsewhere = evolve(done.rotation, organization_id=UUID(int=9))
    await yard.journal.write(elsewhere, before=done.rotation)
    made = await yard.client.create(yard.organization, name="second", description="second")

    stuck = await _rotate(yard, rotator, made.id, to_end=False)

    assert "the sink holds the token of access key" in _problem(stuck)


@pytest.mark.parametrize("kind", ["folder", "no target"])
async def test_a_sink_of_many_keys_and_one_that_names_no_target_serve_many(
    yard: Yard, others: list[UUID], kind: str
) -> None:
    sink: Sink = DirectorySink(yard.folder) if kind == "folder" else yard.sink
    rotator = yard.make_rotator(sink=sink)

    done = [await _rotate(yard, rotator, key_id) for key_id in others]

    assert [progress.state for progress in done] == [State.CONFIRMED] * 2
    if kind == "folder":
        for key_id, progress in zip(others, done, strict=True):
            token = (await FileSink(yard.folder / str(key_id)).read()).reveal()
            new_id = progress.rotation.candidates[-1].key_id
            assert yard.service.verify(yard.organization, token) == str(new_id)


async def test_what_is_journaled_of_a_target_does_not_say_what_it_is(yard: Yard) -> None:
    rotator = yard.make_rotator(sink=OnePlace(yard.sink, "command: store --password hunter2"))

    done = await rotator.run(await yard.plan(rotator, grace=timedelta(0)))

    assert done.rotation.target is not None
    assert len(done.rotation.target) == 32
    assert "hunter2" not in repr(done.rotation)
