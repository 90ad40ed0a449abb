"""`Recording`: adds to an audit what the history shows, and writes the audit to the history."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import update

from accesskeys_async._database.engine import Database
from accesskeys_async.audit.history.enrichment import (
    NEWER_READING_EXISTS,
    NO_PREVIOUS_READING,
    enrich_readable,
    enrich_unreadable,
)
from accesskeys_async.audit.history.evaluated_rules import (
    CanEvaluateKey,
    EvaluatedRules,
    is_partial,
    make_key_check,
)
from accesskeys_async.audit.history.history_tables import RUNS
from accesskeys_async.audit.history.previous import BatchLoader, PreviousReading, load_previous
from accesskeys_async.audit.history.reading_writer import ReadingEntry, write_readings
from accesskeys_async.audit.history.stored_keys import StoredKeys, encode, find_changes
from accesskeys_async.audit.policies.policy import Policy, RuleSetting
from accesskeys_async.audit.records import OrganizationAudit, Summary
from accesskeys_async.audit.rules.key_changes import Changes
from accesskeys_async.audit.rules.snapshot import Snapshot

BUFFERED_ORGANIZATIONS: Final = 64
BUFFERED_RECORDS: Final = 50_000
"""Keys and findings of buffered organizations: with this many they are written."""
LARGE: Final = 20_000
"""An organization with this many keys or more is encoded and compared in a thread."""


class Recording:
    """Records an audit while it runs. Created by `History.begin`.

    Pass `enrich` to `audit(..., amend=...)`, and pass what the audit yields to `record` and `finish`.
    Up to 64 organizations are buffered and written together. Leaving the block of `History.begin` writes the
    rest.

    Attributes:
        number: The number of the run, for `History.compare`.
        left_out: How many organizations were not recorded because the history has a newer reading of them.
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
        self._stored_keys: dict[UUID, StoredKeys] = {}
        self._key_checks: dict[UUID, CanEvaluateKey] = {}
        self._loader = BatchLoader(self._load_previous)
        self._buffer: list[OrganizationAudit] = []
        self._buffered_records = 0
        self._write_lock = asyncio.Lock()
        self.number = number
        self.left_out = 0

    async def enrich(
        self, audited: OrganizationAudit, snapshot: Snapshot, settings: tuple[RuleSetting, ...]
    ) -> OrganizationAudit:
        """Return the result of an organization with the findings that need its history.

        Args:
            audited: The result without a history.
            snapshot: The keys that were read.
            settings: The rules as the policy sets them for this organization.

        Returns:
            The result with findings of AK101 to AK111, and with severities raised by AK108.

        Raises:
            HistoryError: The database failed.
        """
        organization_id = audited.subject.organization_id
        if audited.unreadable is None:
            self._stored_keys[organization_id] = await _encode(snapshot)
        previous = await self._loader.get(organization_id)
        if audited.unreadable is not None:
            return enrich_unreadable(
                audited,
                snapshot,
                settings,
                previous.taken_at,
                open_since=previous.open_since,
                sla_days=self._policy.sla_days,
            )
        changes = await self._compare(snapshot, previous)
        enriched = enrich_readable(
            audited,
            snapshot,
            settings,
            changes,
            own_keys=self._policy.own_keys,
            open_since=previous.open_since,
            sla_days=self._policy.sla_days,
        )
        if any(map(is_partial, enriched.results)):
            known = None if isinstance(changes, str) else changes
            self._key_checks[organization_id] = make_key_check(snapshot, settings, known)
        return enriched

    async def record(self, audited: OrganizationAudit) -> None:
        """Record the final result of an organization.

        Args:
            audited: The result as the audit yielded it, suppressions applied.

        Raises:
            HistoryError: The database failed.
        """
        self._buffer.append(audited)
        self._buffered_records += len(audited.keys) + len(audited.findings)
        if len(self._buffer) >= BUFFERED_ORGANIZATIONS or self._buffered_records >= BUFFERED_RECORDS:
            await self.flush()

    async def flush(self) -> None:
        """Write the organizations that are buffered.

        Raises:
            HistoryError: The database failed.
        """
        async with self._write_lock:
            buffered, self._buffer, self._buffered_records = self._buffer, [], 0
            if not buffered:
                return
            latest = {audited.subject.organization_id: audited for audited in buffered}
            entries = [await self._make_entry(audited) for audited in latest.values()]
            async with self._database.transaction() as connection:
                self.left_out += await write_readings(connection, self.number, entries)

    async def finish(self, summary: Summary) -> None:
        """Write the organizations that are buffered and the totals of the run.

        Args:
            summary: The summary of the whole audit.

        Raises:
            HistoryError: The database failed.
        """
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

    async def _load_previous(self, organizations: Sequence[UUID]) -> Mapping[UUID, PreviousReading]:
        now = {one: self._stored_keys.get(one) for one in organizations}
        async with self._database.transaction() as connection:
            return await load_previous(connection, self.number, now, opened_before=self._opened_before)

    async def _compare(self, snapshot: Snapshot, previous: PreviousReading) -> Changes | str:
        if previous.taken_at is None:
            return NO_PREVIOUS_READING
        if previous.taken_at > snapshot.taken_at:
            return NEWER_READING_EXISTS
        organization_id = snapshot.subject.organization_id
        stored_keys = self._stored_keys[organization_id]
        arguments = (organization_id, previous.identities, previous.uses, previous.roles, stored_keys)
        if len(snapshot.keys) < LARGE:
            appeared, gone, changed = find_changes(*arguments)
        else:
            appeared, gone, changed = await asyncio.to_thread(find_changes, *arguments)
        return Changes(
            snapshot,
            previous.taken_at,
            previous.keys,
            appeared,
            gone,
            changed,
            previous.before_at,
            self._known,
        )

    async def _make_entry(self, audited: OrganizationAudit) -> ReadingEntry:
        can_evaluate_key = self._key_checks.pop(audited.subject.organization_id, None)
        return ReadingEntry(
            audited, await self._pop_stored_keys(audited), EvaluatedRules.of(audited, can_evaluate_key)
        )

    async def _pop_stored_keys(self, audited: OrganizationAudit) -> StoredKeys | None:
        stored_keys = self._stored_keys.pop(audited.subject.organization_id, None)
        if audited.unreadable is not None:
            return None
        return stored_keys or await _encode(Snapshot(audited.subject, audited.taken_at, audited.keys))


async def _encode(snapshot: Snapshot) -> StoredKeys:
    if len(snapshot.keys) < LARGE:
        return encode(snapshot.keys)
    return await asyncio.to_thread(encode, snapshot.keys)
