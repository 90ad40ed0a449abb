from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import evolve

from accesskeys_async.emulator import ManualClock
from accesskeys_async.rotation import Journal, LeaseLostError, Rotation, State
from accesskeys_async.rotation.hold import Hold
from tests.unit.rotation.yard import NOW

LEASE = timedelta(minutes=5)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def hold(journal: Journal, make_rotation: Callable[..., Rotation], clock: ManualClock) -> Hold:
    planned = await journal.add(make_rotation())
    held = await journal.claim(planned, "me", now=NOW, lease=LEASE)
    assert held is not None
    return Hold(journal, held, lease=LEASE, clock=clock.now)


async def test_every_write_renews_the_lease(hold: Hold, clock: ManualClock) -> None:
    clock.advance(60)

    await hold.write(evolve(hold.rotation, state=State.CREATING))

    assert hold.rotation.lease_until == NOW + timedelta(seconds=60) + LEASE


async def test_a_lease_that_is_half_over_is_renewed_before_an_act(hold: Hold, clock: ManualClock) -> None:
    clock.advance(149)
    await hold.keep()
    assert hold.rotation.version == 1

    clock.advance(2)
    await hold.keep()

    assert hold.rotation.lease_until == NOW + timedelta(seconds=151) + LEASE


async def test_nothing_is_done_once_the_lease_has_run_out(hold: Hold, clock: ManualClock) -> None:
    clock.advance(300)

    with pytest.raises(LeaseLostError, match="ran out before the next act"):
        await hold.keep()
    with pytest.raises(LeaseLostError):
        await hold.write(evolve(hold.rotation, state=State.CREATING))


async def test_a_lease_that_another_took_does_not_come_back(
    hold: Hold, journal: Journal, clock: ManualClock
) -> None:
    taken = await journal.claim(hold.rotation, "other", now=NOW + LEASE, lease=LEASE)

    with pytest.raises(LeaseLostError):
        await hold.write(evolve(hold.rotation, state=State.CREATING))
    await hold.release()

    assert await journal.get(hold.rotation.id) == taken


async def test_a_step_that_the_design_does_not_have_is_never_written(hold: Hold, journal: Journal) -> None:
    with pytest.raises(AssertionError, match="from planned to deleting"):
        await hold.write(evolve(hold.rotation, state=State.DELETING))

    assert await journal.get(hold.rotation.id) == hold.rotation


async def test_a_lease_given_back_is_free_at_once(hold: Hold, journal: Journal) -> None:
    await hold.release()

    assert await journal.claim(hold.rotation, "other", now=NOW, lease=LEASE) is not None
