from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from accesskeys_async import AccessKeysClient
from accesskeys_async._client.recoverable_create import mark, new_nonce
from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.emulator import Emulator, Fault, ManualClock

pytestmark = pytest.mark.slow

Call = Callable[..., Any]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def old_service(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(clock=clock) as service:
        monkeypatch.setenv("ACCESSKEYS_BASE_URL", service.base_url)
        monkeypatch.setenv("ACCESSKEYS_TOKEN", service.token)
        monkeypatch.setenv("ACCESSKEYS_ORGANIZATION", service.organization_id)
        yield service


def _lose(service: Emulator, *, nonce: str | None = None, name: str = "lost") -> str:
    """Leave a key as a create does whose answer was lost."""

    async def create() -> str:
        async with AccessKeysClient(service.token, base_url=service.base_url) as client:
            description = mark("deploys", nonce or new_nonce())
            made = await client.create(service.organization_id, name=name, description=description)
            return str(made.id)

    return asyncio.run(create())


def _key_ids(service: Emulator) -> set[str]:
    return {key.id for key in service.keys(service.organization_id)}


def test_lost_keys_are_listed_and_deleted_when_the_person_says_yes(
    old_service: Emulator, clock: ManualClock, call: Call
) -> None:
    before = _key_ids(old_service)
    lost = _lose(old_service)
    clock.advance(3601)

    done = call("reap", answer="y\n", terminal=True)

    assert (done.code, _key_ids(old_service)) == (0, before)
    assert lost in done.out
    assert "delete this key? [y/N]" in done.err
    assert "deleted 1 key\n" in done.err


def test_a_no_deletes_nothing(old_service: Emulator, clock: ManualClock, call: Call) -> None:
    lost = {_lose(old_service), _lose(old_service)}
    clock.advance(3601)

    refused = call("reap", answer="n\n", terminal=True)

    assert refused.code == ExitCode.DECLINED
    assert "delete these 2 keys?" in refused.err
    assert lost <= _key_ids(old_service)


def test_without_a_terminal_nothing_is_deleted_unless_told(
    old_service: Emulator, clock: ManualClock, call: Call
) -> None:
    lost = _lose(old_service)
    clock.advance(3601)

    refused = call("reap")
    assert (refused.code, refused.out) == (ExitCode.USAGE, "")
    assert "use --yes" in refused.err
    assert lost in _key_ids(old_service)

    done = call("reap", "--yes")
    assert (done.code, json.loads(done.out)["id"]) == (0, lost)
    assert lost not in _key_ids(old_service)


def test_what_was_made_within_the_hour_stays_and_the_age_can_be_set(
    old_service: Emulator, clock: ManualClock, call: Call
) -> None:
    lost = _lose(old_service)
    clock.advance(3599)

    assert call("reap", "--yes").out == ""
    assert lost in _key_ids(old_service)
    assert lost in call("reap", "--yes", "--older-than", "59m").out
    assert lost not in _key_ids(old_service)


def test_a_nonce_takes_its_own_key_at_any_age_and_no_other(old_service: Emulator, call: Call) -> None:
    nonce = new_nonce()
    lost, other = _lose(old_service, nonce=nonce), _lose(old_service)

    done = call("reap", "--nonce", nonce, "--yes")

    assert json.loads(done.out)["id"] == lost
    assert other in _key_ids(old_service)
    assert lost not in _key_ids(old_service)


def test_a_nonce_and_an_age_both_bound_what_goes(old_service: Emulator, call: Call) -> None:
    nonce = new_nonce()
    lost = _lose(old_service, nonce=nonce)

    assert call("reap", "--nonce", nonce, "--older-than", "1h", "--yes").out == ""
    assert lost in _key_ids(old_service)


def test_where_nothing_was_lost_nothing_is_asked(service: Emulator, call: Call) -> None:
    done = call("reap", terminal=True)

    assert (done.code, done.out) == (0, "")
    assert "there is nothing to delete" in done.err


def test_an_age_that_cannot_be_read_is_wrong_usage(service: Emulator, call: Call) -> None:
    refused = call("reap", "--older-than", "soon", "--yes")

    assert refused.code == ExitCode.USAGE
    assert "--older-than is 'soon'; it takes a number and a unit" in refused.err


def test_a_token_that_the_api_does_not_know_ends_as_in_the_other_commands(
    service: Emulator, call: Call
) -> None:
    service.faults.add(Fault.status(401, operation="list"))

    assert call("reap", "--yes").code == ExitCode.AUTHENTICATION
