from __future__ import annotations

import asyncio

from accesskeys_async.audit.run.loop_turns import Turns


async def test_who_waits_for_what_a_turn_gave_sees_it_before_the_next_turn() -> None:
    turns, came, told = Turns(), asyncio.Event(), list[str]()

    async def work(name: str) -> None:
        await turns.take()
        told.append(name)
        came.set()

    async def watch() -> None:
        for _ in range(3):
            await came.wait()
            came.clear()
            told.append("seen")

    await asyncio.gather(watch(), *(work(name) for name in "abc"))
    assert told == ["a", "seen", "b", "seen", "c", "seen"]


async def test_a_turn_ends_though_who_took_it_goes_on_waiting() -> None:
    turns, over = Turns(), asyncio.Event()

    async def linger() -> None:
        await turns.take()
        await over.wait()

    lingering = asyncio.create_task(linger())
    for _ in range(3):
        await turns.take()
    assert not lingering.done()
    over.set()
    await lingering


async def test_one_that_is_cancelled_while_it_waits_is_passed_over() -> None:
    turns = Turns()
    await turns.take()
    first, second = (asyncio.create_task(turns.take()) for _ in range(2))
    first.cancel()
    await second
    assert first.cancelled()
