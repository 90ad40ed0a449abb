"""The audit itself: many organizations are read concurrently, judged one by one, and summed up at the end.

Many workers request pages at once. Pages are decoded and judged when the caller asks for the next result.
This keeps one organization in cache.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

from attrs import define, evolve

from accesskeys_async._contract.arguments import read_id
from accesskeys_async._workers import Emit, Items, WorkerPool
from accesskeys_async.audit.policies.policy import Policy, RuleSetting
from accesskeys_async.audit.policies.suppressions import Suppressor
from accesskeys_async.audit.records import Finding, OrganizationAudit, Subject, Summary, Unreadable
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.audit.run.checkpoint import Checkpoint, Reading
from accesskeys_async.audit.run.evaluation import Judgement, judge, mute
from accesskeys_async.audit.run.fetching import Access, KeyFetcher
from accesskeys_async.audit.run.loop_turns import Turns
from accesskeys_async.audit.run.progress import Progress
from accesskeys_async.audit.run.role_fetching import RoleReader
from accesskeys_async.audit.run.suffix_collisions import SuffixCollisions
from accesskeys_async.audit.run.totals import Tally
from accesskeys_async.audit.scope.inventory import Entry
from accesskeys_async.client import AccessKeysClient
from accesskeys_async.errors import InvalidRequestError

Organization: TypeAlias = str | UUID | Subject | Entry
Amend: TypeAlias = Callable[
    [OrganizationAudit, Snapshot, tuple[RuleSetting, ...]], Awaitable[OrganizationAudit]
]
"""Adds what is known of an organization from elsewhere, such as its history, to what its rules said.

The snapshot has no keys where the organization could not be read.
"""

LARGE: Final = 20_000
"""From so many keys on, an organization is judged in a thread, so that no other has to wait for it."""
SPELL: Final = 4_000
"""After so many keys were judged in one go, some 8 ms, whatever else the event loop has gets its turn."""


def audit(
    client: AccessKeysClient,
    organizations: Items[Organization],
    policy: Policy | None = None,
    *,
    at_once: int | None = None,
    max_keys: int = 1_000_000,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    amend: Amend | None = None,
    roles: bool = False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncGenerator[OrganizationAudit | Summary, None]:
    """Audit organizations: yield an `OrganizationAudit` for each as it completes, and a `Summary` at last.

    One that can't be read whole is a value, too: its `unreadable` says why. An organization that comes twice
    is audited once. T is `clock`'s time at the start, or that of the checkpoint.

    `at_once` organizations are read at a time, None for the client's `max_concurrency`, and as many wait for
    the caller at most; those are what is in memory. `max_keys` bounds one organization. Each finished reading
    goes to the `checkpoint`, and what that has already is not read again. `progress` is counted up. `amend`
    is asked for each organization, read or not, before suppressions apply. Leaving early cancels what is
    under way: use `contextlib.aclosing`.

    `roles` reads the roles of every key with a GET, which is one request a key more, `at_once` at a time over
    all organizations; AK036 to AK039 judge them. A key that can't be read so is not evaluated by those, and
    unless it is gone, its organization counts as read in part.

    Raises InvalidRequestError for a bound that is broken and for what is no organization's id,
    CheckpointError where the checkpoint can't be written, and what `organizations` raises.
    """
    at_once = client.max_concurrency if at_once is None else at_once
    if at_once < 1:
        raise InvalidRequestError("at_once", f"is {at_once}; it takes 1 or more, or None")
    if isinstance(organizations, str | UUID | Subject | Entry):
        raise InvalidRequestError("organizations", "is a single one; it takes several, such as a list")
    if checkpoint is not None and checkpoint.roles is not roles:
        raise InvalidRequestError(
            "roles", f"is {roles}, and {checkpoint.roles} in the checkpoint; give the same"
        )
    started_at = clock() if checkpoint is None else checkpoint.started_at
    reader = RoleReader(at_once, progress) if roles else None
    run = _Run(client, policy or Policy(), started_at, max_keys, checkpoint, progress, amend, reader)
    return run.products(organizations, at_once)


@define
class _Draft:
    """An organization on its way to its audit."""

    entry: Entry
    client: AccessKeysClient | None = None
    """With the organization's token; None if there is none, or a checkpoint has the keys."""
    fetcher: KeyFetcher | None = None
    reading: Reading | Unreadable | None = None
    """None while its answers are not read."""
    own_suffix: str = ""
    is_kept: bool = False
    """Whether the checkpoint has it."""
    spent: float = 0.0
    """Seconds that went into it so far."""
    audited: OrganizationAudit | None = None


class _Run:
    """One audit under way."""

    def __init__(
        self,
        client: AccessKeysClient,
        policy: Policy,
        started_at: datetime,
        max_keys: int,
        checkpoint: Checkpoint | None,
        progress: Progress | None,
        amend: Amend | None,
        roles: RoleReader | None,
    ) -> None:
        self._access = Access(client, progress)
        self._policy = policy
        self._started_at = started_at
        self._max_keys = max_keys
        self._checkpoint = checkpoint
        self._progress = progress
        self._amend = amend
        self._roles = roles
        self._suppressor = Suppressor(policy.suppressions, started_at.date())
        self._collisions = _watch_suffixes(policy)
        self._tally = Tally()
        self._turns = Turns()
        self._seen: set[UUID] = set()
        self._twice = 0
        self._peeks_fail = False
        self._findings: tuple[Finding, ...] = ()

    async def products(
        self, organizations: Items[Organization], at_once: int
    ) -> AsyncGenerator[OrganizationAudit | Summary, None]:
        """Yield what `audit` does."""
        began = time.monotonic()
        keys = 0
        async with aclosing(WorkerPool(organizations, self._work, workers=at_once).results()) as drafts:
            async for draft in drafts:
                audited = draft.audited or await self._finish(draft)
                self._tally.add(audited)
                keys += len(audited.keys)
                yield audited
                # Let go of the keys before the next ones are made, which then find their memory warm.
                draft.audited = None
                del audited
                if keys >= SPELL:
                    keys = 0
                    await asyncio.sleep(0)
        await self._look_across()
        yield self._summarize(time.monotonic() - began)

    async def _work(self, organization: Organization, emit: Emit[_Draft]) -> None:
        """Wait for what an organization is judged by; it is judged here where that takes waiting, too."""
        draft = _Draft(_read_entry(organization))
        organization_id = draft.entry.subject.organization_id
        if organization_id in self._seen:
            self._twice += 1
            return
        self._seen.add(organization_id)
        began = time.monotonic()
        if self._checkpoint is not None:
            draft.reading = await self._checkpoint.load(organization_id)
            draft.is_kept = draft.reading is not None
        if draft.reading is None:
            await self._ask(draft)
        is_large = draft.fetcher is not None and draft.fetcher.max_count >= LARGE
        if self._roles is not None and draft.client is not None:
            await self._read_roles(draft, self._roles)
        draft.spent = time.monotonic() - began
        if is_large or self._checkpoint is not None or self._amend is not None:
            await self._turns.take()
            draft.audited = await self._finish(draft)
            draft.reading = None
        await emit(draft)

    async def _ask(self, draft: _Draft) -> None:
        opened = await self._access.open(draft.entry.credential)
        if isinstance(opened, Unreadable):
            draft.reading = opened
            return
        draft.client, draft.own_suffix = opened
        organization_id = draft.entry.subject.organization_id
        draft.fetcher = KeyFetcher(draft.client, organization_id, max_keys=self._max_keys)
        await draft.fetcher.fetch(to_the_end=self._peeks_fail)

    async def _read_roles(self, draft: _Draft, reader: RoleReader) -> None:
        """Read the keys at once, since their ids are what to ask for, and then their roles."""
        assert draft.client is not None
        await self._turns.take()
        draft.reading = await self._read(draft)
        if isinstance(draft.reading, Reading):
            organization_id = draft.entry.subject.organization_id
            draft.reading = await reader.read(draft.client, organization_id, draft.reading)

    async def _finish(self, draft: _Draft) -> OrganizationAudit:
        """Read the answers, judge, and do what is left."""
        began = time.monotonic()
        reading = draft.reading or await self._read(draft)
        # What was read in part is not kept, and so is read again by an audit that is resumed.
        if (
            self._checkpoint is not None
            and isinstance(reading, Reading)
            and not draft.is_kept
            and not reading.failed_roles
        ):
            await self._checkpoint.add(draft.entry.subject.organization_id, reading)
        subject, settings = draft.entry.subject, self._policy.settle(draft.entry.subject, draft.entry.changes)
        if isinstance(reading, Unreadable):
            snapshot = Snapshot(subject, self._started_at, ())
            elapsed = draft.spent + time.monotonic() - began
            audited = OrganizationAudit(subject, self._started_at, unreadable=reading, elapsed=elapsed)
        else:
            snapshot = Snapshot(
                subject, self._started_at, reading.keys, reading.own_suffix, reading.unread_roles
            )
            judged = await self._apply_rules(snapshot, settings)
            elapsed = draft.spent + time.monotonic() - began
            audited = OrganizationAudit(
                subject,
                self._started_at,
                reading.keys,
                judged.findings,
                judged.results,
                elapsed=elapsed,
                unread_roles=reading.failed_roles,
            )
        if self._amend is not None:
            audited = await self._amend(audited, snapshot, settings)
        findings = mute(audited.findings, self._suppressor)
        if findings is not audited.findings:
            audited = evolve(audited, findings=findings)
        if self._progress is not None:
            self._progress.add(audited, resumed=draft.is_kept)
        return audited

    async def _read(self, draft: _Draft) -> Reading | Unreadable:
        """Decode the pages; this waits for nothing, unless a peek was wrong."""
        assert draft.fetcher is not None
        while (keys := draft.fetcher.take()) is None:
            # So it is for all: from now on workers read answers as they come, and none waits for another.
            self._peeks_fail = True
            await draft.fetcher.fetch(to_the_end=True)
        return keys if isinstance(keys, Unreadable) else Reading(keys, draft.own_suffix)

    async def _apply_rules(self, snapshot: Snapshot, settings: tuple[RuleSetting, ...]) -> Judgement:
        if len(snapshot.keys) < LARGE:
            judged = judge(snapshot, settings, own_keys=self._policy.own_keys)
        else:
            judged = await asyncio.to_thread(judge, snapshot, settings, own_keys=self._policy.own_keys)
        if self._collisions is not None:
            self._collisions.note(snapshot)
        return judged

    async def _look_across(self) -> None:
        """Add what is found across organizations; in a thread, since all suffixes are gone through."""
        if self._collisions is not None:
            findings, result = await asyncio.to_thread(self._collisions.tell)
            self._findings = mute(tuple(findings), self._suppressor)
            self._tally.add_findings(self._findings)
            self._tally.add_result(result)

    def _summarize(self, elapsed: float) -> Summary:
        twice = [f"organizations came again and were audited once: {self._twice}"] if self._twice else []
        return self._tally.summarize(
            started_at=self._started_at,
            elapsed=elapsed,
            policy_hash=self._policy.hash,
            findings=self._findings,
            notes=[*self._suppressor.notes(), *twice],
        )


def _read_entry(organization: Organization) -> Entry:
    if isinstance(organization, Entry):
        return organization
    if isinstance(organization, Subject):
        return Entry(organization)
    return Entry(Subject(read_id("organizations", organization)))


def _watch_suffixes(policy: Policy) -> SuffixCollisions | None:
    nobody = Subject(UUID(int=0))
    for setting in policy.settle(nobody):
        if setting.rule.id == SuffixCollisions.RULE and setting.enabled and setting.parameters["across"]:
            most = int(setting.parameters.number("max_remembered"))
            return SuffixCollisions(setting.rule.title, most=most)
    return None
