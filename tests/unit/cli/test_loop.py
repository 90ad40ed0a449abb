from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from types import ModuleType

import pytest

from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.cli.loop import TerminatedError, loop_factory, run


async def send(number: int, cleaned: list[str]) -> None:
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
    try:
        await asyncio.Event().wait()
    finally:
        cleaned.append("up")


def test_the_result_comes_back() -> None:
    async def answer() -> int:
        return 42

    assert run(answer()) == 42


def test_ctrl_c_lets_the_command_clean_up() -> None:
    cleaned: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run(send(signal.SIGINT, cleaned))
    assert cleaned == ["up"]


def test_sigterm_lets_the_command_clean_up() -> None:
    cleaned: list[str] = []
    with pytest.raises(TerminatedError) as caught:
        run(send(signal.SIGTERM, cleaned))
    assert cleaned == ["up"]
    assert caught.value.code is ExitCode.TERMINATED


def test_afterwards_sigterm_means_what_it_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    run(asyncio.sleep(0))
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_cancellation_of_another_cause_stays_one() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(cancelled())


def test_it_runs_on_a_thread_where_signals_cannot_be_taken() -> None:
    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(run(asyncio.sleep(0, "done"))))
    thread.start()
    thread.join(10)
    assert results == ["done"]


def test_uvloop_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = ModuleType("uvloop")
    installed.new_event_loop = asyncio.new_event_loop
    monkeypatch.setitem(sys.modules, "uvloop", installed)
    assert loop_factory() is asyncio.new_event_loop


def test_it_does_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory() is None
    assert run(asyncio.sleep(0, "done")) == "done"
