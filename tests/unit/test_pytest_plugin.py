"""The fixtures, in processes of their own: each test writes a suite and runs pytest on it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from typing import Protocol

import pytest

pytestmark = pytest.mark.slow  # each test starts pytest

pytest_plugins = ["pytester"]

ASYNC_BODY = """
    page = await accesskeys_client.list(accesskeys_emulator.organization_id).collect()
    assert len(page) == 1
    await accesskeys_client.create(accesskeys_emulator.organization_id, name="a", description="b")
    assert len(accesskeys_emulator.keys(accesskeys_emulator.organization_id)) == 2
    accesskeys_emulator.rate_limit = RateLimit(1000)
"""
HEADER = """
import asyncio
import pytest
from accesskeys_async.emulator import RateLimit
"""
# Each suite runs its test three times: the second and third fail unless the state is fresh.
AUTO = f"""{HEADER}
@pytest.mark.parametrize("turn", range(3))
async def test_it(accesskeys_emulator, accesskeys_client, turn):
    assert accesskeys_emulator.rate_limit is None{ASYNC_BODY}
"""
STRICT = AUTO.replace("@pytest.mark.param", "@pytest.mark.asyncio\n@pytest.mark.param")
SESSION_LOOP = AUTO.replace(
    "@pytest.mark.param", '@pytest.mark.asyncio(loop_scope="session")\n@pytest.mark.param'
)
ANYIO = f"""{HEADER}
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.parametrize("turn", range(3))
async def test_it(accesskeys_emulator, accesskeys_client, turn):{ASYNC_BODY}
"""
SYNC = f"""{HEADER}
async def use(accesskeys_emulator, accesskeys_client):{ASYNC_BODY}

@pytest.mark.parametrize("turn", range(3))
def test_it(accesskeys_emulator, accesskeys_client, turn):
    asyncio.run(use(accesskeys_emulator, accesskeys_client))
"""
UNUSED = """
def test_it(accesskeys_client):
    assert "open" in repr(accesskeys_client)

async def test_client_first(accesskeys_client, accesskeys_emulator):
    assert (await accesskeys_client.list(accesskeys_emulator.organization_id).first()).name == "emulator"
    await accesskeys_client.aclose()

def test_two_loops_are_one_too_many(accesskeys_client, accesskeys_emulator):
    import asyncio
    import pytest
    from accesskeys_async import ClientClosedError

    async def use():
        return await accesskeys_client.list(accesskeys_emulator.organization_id).collect()

    assert len(asyncio.run(use())) == 1
    with pytest.raises(ClientClosedError):
        asyncio.run(use())
"""


ASYNCIO = ("-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function")


class Run(Protocol):
    def __call__(self, suite: str, *options: str) -> pytest.RunResult: ...


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest on a suite: warnings are errors, and there are no plugins but ours and those named."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(suite: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(suite)
        pytester.makeini("[pytest]\nfilterwarnings = error\n")
        return pytester.runpytest_subprocess("-p", "accesskeys_async.pytest_plugin", "-v", *options)

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "options"),
    [
        (AUTO, [*ASYNCIO, "-o", "asyncio_mode=auto"]),
        (STRICT, [*ASYNCIO, "-o", "asyncio_mode=strict"]),
        (SESSION_LOOP, [*ASYNCIO, "-o", "asyncio_mode=strict"]),
        (ANYIO, [*ASYNCIO, "-o", "asyncio_mode=strict", "-p", "anyio.pytest_plugin"]),
        (ANYIO, ["-p", "anyio.pytest_plugin"]),
        (SYNC, [*ASYNCIO, "-o", "asyncio_mode=strict"]),
        (SYNC, []),
        (AUTO, [*ASYNCIO, "-o", "asyncio_mode=auto", "-p", "xdist.plugin", "-n", "2"]),
    ],
    ids=["auto", "strict", "session-loop", "anyio", "anyio-alone", "sync", "sync-alone", "xdist"],
)
def test_the_fixtures_are_fresh_for_each_test_and_leave_nothing_open(
    run: Run, suite: str, options: list[str]
) -> None:
    result = run(suite, *options)

    result.assert_outcomes(passed=3)


@pytest.mark.slow
def test_a_client_may_be_left_unused_closed_by_the_test_or_taken_to_a_second_loop_in_vain(run: Run) -> None:
    run(UNUSED, *ASYNCIO, "-o", "asyncio_mode=auto").assert_outcomes(passed=3)


@pytest.mark.slow
def test_the_fixtures_are_listed_with_what_they_are(run: Run) -> None:
    result = run("", "--fixtures")

    result.stdout.fnmatch_lines(["accesskeys_client*", "*A client with the token*"])
    result.stdout.fnmatch_lines(["accesskeys_emulator*", "*A running emulator*"])


@pytest.mark.slow
def test_faults_not_used_up_fail_the_test_that_asks(run: Run) -> None:
    suite = """
    from accesskeys_async.emulator import Fault

    def test_it(accesskeys_emulator):
        accesskeys_emulator.faults.add(Fault.status(503, operation="list"))
        accesskeys_emulator.faults.assert_used()
    """

    result = run(suite)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*scripted faults were not used up: status on list, 1 to come"])


def test_the_package_registers_the_plugin() -> None:
    (entry,) = entry_points(group="pytest11", name="accesskeys_async")

    assert entry.value == "accesskeys_async.pytest_plugin"


@pytest.mark.slow
def test_loading_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules);"
        "import accesskeys_async.pytest_plugin; loaded = set(sys.modules) - before;"
        "heavy = {'aiohttp', 'attr', 'attrs', 'msgspec', 'sqlite3', 'accesskeys_async.emulator'};"
        "print(sorted(heavy & loaded), 'accesskeys_async.pytest_plugin' in loaded)"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded == "[] True\n"
