from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
import uvloop

from accesskeys_async._subprocess import CompletedCommand, run_command
from tests.waiting import until

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
PATIENCE = 20.0
"""Seconds after which a test gives up; a command that ends takes none of them."""


def _lives(process_id: int) -> bool:
    # A killed orphan whose new parent has not asked for it yet is a zombie.
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[..., CompletedCommand]:
    """Run a shell's script on each kind of event loop."""

    def run(script: str, *, timeout: float = PATIENCE, **settings: int) -> CompletedCommand:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(run_command(["sh", "-c", script], timeout=timeout, **settings))

    return run


def test_the_whole_output_is_read_until_the_command_ends(run: Callable[..., CompletedCommand]) -> None:
    ended = run(
        "printf one; sleep 0.1; printf two; printf three >&2; exit 7", max_output=100, keep_errors=100
    )

    assert (ended.returncode, ended.output, ended.errors, ended.errors_cut) == (7, b"onetwo", b"three", False)


def test_what_is_not_to_be_kept_goes_nowhere(run: Callable[..., CompletedCommand]) -> None:
    ended = run("echo one; echo two >&2")

    assert (ended.returncode, ended.output, ended.errors) == (0, b"", b"")


def test_output_over_its_bound_ends_the_command_at_once(run: Callable[..., CompletedCommand]) -> None:
    ended = run("yes", max_output=4096)

    assert (ended.returncode, len(ended.output)) == (-signal.SIGKILL, 4097)


def test_endless_errors_take_no_memory_and_their_end_is_kept(run: Callable[..., CompletedCommand]) -> None:
    tracemalloc.start()
    try:
        ended = run("head -c 40000000 /dev/zero >&2; printf end >&2", keep_errors=100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (len(ended.errors), ended.errors[-4:], ended.errors_cut) == (100, b"\0end", True)
    assert peak < 2_000_000


def test_a_daemon_that_keeps_the_pipes_is_not_waited_for(
    run: Callable[..., CompletedCommand], tmp_path: Path
) -> None:
    ended = run(f"sleep 600 & echo $! > {tmp_path}/pid; printf token", max_output=100, keep_errors=100)

    daemon = int((tmp_path / "pid").read_text())
    try:
        assert (ended.returncode, ended.output) == (0, b"token")
        assert _lives(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_a_daemon_that_writes_without_end_does_not_hold_the_result_back(
    run: Callable[..., CompletedCommand],
) -> None:
    assert run("yes >&2 & exit 3", keep_errors=100).returncode == 3


@pytest.mark.slow
def test_a_command_that_hangs_is_killed_with_what_it_started(
    run: Callable[..., CompletedCommand], tmp_path: Path
) -> None:
    with pytest.raises(TimeoutError):
        run(f"sleep 600 & echo $! > {tmp_path}/pid; wait", timeout=0.5, max_output=100)

    # Killed it is; when it is gone, the kernel decides.
    asyncio.run(until(lambda: not _lives(int((tmp_path / "pid").read_text()))))


async def test_a_call_that_is_cancelled_kills_the_command(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "begun")
    call = asyncio.ensure_future(
        run_command(["sh", "-c", f"echo $$ > {tmp_path}/begun; sleep 600"], timeout=PATIENCE, max_output=100)
    )
    process_id = int(await asyncio.to_thread((tmp_path / "begun").read_text))

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert not _lives(process_id)


@pytest.mark.slow
@pytest.mark.parametrize("script", ["true", "yes", "sleep 600"])
async def test_no_descriptor_stays_open(script: str) -> None:
    async def attempt(act: Callable[[], Awaitable[object]]) -> int:
        for _ in range(3):
            with contextlib.suppress(TimeoutError):
                await act()
        return psutil.Process().num_fds()

    def act() -> Awaitable[object]:
        return run_command(["sh", "-c", script], timeout=0.2, max_output=10, keep_errors=10)

    assert await attempt(act) == await attempt(act)


async def test_a_command_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        await run_command(["/no/such/command"], timeout=1, max_output=10)
