from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

import pytest
import uvloop

from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.cli.loop import TerminatedError, loop_factory, run

ENDING = [signal.SIGTERM, signal.SIGHUP]


def _module_with(new_event_loop: object) -> ModuleType:
    module = ModuleType("uvloop")
    module.new_event_loop = new_event_loop
    return module


@pytest.fixture(autouse=True)
def _signals_restored() -> Iterator[None]:
    # A process that a signal ended ignores the next ones; this one goes on.
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_ends_the_command_lets_it_clean_up(number: int) -> None:
    cleaned: list[str] = []
    with pytest.raises(TerminatedError) as caught:
        run(send(number, cleaned))
    assert cleaned == ["up"]
    assert caught.value.code is ExitCode.TERMINATED


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("numbers", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGHUP, signal.SIGTERM)])
def test_a_second_signal_neither_cuts_the_cleaning_up_short_nor_shows_a_traceback(
    numbers: tuple[int, int], loop: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", _module_with(loop))
    cleaned: list[str] = []

    async def end_twice() -> None:
        running = asyncio.get_running_loop()
        running.call_soon(os.kill, os.getpid(), numbers[0])
        try:
            await asyncio.Event().wait()
        finally:
            again = asyncio.Event()
            running.add_signal_handler(signal.SIGUSR1, again.set)
            for number in (numbers[1], signal.SIGUSR1):
                os.kill(os.getpid(), number)
            await again.wait()
            running.remove_signal_handler(signal.SIGUSR1)
            cleaned.append("up")

    with pytest.raises(TerminatedError):
        run(end_twice())
    assert cleaned == ["up"]


def test_two_signals_at_the_same_moment_end_it_once() -> None:
    async def end_twice() -> None:
        for _ in range(2):
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    with pytest.raises(TerminatedError):
        run(end_twice())


@pytest.mark.parametrize("number", ENDING)
def test_what_is_given_time_goes_on_to_its_end_after_a_signal(number: int) -> None:
    done: list[str] = []

    async def create() -> None:
        running, arrived = asyncio.get_running_loop(), asyncio.Event()
        running.add_signal_handler(signal.SIGUSR1, arrived.set)
        for each in (number, signal.SIGUSR1):
            running.call_soon(os.kill, os.getpid(), each)
        await arrived.wait()
        running.remove_signal_handler(signal.SIGUSR1)
        done.append("written")

    with pytest.raises(TerminatedError):
        run(create(), patience=20)
    assert done == ["written"]


def test_what_takes_longer_than_it_is_given_is_cancelled() -> None:
    cleaned: list[str] = []
    with pytest.raises(TerminatedError):
        run(send(signal.SIGTERM, cleaned), patience=0.05)
    assert cleaned == ["up"]


def test_an_error_within_the_time_given_is_told() -> None:
    async def fail() -> None:
        try:
            await send(signal.SIGTERM, [])
        finally:
            raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        run(fail(), patience=0.05)


def test_what_is_given_time_and_is_not_interrupted_returns_its_result() -> None:
    assert run(asyncio.sleep(0, "done"), patience=20) == "done"


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
def test_afterwards_a_signal_means_what_it_meant_before(number: int, before: signal.Handlers) -> None:
    earlier = signal.signal(number, before)
    try:
        run(asyncio.sleep(0))
        assert signal.getsignal(number) is before
    finally:
        signal.signal(number, earlier)


def test_a_hangup_that_nohup_ignores_stays_ignored() -> None:
    async def hang_up() -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        return "done"

    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run(hang_up()) == "done"
    finally:
        signal.signal(signal.SIGHUP, earlier)


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
    monkeypatch.setitem(sys.modules, "uvloop", _module_with(asyncio.new_event_loop))
    assert loop_factory() is asyncio.new_event_loop


def test_it_does_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory() is None
    assert run(asyncio.sleep(0, "done")) == "done"
