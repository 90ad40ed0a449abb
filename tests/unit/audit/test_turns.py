from __future__ import annotations

import asyncio
from uuid import UUID

from accesskeys_async import AccessKeyPage
from accesskeys_async.audit import OrganizationAudit, audit
from accesskeys_async.audit.turns import Turns
from tests.unit.audit.judged import make_key
from tests.unit.audit.test_reading import Pages, Scripted


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


class Counted(Pages):
    """Pages that count how often one was read."""

    count = 0

    def read(self, answer: str) -> AccessKeyPage:
        self.count += 1
        return super().read(answer)


async def test_an_audit_reads_no_organization_before_the_caller_has_the_last() -> None:
    client = Scripted({})
    client._pages = pages = Counted({"0": AccessKeyPage((make_key(),))}, {})
    seen, ahead = 0, list[int]()
    async for one in audit(client, [UUID(int=number) for number in range(30)], at_once=8):
        if isinstance(one, OrganizationAudit):
            seen += 1
            ahead.append(pages.count - seen)
    assert seen == 30
    assert max(ahead) <= 1
