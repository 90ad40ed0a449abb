"""The audit itself: many organizations read side by side, judged as they come, summed up at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

from attrs import evolve

from accesskeys_async.audit.checkpoint import Checkpoint, Reading
from accesskeys_async.audit.collisions import SuffixCollisions
from accesskeys_async.audit.inventory import Entry
from accesskeys_async.audit.judging import Judgement, judge, mute
from accesskeys_async.audit.policy import Policy, RuleSetting
from accesskeys_async.audit.progress import Progress
from accesskeys_async.audit.reading import Access, read_keys
from accesskeys_async.audit.records import Finding, OrganizationAudit, Snapshot, Subject, Summary, Unreadable
from accesskeys_async.audit.suppressions import Suppressor
from accesskeys_async.audit.tally import Tally
from accesskeys_async.audit.turns import Turns
from accesskeys_async.client import AccessKeysClient
from accesskeys_async.crew import Crew, HandOn, Items
from accesskeys_async.errors import InvalidRequestError
from accesskeys_async.operations import read_id

__all__ = ["Amend", "Organization", "audit"]

Organization: TypeAlias = str | UUID | Subject | Entry
Amend: TypeAlias = Callable[
    [OrganizationAudit, Snapshot, tuple[RuleSetting, ...]], Awaitable[OrganizationAudit]
]
"""Adds what is known of an organization from elsewhere, such as its history, to what its rules said.

The snapshot has no keys where the organization could not be read.
"""

LARGE: Final = 20_000
"""From so many keys on, an organization is judged in a thread, so that no other has to wait for it."""


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

    Raises InvalidRequestError for a bound that is broken and for what is no organization's id,
    CheckpointError where the checkpoint can't be written, and what `organizations` raises.
    """
    at_once = client.max_concurrency if at_once is None else at_once
    if at_once < 1:
        raise InvalidRequestError("at_once", f"is {at_once}; it takes 1 or more, or None")
    if isinstance(organizations, str | UUID | Subject | Entry):
        raise InvalidRequestError("organizations", "is a single one; it takes several, such as a list")
    started_at = clock() if checkpoint is None else checkpoint.started_at
    run = _Run(client, policy or Policy(), started_at, max_keys, checkpoint, progress, amend)
    return run.products(organizations, at_once)


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
    ) -> None:
        self._access = Access(client, progress)
        self._policy = policy
        self._started_at = started_at
        self._max_keys = max_keys
        self._checkpoint = checkpoint
        self._progress = progress
        self._amend = amend
        self._suppressor = Suppressor(policy.suppressions, started_at.date())
        self._collisions = _watch_suffixes(policy)
        self._tally = Tally()
        self._turns = Turns()
        self._seen: set[UUID] = set()
        self._twice = 0
        self._findings: tuple[Finding, ...] = ()

    async def products(
        self, organizations: Items[Organization], at_once: int
    ) -> AsyncGenerator[OrganizationAudit | Summary, None]:
        """Yield what `audit` does."""
        began = time.monotonic()
        async with aclosing(Crew(organizations, self._work, workers=at_once).products()) as audits:
            async for audited in audits:
                self._tally.add(audited)
                yield audited
        await self._look_across()
        yield self._summarize(time.monotonic() - began)

    async def _work(self, organization: Organization, hand_on: HandOn[OrganizationAudit]) -> None:
        entry = _read_entry(organization)
        organization_id = entry.subject.organization_id
        if organization_id in self._seen:
            self._twice += 1
            return
        self._seen.add(organization_id)
        began = time.monotonic()
        kept = None if self._checkpoint is None else await self._checkpoint.load(organization_id)
        reading = kept or await self._read(entry)
        if isinstance(reading, Reading) and kept is None and self._checkpoint is not None:
            await self._checkpoint.add(organization_id, reading)
        audited = await self._judge(entry, reading, began)
        if self._progress is not None:
            self._progress.add(audited, resumed=kept is not None)
        await hand_on(audited)

    async def _read(self, entry: Entry) -> Reading | Unreadable:
        opened = await self._access.open(entry.credential)
        if isinstance(opened, Unreadable):
            return opened
        client, own_suffix = opened
        organization_id = entry.subject.organization_id
        keys = await read_keys(client, organization_id, max_keys=self._max_keys, turns=self._turns)
        return keys if isinstance(keys, Unreadable) else Reading(keys, own_suffix)

    async def _judge(self, entry: Entry, reading: Reading | Unreadable, began: float) -> OrganizationAudit:
        subject, settings = entry.subject, self._policy.settle(entry.subject, entry.changes)
        if isinstance(reading, Unreadable):
            snapshot = Snapshot(subject, self._started_at, ())
            elapsed = time.monotonic() - began
            audited = OrganizationAudit(subject, self._started_at, unreadable=reading, elapsed=elapsed)
        else:
            snapshot = Snapshot(subject, self._started_at, reading.keys, reading.own_suffix)
            judged = await self._apply_rules(snapshot, settings)
            elapsed = time.monotonic() - began
            audited = OrganizationAudit(
                subject, self._started_at, reading.keys, judged.findings, judged.results, elapsed=elapsed
            )
        if self._amend is not None:
            audited = await self._amend(audited, snapshot, settings)
        findings = mute(audited.findings, self._suppressor)
        return audited if findings is audited.findings else evolve(audited, findings=findings)

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
        if setting.rule.id == SuffixCollisions.RULE and setting.is_on and setting.parameters["across"]:
            most = int(setting.parameters.number("max_remembered"))
            return SuffixCollisions(setting.rule.title, most=most)
    return None
