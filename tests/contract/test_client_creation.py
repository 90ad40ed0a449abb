"""Creates whose answers are lost, and deletes that would hurt, over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from accesskeys_async import (
    AccessKeysClient,
    APIConnectionError,
    APIResponseError,
    AuthenticationError,
    CreateOutcomeUnknownError,
    InvalidRequestError,
    NotFoundError,
    RetryBudget,
    RetryPolicy,
)
from accesskeys_async._client.recoverable_create import find_nonce, mark, new_nonce
from accesskeys_async.emulator import Emulator, Fault, ManualClock, StoredKey

PATIENT = RetryPolicy(base_delay=0.001, max_delay=0.002, budget=RetryBudget(capacity=1000))
SETTLE = 0.02

LOST = {
    "before the effect": Fault.reset_before(operation="create"),
    "after the effect": Fault.reset_after(operation="create"),
    "in its headers": Fault.cut_headers(operation="create"),
    "in its body": Fault.cut_body(operation="create"),
    "as 500": Fault.status(500, operation="create"),
}


@pytest.fixture
def client(accesskeys_client: AccessKeysClient) -> AccessKeysClient:
    return accesskeys_client.with_options(retry=PATIENT)


def made(emulator: Emulator) -> list[StoredKey]:
    """What the store holds besides the key that the client itself uses."""
    own = emulator.verify(emulator.organization_id, emulator.token)
    return [key for key in emulator.keys(emulator.organization_id) if str(key.id) != str(own)]


@pytest.mark.parametrize("how", LOST)
async def test_a_recoverable_create_ends_with_exactly_one_key_and_its_token(
    how: str, client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    accesskeys_emulator.faults.add(LOST[how])
    organization = accesskeys_emulator.organization_id

    created = await client.create(organization, name="ci", description="deploys", recover=True, settle=SETTLE)

    (key,) = made(accesskeys_emulator)
    assert str(key.id) == str(created.id)
    assert str(accesskeys_emulator.verify(organization, created.token.reveal())) == str(created.id)
    assert key.description == created.description == "deploys"
    accesskeys_emulator.faults.assert_used()


async def test_a_recoverable_create_whose_response_is_broken_and_names_the_key_ends_with_no_key(
    client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    accesskeys_emulator.faults.add(Fault.malformed_json(operation="create"))

    with pytest.raises(APIResponseError, match=r"access key [0-9a-f-]{36} was created and deleted again"):
        await client.create(
            accesskeys_emulator.organization_id, name="ci", description="deploys", recover=True, settle=SETTLE
        )

    assert made(accesskeys_emulator) == []
    assert accesskeys_emulator.journal.count(operation="create") == 1


async def test_a_recoverable_create_gives_up_with_no_key_left_when_every_answer_is_lost(
    client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    accesskeys_emulator.faults.add(Fault.reset_after(operation="create", times=3))
    eager = client.with_options(retry=RetryPolicy(max_retries=2, base_delay=0.001))

    with pytest.raises(APIConnectionError) as caught:
        await eager.create(
            accesskeys_emulator.organization_id, name="ci", description="deploys", recover=True, settle=SETTLE
        )

    assert made(accesskeys_emulator) == []
    assert accesskeys_emulator.journal.count(operation="create") == 3
    assert any("no key of this call was left" in note for note in caught.value.__notes__)


async def test_a_recoverable_create_that_is_refused_raises_what_the_api_said(
    client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    stranger = client.with_options(token="x" * 40)
    with pytest.raises(AuthenticationError):
        await stranger.create(
            accesskeys_emulator.organization_id, name="ci", description="deploys", recover=True
        )
    assert accesskeys_emulator.journal.count() == 1


async def test_a_create_that_cannot_be_looked_for_names_the_nonce_that_reap_takes(
    client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    accesskeys_emulator.faults.add(Fault.reset_after(operation="create"))
    accesskeys_emulator.faults.add(Fault.status(403, operation="list"))
    organization = accesskeys_emulator.organization_id

    with pytest.raises(CreateOutcomeUnknownError) as caught:
        await client.create(organization, name="ci", description="deploys", recover=True, settle=SETTLE)

    nonce = caught.value.nonce
    assert nonce is not None
    assert nonce in str(caught.value)
    (orphan,) = made(accesskeys_emulator)
    assert find_nonce(orphan.description) == nonce
    assert [str(key.id) for key in await client.reap(organization, nonce)] == [str(orphan.id)]
    assert made(accesskeys_emulator) == []


async def test_a_create_past_its_deadline_names_the_nonce(
    client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    accesskeys_emulator.faults.add(Fault.reset_after(operation="create"))
    accesskeys_emulator.faults.add(Fault.delay(30, operation="list"))
    hurried = client.with_options(deadline=0.2)

    with pytest.raises(CreateOutcomeUnknownError) as caught:
        await hurried.create(
            accesskeys_emulator.organization_id, name="ci", description="deploys", recover=True, settle=SETTLE
        )

    assert find_nonce(made(accesskeys_emulator)[0].description) == caught.value.nonce


async def test_looking_for_a_lost_key_rides_through_failures_of_its_own(
    client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    accesskeys_emulator.faults.add(Fault.reset_after(operation="create"))
    accesskeys_emulator.faults.add(Fault.status(500, operation="list", times=7))
    accesskeys_emulator.faults.add(Fault.reset_after(operation="delete", times=2))

    created = await client.create(
        accesskeys_emulator.organization_id, name="ci", description="deploys", recover=True, settle=SETTLE
    )

    assert [str(key.id) for key in made(accesskeys_emulator)] == [str(created.id)]
    accesskeys_emulator.faults.assert_used()


async def test_a_key_whose_mark_cannot_be_taken_off_is_returned_with_its_token(
    client: AccessKeysClient, accesskeys_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    accesskeys_emulator.faults.add(Fault.status(403, operation="update"))
    organization = accesskeys_emulator.organization_id

    created = await client.create(organization, name="ci", description="deploys", recover=True)

    assert accesskeys_emulator.verify(organization, created.token.reveal()) is not None
    assert find_nonce(created.description) is not None
    assert f"access key {created.id} was created" in caplog.text


async def test_concurrent_creators_of_the_same_name_never_lose_a_key_of_another(
    client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    organization = accesskeys_emulator.organization_id
    strangers = [
        await client.create(organization, name="ci", description=description)
        for description in ("deploys", "deploys", mark("deploys", new_nonce()))
    ]
    accesskeys_emulator.faults.add(Fault.reset_after(operation="create", times=8))
    accesskeys_emulator.faults.add(Fault.reset_before(operation="create", times=4))

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                client.create(
                    organization, name="ci", description="deploys", recover=index % 2 == 0, settle=SETTLE
                )
            )
            for index in range(0, 24, 2)
        ]

    created = [task.result() for task in tasks]
    alive = {str(key.id) for key in made(accesskeys_emulator)}
    assert alive == {str(key.id) for key in (*strangers, *created)}
    for key in created:
        assert str(accesskeys_emulator.verify(organization, key.token.reveal())) == str(key.id)


async def test_a_plain_create_is_sent_once_and_names_the_keys_it_may_have_made(
    client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    organization = accesskeys_emulator.organization_id
    await client.create(organization, name="other", description="deploys")
    accesskeys_emulator.journal.clear()
    accesskeys_emulator.faults.add(Fault.reset_after(operation="create"))

    with pytest.raises(CreateOutcomeUnknownError) as caught:
        await client.create(organization, name="ci", description="deploys")

    assert accesskeys_emulator.journal.count(operation="create") == 1
    (candidate,) = caught.value.candidates
    assert candidate.name == "ci"
    assert str(candidate.id) in str(caught.value)
    assert str(caught.value.organization_id) == organization
    assert caught.value.nonce is None
    assert isinstance(caught.value.__cause__, APIConnectionError)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def old_world(clock: ManualClock) -> Iterator[Emulator]:
    with Emulator(seed=7, clock=clock) as emulator:
        yield emulator


async def test_a_key_of_the_same_name_made_long_before_is_no_candidate(
    old_world: Emulator, clock: ManualClock
) -> None:
    async with AccessKeysClient(old_world.token, base_url=old_world.base_url, retry=PATIENT) as client:
        await client.create(old_world.organization_id, name="ci", description="deploys")
        clock.advance(60)
        old_world.faults.add(Fault.reset_before(operation="create"))

        with pytest.raises(CreateOutcomeUnknownError, match="none of that name") as caught:
            await client.create(old_world.organization_id, name="ci", description="deploys")

    assert caught.value.candidates == ()


async def test_reap_takes_marked_keys_by_age_and_leaves_the_used_the_young_and_the_unmarked(
    old_world: Emulator, clock: ManualClock
) -> None:
    organization = old_world.organization_id
    async with AccessKeysClient(old_world.token, base_url=old_world.base_url, retry=PATIENT) as client:
        lost = await client.create(organization, name="ci", description=mark("deploys", new_nonce()))
        used = await client.create(organization, name="ci", description=mark("deploys", new_nonce()))
        plain = await client.create(organization, name="ci", description="deploys")
        await client.with_options(token=used.token).get(organization, used.id)
        clock.advance(7200)
        young = await client.create(organization, name="ci", description=mark("deploys", new_nonce()))

        reaped = await client.reap(organization, older_than=timedelta(hours=1))

        assert [key.id for key in reaped] == [lost.id]
        assert {key.id async for key in client.list(organization)} >= {used.id, plain.id, young.id}
        assert await client.reap(organization, "0" * 16) == ()
        with pytest.raises(InvalidRequestError, match="give a nonce, or older_than"):
            await client.reap(organization)


async def test_a_recoverable_create_whose_connection_never_came_about_says_nothing_was_sent(
    unused_tcp_port: int,
) -> None:
    async with AccessKeysClient(
        "x" * 40, base_url=f"http://127.0.0.1:{unused_tcp_port}", retry=RetryPolicy(max_retries=0)
    ) as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.create(
                "0f3d5f6a-8f53-4a55-9c5e-1f7f3a0c2f11", name="ci", description="d", recover=True
            )
    assert caught.value.sent is False


async def test_a_delete_refuses_a_key_of_another_suffix(
    client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    organization = accesskeys_emulator.organization_id
    key = await client.create(organization, name="ci", description="deploys")

    with pytest.raises(
        InvalidRequestError, match=r"expect_suffix is 'AbCdEf', and access key .* not deleted"
    ):
        await client.delete(organization, key.id, expect_suffix="AbCdEf")
    assert accesskeys_emulator.journal.count(operation="delete") == 0

    await client.delete(organization, key.id, expect_suffix=key.suffix)
    assert made(accesskeys_emulator) == []


@pytest.mark.parametrize("source", ["text", "callable"])
async def test_a_delete_refuses_the_key_that_the_client_itself_uses(
    source: str, client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    organization = accesskeys_emulator.organization_id
    own = accesskeys_emulator.verify(organization, accesskeys_emulator.token)
    assert own is not None

    async def give() -> str:
        return accesskeys_emulator.token

    if source == "callable":
        client = client.with_options(token=give)

    with pytest.raises(InvalidRequestError, match="whose token this client uses"):
        await client.delete(organization, own)
    assert accesskeys_emulator.verify(organization, accesskeys_emulator.token) == own

    await client.delete(organization, own, allow_self=True)
    assert accesskeys_emulator.verify(organization, accesskeys_emulator.token) is None


async def test_a_delete_of_a_missing_key_is_an_error_unless_it_may_be_missing(
    client: AccessKeysClient, accesskeys_emulator: Emulator
) -> None:
    organization = accesskeys_emulator.organization_id
    key = await client.create(organization, name="ci", description="deploys")
    await client.delete(organization, key.id)
    for allow_self in (False, True):
        with pytest.raises(NotFoundError):
            await client.delete(organization, key.id, allow_self=allow_self)
        await client.delete(organization, key.id, allow_self=allow_self, missing_ok=True)
