"""A client belongs to one event loop and one process, and wants to be closed there."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import textwrap

import pytest
from aiohttp import ClientTimeout
from yarl import URL

from accesskeys_async import AccessKeysClient, ClientClosedError, Token
from accesskeys_async._http.pool import Pool
from accesskeys_async.emulator import Emulator, Fault
from tests.waiting import until


def test_a_client_belongs_to_the_loop_of_its_first_call() -> None:
    with Emulator() as emulator:
        client = AccessKeysClient(emulator.token, base_url=emulator.base_url)

        async def call() -> None:
            await client.list(emulator.organization_id).first()

        with asyncio.Runner() as runner:
            runner.run(call())
            with asyncio.Runner() as other, pytest.raises(ClientClosedError, match="another event loop"):
                other.run(call())
            runner.run(call())
            runner.run(client.aclose())


def test_a_client_of_another_loop_is_refused_even_where_no_place_is_free() -> None:
    """A place handed on across loops would wake a task from a foreign thread."""
    with Emulator() as emulator:
        client = AccessKeysClient(emulator.token, base_url=emulator.base_url, max_concurrency=1)
        emulator.faults.add(Fault.delay(1.0))

        async def call() -> None:
            await client.list(emulator.organization_id).first()

        async def fail_elsewhere() -> None:
            async with asyncio.timeout(0.5):
                with pytest.raises(ClientClosedError):
                    await call()

        async def main() -> None:
            first = asyncio.create_task(call())
            await until(lambda: client._shared.limit.active)
            await asyncio.to_thread(asyncio.run, fail_elsewhere())
            await first
            await client.aclose()

        asyncio.run(main())


async def test_a_client_is_refused_outside_of_a_task() -> None:
    client = AccessKeysClient("a-token-of-a-key")
    coroutine = client.get("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01", "0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")
    assert inspect.iscoroutine(coroutine)
    failures: list[BaseException] = []

    def step() -> None:
        try:
            coroutine.send(None)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is what is looked at
            failures.append(error)

    asyncio.get_running_loop().call_soon(step)
    await until(lambda: failures)
    await client.aclose()
    assert [type(error) for error in failures] == [RuntimeError]


def run_script(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONWARNINGS": ""},
        check=False,
    )


FORK = """
    import asyncio, os
    from accesskeys_async import AccessKeysClient, ClientClosedError, Token
    from accesskeys_async.emulator import Emulator

    emulator = Emulator().start()
    client = AccessKeysClient(emulator.token, base_url=emulator.base_url)

    async def call(client):
        await client.list(emulator.organization_id).first()

    async def main():
        {first}
        child = os.fork()
        if child == 0:
            asyncio.events._set_running_loop(None)
            asyncio.set_event_loop(None)
            code = 1
            try:
                asyncio.run(call(client))
                code = 0
            except ClientClosedError as error:
                code = 7 if "fork" in str(error) else 2
            os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        await call(client)
        await client.aclose()
        print("parent goes on")

    asyncio.run(main())
    emulator.stop()
"""


@pytest.mark.parametrize(
    ("first", "code"), [("await call(client)", "7"), ("pass", "0")], ids=["used", "not used yet"]
)
def test_a_forked_child_may_use_a_client_only_if_its_parent_has_not(first: str, code: str) -> None:
    done = run_script(FORK.format(first=first))
    assert done.stdout.split("\n")[:2] == [code, "parent goes on"], done.stderr


UNCLOSED = """
    import asyncio, gc
    from accesskeys_async import AccessKeysClient
    from accesskeys_async.emulator import Emulator

    async def main():
        async with Emulator() as emulator:
            client = AccessKeysClient(emulator.token, base_url=emulator.base_url)  # it is made here
            await client.list(emulator.organization_id).first()
            {last}
            del client
            gc.collect()

    asyncio.run(main())
"""


def test_a_client_dropped_unclosed_warns_and_says_where_it_was_made() -> None:
    done = run_script(UNCLOSED.format(last="pass"), "-W", "always::ResourceWarning")
    session = next(
        number for number, text in enumerate(UNCLOSED.split("\n"), start=1) if "it is made here" in text
    )
    assert f"the client made at <string>:{session} was never closed" in done.stderr


async def test_it_warns_even_where_the_collector_came_to_its_connections_first() -> None:
    pool = Pool(borrowed=None, size=1, ssl_context=None, trust_env=False, created_at="here.py:7")
    sessions = pool.sessions_for(URL("http://127.0.0.1"), Token("a-token-of-a-key"), ClientTimeout())
    assert sessions.identity.connector is not None
    await sessions.identity.connector.close()
    with pytest.warns(ResourceWarning, match=r"made at here\.py:7 was never closed"):
        del pool


@pytest.mark.parametrize("last", ["await client.aclose()", "await client.aclose(); await client.aclose()"])
def test_a_client_that_was_closed_does_not_warn(last: str) -> None:
    done = run_script(UNCLOSED.format(last=last), "-W", "always::ResourceWarning")
    assert done.stderr == ""


def test_a_client_that_was_never_used_need_not_be_closed() -> None:
    script = "from accesskeys_async import AccessKeysClient; AccessKeysClient('a-token-of-a-key')"
    assert run_script(script, "-W", "always").stderr == ""
