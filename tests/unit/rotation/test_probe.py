from __future__ import annotations

import pytest
from attrs import define, field

from accesskeys_async import AuthenticationError, CreatedAccessKey, NotFoundError
from accesskeys_async.emulator import Fault
from accesskeys_async.errors import ConfigurationError
from accesskeys_async.rotation import ReadProbe
from tests.unit.rotation.yard import Yard


@define
class Time:
    """A clock that only sleeping moves."""

    now: float = 100.0
    slept: list[float] = field(factory=list)

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
async def new_key(yard: Yard) -> CreatedAccessKey:
    return await yard.client.create(yard.organization, name="new", description="new")


def _make_probe(yard: Yard, time: Time, *, window: float = 30.0) -> ReadProbe:
    return ReadProbe(yard.client, window=window, clock=time.read, sleep=time.sleep)


@pytest.mark.slow
async def test_a_key_that_reads_itself_passes_at_once(yard: Yard, new_key: CreatedAccessKey) -> None:
    time = Time()

    await _make_probe(yard, time)(new_key)

    assert time.slept == []
    assert yard.service.keys(yard.organization)[-1].last_used_at is not None


async def test_a_key_that_is_not_known_everywhere_yet_is_tried_again(
    yard: Yard, new_key: CreatedAccessKey
) -> None:
    time = Time()
    yard.service.faults.add(Fault.status(401, operation="get", times=6))

    await _make_probe(yard, time)(new_key)

    assert time.slept == [0.25, 0.5, 1, 2, 4, 4]


async def test_a_key_that_stays_unknown_fails_when_the_window_is_over(
    yard: Yard, new_key: CreatedAccessKey
) -> None:
    time = Time()
    yard.service.faults.add(Fault.status(401, operation="get", times=100))

    with pytest.raises(AuthenticationError):
        await _make_probe(yard, time, window=2)(new_key)

    assert sum(time.slept) == 2


@pytest.mark.slow
async def test_a_key_that_may_not_read_itself_passes_as_the_service_knows_its_token(
    yard: Yard, new_key: CreatedAccessKey
) -> None:
    time = Time()
    yard.service.faults.add(Fault.status(401, operation="get"), Fault.status(403, operation="get"))

    await _make_probe(yard, time)(new_key)

    assert time.slept == [0.25]


@pytest.mark.slow
async def test_what_is_neither_401_nor_403_fails_at_once(yard: Yard, new_key: CreatedAccessKey) -> None:
    time = Time()
    yard.service.faults.add(Fault.status(404, operation="get"))

    with pytest.raises(NotFoundError):
        await _make_probe(yard, time)(new_key)

    assert time.slept == []


@pytest.mark.slow
def test_a_window_below_nothing_is_refused(yard: Yard) -> None:
    with pytest.raises(ConfigurationError, match="window is -1"):
        ReadProbe(yard.client, window=-1)


async def test_the_probe_reads_with_the_keys_own_token(yard: Yard, new_key: CreatedAccessKey) -> None:
    await yard.client.delete(yard.organization, new_key.id)

    with pytest.raises(AuthenticationError):
        await _make_probe(yard, Time(), window=0)(new_key)
