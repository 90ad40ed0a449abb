"""A fleet that tests change by hand and audit night after night."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from attrs import evolve

from accesskeys_async.audit import (
    OrganizationAudit,
    Policy,
    Snapshot,
    Subject,
    Summary,
    Unreadable,
)
from accesskeys_async.audit.history import History, Recording
from accesskeys_async.audit.policies.suppressions import Suppressor
from accesskeys_async.audit.run.evaluation import judge, mute
from accesskeys_async.audit.run.totals import Tally
from accesskeys_async.records import AccessKey
from tests.unit.audit.judged import NARROW

T = datetime(2026, 11, 1, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ACME, GLOBEX = UUID(int=0xACE), UUID(int=0x61)
FORBIDDEN = Unreadable("permission", "answered 403")


def make_key(number: int, organization_id: UUID = ACME, **fields: object) -> AccessKey:
    """A key that no rule of a snapshot has anything against, until it grows old."""
    values: dict[str, object] = {
        "id": UUID(int=number),
        "organization_id": organization_id,
        "name": f"service {number}",
        "suffix": f"sfx{number:03}",
        "created_at": T - 10 * DAY,
        "type": "organization",
        "description": f"What service {number} signs its calls with",
        "last_used_at": T - timedelta(hours=1),
        "updated_at": T - 10 * DAY,
        "role_refs": NARROW,
    }
    return AccessKey(**{**values, **fields})


class Fleet:
    """Organizations and what is in them; `audit` reads them as the engine does, and records it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.keys: dict[UUID, list[AccessKey] | Unreadable] = {}

    def change(self, key: AccessKey, **fields: object) -> AccessKey:
        """Put the key in its organization as it is with other fields."""
        changed = evolve(key, **fields)
        keys = self.keys[key.organization_id]
        assert isinstance(keys, list)
        keys[keys.index(key)] = changed
        return changed

    async def audit(
        self, at: datetime, *, policy: Policy | None = None, known_keys: Collection[UUID] = ()
    ) -> tuple[int, dict[UUID, OrganizationAudit]]:
        """Audit all organizations; return the run's number, and each audit."""
        policy = policy or Policy()
        tally, audits = Tally(), {}
        async with self.history.begin(policy, started_at=at, known_keys=known_keys) as recording:
            for organization_id in self.keys:
                audited = await self.audit_one(recording, organization_id, at, policy=policy)
                tally.add(audited)
                audits[organization_id] = audited
            await recording.finish(tally.summarize(started_at=at, elapsed=1.5, policy_hash=policy.hash))
        return recording.number, audits

    async def audit_one(
        self, recording: Recording, organization_id: UUID, at: datetime, *, policy: Policy | None = None
    ) -> OrganizationAudit:
        """Audit one organization, and record it."""
        policy = policy or Policy()
        subject, found = Subject(organization_id), self.keys[organization_id]
        settings = policy.settle(subject)
        if isinstance(found, Unreadable):
            snapshot = Snapshot(subject, at, ())
            audited = OrganizationAudit(subject, at, unreadable=found)
        else:
            snapshot = Snapshot(subject, at, tuple(found))
            judged = judge(snapshot, settings)
            audited = OrganizationAudit(subject, at, snapshot.keys, judged.findings, judged.results)
        audited = await recording.enrich(audited, snapshot, settings)
        suppressor = Suppressor(policy.suppressions, at.date())
        audited = evolve(audited, findings=mute(audited.findings, suppressor))
        await recording.record(audited)
        return audited

    async def summarize(self, recording: Recording, at: datetime) -> None:
        """Finish a run that came to nothing more."""
        await recording.finish(Summary(at, 1.0, Policy().hash, 0, (), 0, (), (), 0))


def rules_of(audited: OrganizationAudit) -> list[str]:
    """The rules that found something, in the order of ids."""
    return sorted(finding.rule for finding in audited.findings)
