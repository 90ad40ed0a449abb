import asyncio
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from accesskeys_async.emulator import Emulator, Fault, ManualClock, Organization
from tests.unit.emulator.asking import Arrived, Send


def list_keys(emulator: Emulator, organization: Organization | None = None) -> bytes:
    organization = organization or emulator.organizations[0]
    request = urllib.request.Request(
        f"{emulator.base_url}/organizations/{organization.id}/access-keys?limit=100",
        headers={"Authorization": f"AccessKey {organization.token}"},
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return bytes(response.read())


def test_it_serves_synchronous_code_from_a_thread_of_its_own() -> None:
    emulator = Emulator(organizations=2, keys_per_organization=3)
    threads = threading.active_count()

    emulator.start()
    try:
        for organization in emulator.organizations:
            assert list_keys(emulator, organization).count(b'"suffix"') == 4
    finally:
        emulator.stop()

    assert threading.active_count() == threads
    emulator.stop()


def test_it_is_a_context_manager_too_and_can_be_started_again() -> None:
    emulator = Emulator()
    for _ in range(2):
        with emulator as entered:
            assert entered is emulator
            assert list_keys(emulator)
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.base_url


async def test_it_runs_on_the_present_loop() -> None:
    threads = threading.active_count()
    async with Emulator() as emulator:
        assert threading.active_count() == threads + 1  # the one that writes
        assert await asyncio.to_thread(list_keys, emulator)


def test_the_same_seed_gives_the_same_service() -> None:
    assert Emulator(seed=5, organizations=2).organizations == Emulator(seed=5, organizations=2).organizations
    assert Emulator(seed=5).token != Emulator(seed=6).token
    first = Emulator(organizations=2)
    assert (first.organization_id, first.token) == (first.organizations[0].id, first.organizations[0].token)


def test_starting_twice_is_refused() -> None:
    with Emulator() as emulator, pytest.raises(RuntimeError, match="running already"):
        emulator.start()


def test_a_port_in_use_is_an_error_and_leaves_nothing_behind() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        threads = threading.active_count()
        with pytest.raises(OSError, match="in use"):
            Emulator(port=taken.getsockname()[1]).start()

    assert threading.active_count() == threads


def test_a_database_of_another_population_is_an_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with Emulator(database=tmp_path / "keys.db"):
        pass
    threads = threading.active_count()

    with pytest.raises(ValueError, match="give the same, or another file"):
        Emulator(database=tmp_path / "keys.db", seed=1).start()

    assert threading.active_count() == threads


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "::", "example.com", ""])
def test_a_host_that_is_not_loopback_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"not a loopback address.*--allow-remote"):
        Emulator(host=host)
    Emulator(host=host, allow_remote=True)


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost")])
def test_the_base_url_names_the_host_and_the_port(host: str, shown: str) -> None:
    with Emulator(host=host) as emulator:
        assert emulator.base_url.startswith(f"http://{shown}:")
        assert list_keys(emulator)


def test_an_ipv6_host_is_in_brackets() -> None:
    with Emulator(host="::1") as emulator:
        assert emulator.base_url.startswith("http://[::1]:")


def test_a_token_belongs_to_its_organization_and_looking_is_not_a_use() -> None:
    with Emulator(organizations=2) as emulator:
        first, second = emulator.organizations

        assert emulator.verify(first.id, first.token) == emulator.keys(first.id)[0].id
        assert emulator.verify(second.id, first.token) is None
        assert emulator.verify(first.id, "unknown") is None
        assert emulator.keys(first.id)[0].last_used_at is None


def test_the_roles_and_workspaces_of_an_organization_are_told() -> None:
    with Emulator(organizations=2) as emulator:
        first, second = emulator.organizations
        roles = emulator.roles(first.id)

        assert [role.type for role in roles] == ["managed"] * 3 + ["organization"] * 9
        assert {role.organization_id for role in emulator.roles(second.id)} == {None, second.id}
        assert {workspace.organization_id for workspace in emulator.workspaces(first.id)} == {first.id}
        assert emulator.roles("unknown") == ()
        assert emulator.workspaces("unknown") == ()
        (ref,) = emulator.keys(first.id)[0].role_refs
        assert ref.id in {role.id for role in roles}
        assert emulator.keys(first.id)[0].role_ids == (ref.id,)


def test_keys_are_plain_records_without_secrets() -> None:
    with Emulator(keys_per_organization=5) as emulator:
        keys = emulator.keys(emulator.organization_id)

        assert len(keys) == 6
        assert keys[-1].suffix == emulator.token[-6:]
        assert emulator.token not in repr(keys)
        assert emulator.keys("unknown") == ()


def test_faults_can_be_added_and_everything_reset_from_any_thread() -> None:
    with Emulator() as emulator:
        emulator.faults.add(Fault.status(503))
        with pytest.raises(urllib.error.HTTPError, match="503") as caught:
            list_keys(emulator)
        caught.value.close()
        assert emulator.journal.count(status=503) == 1

        emulator.reset()

        assert len(emulator.journal) == 0
        assert list_keys(emulator)


def test_a_reset_of_the_default_population_takes_milliseconds() -> None:
    with Emulator() as emulator:
        began = time.perf_counter()
        for _ in range(10):
            emulator.reset()

    assert (time.perf_counter() - began) / 10 < 0.05


def test_a_reset_that_fails_says_so_where_it_was_asked_for() -> None:
    class StuckClock(ManualClock):
        def reset(self) -> None:
            raise ZeroDivisionError

    with Emulator(clock=StuckClock()) as emulator, pytest.raises(ZeroDivisionError):
        emulator.reset()


async def test_a_request_from_before_a_reset_has_no_effect_after_it(
    emulator: Emulator, send: Send, arrived: Arrived
) -> None:
    before = emulator.keys(emulator.organization_id)
    emulator.faults.add(Fault.delay(0.05, operation="create"))
    late = asyncio.create_task(send("POST", body=b'{"name": "late", "description": "late"}'))
    await arrived()

    emulator.reset()

    assert await late == b""
    assert emulator.keys(emulator.organization_id) == before


@pytest.mark.slow
def test_ten_thousand_keys_are_there_at_once_and_ten_times_as_many_in_seconds() -> None:
    began = time.monotonic()
    with Emulator(organizations=10, keys_per_organization=1_000) as emulator:
        elapsed = time.monotonic() - began

        assert len(emulator.keys(emulator.organization_id)) == 1_001
    assert elapsed < 5
