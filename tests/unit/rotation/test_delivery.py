from __future__ import annotations

from pathlib import Path

import pytest

from accesskeys_async import AccessKeysClient
from accesskeys_async.rotation import CurrentToken, Delivery, FileSink, SinkError, State
from tests.unit.rotation.yard import TOKEN, Yard

pytestmark = pytest.mark.slow


async def test_a_client_that_rotates_its_own_key_goes_over_to_the_sinks_token(
    yard: Yard, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text(yard.service.token)
    sink = FileSink(path)
    own = yard.service.verify(yard.organization, yard.service.token)
    async with AccessKeysClient(sink.read, base_url=yard.service.base_url) as client:
        rotator = yard.make_rotator(client=client, sink=sink)
        rotation = await rotator.plan(yard.organization, own)

        done = await yard.run_to_end(rotator, rotation.id)

        assert done.state is State.CONFIRMED
        assert own not in {str(key.id) for key in await client.list(yard.organization).collect()}


async def test_a_token_held_in_memory_goes_over_once_the_sink_has_acknowledged(yard: Yard) -> None:
    current = CurrentToken(yard.service.token)
    own = yard.service.verify(yard.organization, yard.service.token)
    async with AccessKeysClient(current, base_url=yard.service.base_url) as client:
        rotator = yard.make_rotator(client=client, sink=current.follow(yard.sink))
        rotation = await rotator.plan(yard.organization, own)

        done = await yard.run_to_end(rotator, rotation.id)

        assert done.state is State.CONFIRMED
        assert (await current()).reveal() == yard.sink.token


async def test_a_client_that_does_not_go_over_does_not_delete_its_own_key(yard: Yard) -> None:
    own = yard.service.verify(yard.organization, yard.service.token)
    rotator = yard.make_rotator()
    rotation = await rotator.plan(yard.organization, own, require_idle=False)

    stuck = await yard.run_to_end(rotator, rotation.id)

    assert (stuck.state, stuck.rotation.stuck_at) == (State.NEEDS_HUMAN, State.DELETING)
    assert yard.service.verify(yard.organization, yard.service.token) == own


async def test_a_sink_that_fails_leaves_the_token_in_memory_as_it_was(delivery: Delivery) -> None:
    async def sealed(delivery: Delivery) -> None:
        raise SinkError("sealed")

    current = CurrentToken("the old one, which is long enough")

    with pytest.raises(SinkError):
        await current.follow(sealed)(delivery)

    assert (await current()).reveal() == "the old one, which is long enough"


def test_a_delivery_does_not_show_its_token(delivery: Delivery) -> None:
    assert TOKEN not in repr(delivery)
    assert delivery.token.reveal() == TOKEN
