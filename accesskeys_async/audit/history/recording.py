"""An audit as it is written into the history: what it adds to each organization, and what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import update

from accesskeys_async._database.engine import Database
from accesskeys_async.audit.history.judging import FIRST, STALE, amend_readable, amend_unreadable
from accesskeys_async.audit.history.looking import JudgesKey, Look, is_partial, make_key_check
from accesskeys_async.audit.history.previous import Crowd, Earlier, find_earlier
from accesskeys_async.audit.history.schema import RUNS
from accesskeys_async.audit.history.snapshots import Parts, encode, find_changes
from accesskeys_async.audit.history.writing import Entry, write_readings
from accesskeys_async.audit.policies.policy import Policy, RuleSetting
from accesskeys_async.audit.records import OrganizationAudit, Snapshot, Summary
from accesskeys_async.audit.rules.key_changes import Changes

ORGANIZATIONS: Final = 64
WEIGHT: Final = 50_000
LARGE: Final = 20_000
"""From so many keys on, an organization is encoded and compared in a thread."""


class Recording:
    """An audit under way: `History.begin` makes it.

    `judge` is what the audit's `amend` takes, and `record` takes what the audit yields. Up to 64
    organizations wait in memory to be written together; leaving the block writes the last of them.
    """

    def __init__(
        self,
        database: Database,
        number: int,
        policy: Policy,
        started_at: datetime,
        known_keys: frozenset[UUID],
    ) -> None:
        self._database = database
        self._policy = policy
        self._known = known_keys
        self._opened_before = started_at - timedelta(days=min(policy.sla_days.values(), default=0))
        self._parts: dict[UUID, Parts] = {}
        self._key_checks: dict[UUID, JudgesKey] = {}
        self._crowd = Crowd(self._find_earlier)
        self._waiting: list[OrganizationAudit] = []
        self._weight = 0
        self._turn = asyncio.Lock()
        self.number = number
        """The run's number, which `History.compare` takes."""
        self.left_out = 0
        """How many organizations were not recorded, because the history has a later reading of them."""

    async def judge(
        self, audited: OrganizationAudit, snapshot: Snapshot, settings: tuple[RuleSetting, ...]
    ) -> OrganizationAudit:
        """Return the audit of an organization with what its history adds. Raises HistoryError."""
        organization_id = audited.subject.organization_id
        if audited.unreadable is None:
            self._parts[organization_id] = await _encode(snapshot)
        earlier = await self._crowd.ask(organization_id)
        if audited.unreadable is not None:
            return amend_unreadable(
                audited,
                snapshot,
                settings,
                earlier.taken_at,
                open_since=earlier.open_since,
                sla_days=self._policy.sla_days,
            )
        changes = await self._compare(snapshot, earlier)
        amended = amend_readable(
            audited,
            snapshot,
            settings,
            changes,
            own_keys=self._policy.own_keys,
            open_since=earlier.open_since,
            sla_days=self._policy.sla_days,
        )
        if any(map(is_partial, amended.results)):
            known = None if isinstance(changes, str) else changes
            self._key_checks[organization_id] = make_key_check(snapshot, settings, known)
        return amended

    async def record(self, audited: OrganizationAudit) -> None:
        """Keep an organization as the audit has it at last. Raises HistoryError."""
        self._waiting.append(audited)
        self._weight += len(audited.keys) + len(audited.findings)
        if len(self._waiting) >= ORGANIZATIONS or self._weight >= WEIGHT:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits. Raises HistoryError."""
        async with self._turn:
            waiting, self._waiting, self._weight = self._waiting, [], 0
            if not waiting:
                return
            latest = {audited.subject.organization_id: audited for audited in waiting}
            entries = [await self._make_entry(audited) for audited in latest.values()]
            async with self._database.transaction() as connection:
                self.left_out += await write_readings(connection, self.number, entries)

    async def finish(self, summary: Summary) -> None:
        """Write what waits, and what the audit came to. Raises HistoryError."""
        await self.flush()
        values: dict[str, object] = {severity.name.lower(): count for severity, count in summary.by_severity}
        async with self._database.transaction() as connection:
            await connection.execute(
                update(RUNS)
                .where(RUNS.c.id == self.number)
                .values(
                    elapsed=summary.elapsed,
                    organizations=summary.organizations,
                    unreadable=len(summary.unreadable),
                    partly_read=summary.partly_read,
                    keys=summary.keys,
                    suppressed=summary.suppressed,
                    **values,
                )
            )

    async def _find_earlier(self, organizations: Sequence[UUID]) -> Mapping[UUID, Earlier]:
        now = {one: self._parts.get(one) for one in organizations}
        async with self._database.transaction() as connection:
            return await find_earlier(connection, self.number, now, opened_before=self._opened_before)

    async def _compare(self, snapshot: Snapshot, earlier: Earlier) -> Changes | str:
        if earlier.taken_at is None:
            return FIRST
        if earlier.taken_at > snapshot.taken_at:
            return STALE
        organization_id = snapshot.subject.organization_id
        parts = self._parts[organization_id]
        arguments = (organization_id, earlier.identities, earlier.uses, earlier.roles, parts)
        if len(snapshot.keys) < LARGE:
            appeared, gone, changed = find_changes(*arguments)
        else:
            appeared, gone, changed = await asyncio.to_thread(find_changes, *arguments)
        return Changes(
            snapshot,
            earlier.taken_at,
            earlier.keys,
            appeared,
            gone,
            changed,
            earlier.before_at,
            self._known,
        )

    async def _make_entry(self, audited: OrganizationAudit) -> Entry:
        judges_key = self._key_checks.pop(audited.subject.organization_id, None)
        return Entry(audited, await self._take_parts(audited), Look.of(audited, judges_key))

    async def _take_parts(self, audited: OrganizationAudit) -> Parts | None:
        parts = self._parts.pop(audited.subject.organization_id, None)
        if audited.unreadable is not None:
            return None
        return parts or await _encode(Snapshot(audited.subject, audited.taken_at, audited.keys))


async def _encode(snapshot: Snapshot) -> Parts:
    if len(snapshot.keys) < LARGE:
        return encode(snapshot.keys)
    return await asyncio.to_thread(encode, snapshot.keys)
