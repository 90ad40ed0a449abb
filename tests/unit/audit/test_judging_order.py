"""When organizations are decoded and judged: one after another, as the caller comes for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextlib import aclosing
from uuid import UUID

import pytest

from accesskeys_async._contract.arguments import MAX_PAGE_SIZE
from accesskeys_async.audit import (
    OrganizationAudit,
    Parameters,
    Policy,
    Registry,
    Rule,
    Severity,
    Snapshot,
    Summary,
    Verdict,
    audit,
)
from accesskeys_async.audit.run.engine import LARGE, SPELL, Amend
from accesskeys_async.records import AccessKeyPage
from tests.unit.audit.scripted import Pages, Scripted, make_pages

NOTHING = Policy(registry=Registry({}))


def name_organizations(count: int) -> list[UUID]:
    return [UUID(int=number) for number in range(1, count + 1)]


async def keep(audited: OrganizationAudit, *_: object) -> OrganizationAudit:
    return audited


@pytest.mark.parametrize("amend", [None, keep], ids=["judged at last", "amended"])
async def test_no_organization_is_read_before_the_caller_has_the_last(amend: Amend | None) -> None:
    pages = Pages(make_pages(1))
    organizations = name_organizations(30)
    seen, ahead = 0, list[int]()
    async for one in audit(Scripted(pages), organizations, NOTHING, at_once=8, amend=amend):
        if isinstance(one, OrganizationAudit):
            seen += 1
            ahead.append(pages.decoded - seen)
    assert seen == 30
    assert max(ahead) == 0


@pytest.mark.parametrize("amend", [None, keep], ids=["judged at last", "amended"])
async def test_a_slow_caller_holds_the_audit_back(amend: Amend | None) -> None:
    pages = Pages(make_pages(1))
    audits = audit(Scripted(pages), name_organizations(50), NOTHING, at_once=2, amend=amend)
    async with aclosing(audits):
        await anext(audits)
        for _ in range(100):
            await asyncio.sleep(0)
        # One is with the caller, two wait for it, and two more are held by who asked for them.
        assert pages.requested == 5
        assert pages.decoded == (1 if amend is None else 5)
    assert len(asyncio.all_tasks()) == 1


async def test_a_caller_that_only_iterates_lets_the_event_loop_have_its_turns() -> None:
    pages = Pages(make_pages(1, keys=MAX_PAGE_SIZE))
    rounds, keys, longest = 0, 0, 0

    async def count_rounds() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_rounds())
    since = rounds
    async for one in audit(Scripted(pages), name_organizations(300), NOTHING, at_once=300):
        if isinstance(one, OrganizationAudit):
            keys = keys + len(one.keys) if rounds == since else len(one.keys)
            since, longest = rounds, max(longest, keys)
    counting.cancel()
    assert 2 * MAX_PAGE_SIZE < longest <= SPELL


async def test_an_organization_that_takes_long_to_judge_holds_up_no_other() -> None:
    others = threading.Event()

    def wait(snapshot: Snapshot, _: Parameters) -> Verdict:
        if len(snapshot.keys) >= LARGE:
            assert others.wait(10), "nobody else was judged meanwhile"
        return Verdict()

    slow = Rule(id="SLOW", title="slow", severity=Severity.LOW, condition="never", judge=wait)
    large = Pages(make_pages(LARGE // MAX_PAGE_SIZE, keys=MAX_PAGE_SIZE))
    client = Scripted(Pages(make_pages(1)), org1=large)
    came: list[UUID] = []
    async for one in audit(client, name_organizations(3), Policy(registry=Registry({"SLOW": slow}))):
        if isinstance(one, OrganizationAudit):
            assert all(result.reason is None for result in one.results)
            came.append(one.subject.organization_id)
            if len(came) == 2:
                others.set()
    assert came[-1] == UUID(int=1)


async def test_what_is_amended_waits_side_by_side() -> None:
    together = asyncio.Barrier(3)

    async def amend(audited: OrganizationAudit, *_: object) -> OrganizationAudit:
        async with asyncio.timeout(10):
            await together.wait()
        return audited

    client = Scripted(Pages(make_pages(1)))
    products = [one async for one in audit(client, name_organizations(6), NOTHING, at_once=3, amend=amend)]
    assert len(products) == 7


async def test_leaving_early_leaves_nothing_behind_even_where_something_is_amended() -> None:
    stuck = asyncio.Event()

    async def amend(audited: OrganizationAudit, *_: object) -> OrganizationAudit:
        if audited.subject.organization_id != UUID(int=1):
            await stuck.wait()
        return audited

    audits = audit(Scripted(Pages(make_pages(2))), name_organizations(50), NOTHING, at_once=4, amend=amend)
    async with aclosing(audits):
        await anext(audits)
    assert len(asyncio.all_tasks()) == 1


class Crowded(Pages):
    """Pages that note how many were asked for at a time, the first ones apart."""

    def __init__(self, pages: Mapping[str, AccessKeyPage]) -> None:
        super().__init__(pages, dict.fromkeys(pages))
        self.most = self._now = 0

    async def fetch(self, page_token: str | None) -> str:
        self._now += page_token is not None
        self.most = max(self.most, self._now)
        for _ in range(5):
            await asyncio.sleep(0)
        self._now -= page_token is not None
        return await super().fetch(page_token)


@pytest.mark.parametrize("count", [1, 5])
async def test_a_service_whose_page_tokens_no_peek_finds_is_read_whole_and_side_by_side(count: int) -> None:
    pages = Crowded(make_pages(count))
    organizations = name_organizations(20)
    *audits, summary = [one async for one in audit(Scripted(pages), organizations, NOTHING, at_once=3)]
    assert [len(one.keys) for one in audits if isinstance(one, OrganizationAudit)] == [count] * 20
    assert isinstance(summary, Summary)
    assert summary.is_complete
    # Once more than workers: the caller reads on itself what a first peek left.
    assert pages.most in ({0} if count == 1 else {3, 4})
