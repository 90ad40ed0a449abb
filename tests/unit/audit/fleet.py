"""Believable audits, the same for the same seed, for tests that need what an audit yields and no API."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from attrs import evolve

from accesskeys_async.audit.records import (
    Finding,
    OrganizationAudit,
    RuleResult,
    Severity,
    Subject,
    Summary,
    Unreadable,
    fingerprint,
)
from accesskeys_async.records import UNSET, AccessKey, Role, RoleRef, Unset

AT = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
"""The scan's start."""

HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</style></title><h1>broken out</h1>",
    "\"quoted\" 'and' `ticked` & &amp; {{ 7 * 7 }} {% raw %}",
    "\u202egnp.exe\u2066 reversed",
    "=cmd|' /C calc'!A0",
    "+1+2",
    "@SUM(1)",
    "-- dash",
    "\N{PILE OF POO}" * 256,
    "[link](https://example.invalid) | cell | @somebody #1",
    "line\nbreak\ttab\x1b[31m\x00\x7f\x9b",
    "half \ud83d of a pair",
    "``` fence",
    "]]>--><!--",
    "  ",
)
_SERVICES = ("billing", "checkout", "exports", "fraud", "identity", "mailer", "orders", "search", "shipping")
_ENVIRONMENTS = ("prod", "prod-eu", "staging", "dev")
ROLES = tuple(
    RoleRef(UUID(int=random.Random(number).getrandbits(128), version=4), kind)
    for number, kind in enumerate(["organization"] * 8 + ["managed", "organization"])
)
_RULES = {
    "AK001": "unused",
    "AK002": "never used",
    "AK003": "rotation overdue",
    "AK004": "rotation due",
    "AK010": "too many keys",
    "AK021": "description missing or empty of meaning",
}


class Fleet:
    """Organizations with keys, some of them unreadable, judged by a handful of rules."""

    def __init__(
        self,
        *,
        seed: int = 1,
        organizations: int = 12,
        keys: int = 40,
        unreadable: int = 1,
        names: Sequence[str] = (),
        source: str | None = "organizations.csv",
        role_names: Sequence[str] = (),
    ) -> None:
        self._seed = seed
        self._organizations = organizations
        self._keys = keys
        self._unreadable = unreadable
        self._names = names
        self._source = source
        self._role_names = role_names

    def audits(self) -> Iterator[OrganizationAudit]:
        """Yield each organization."""
        for number in range(self._organizations):
            chance = random.Random(f"{self._seed}/{number}")
            labels = (chance.choice(_ENVIRONMENTS), f"team-{chance.randrange(5)}")
            organization_id = UUID(int=chance.getrandbits(128), version=4)
            subject = Subject(organization_id, labels, self._source, number + 2)
            if number < self._unreadable:
                reason = chance.choice(("permission", "timeout", "missing"))
                failure = Unreadable(reason, f"the API said no: {reason}")
                yield OrganizationAudit(subject, AT, unreadable=failure, elapsed=0.1)
                continue
            keys = tuple(self._key(chance, organization_id, index) for index in range(self._keys))
            findings = tuple(_judge(organization_id, keys))
            failed = Counter(finding.rule for finding in findings)
            results = tuple(
                RuleResult(rule, max(0, len(keys) - failed[rule]), failed[rule]) for rule in _RULES
            )
            yield OrganizationAudit(subject, AT, keys, findings, results, elapsed=0.2)

    def parts(self) -> Iterator[OrganizationAudit | Summary]:
        """Yield each organization, then the summary."""
        severities: Counter[Severity] = Counter()
        passed: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        unreadable: list[tuple[Subject, Unreadable]] = []
        organizations = keys = suppressed = 0
        for audit in self.audits():
            yield audit
            organizations += 1
            keys += len(audit.keys)
            if audit.unreadable:
                unreadable.append((audit.subject, audit.unreadable))
            for result in audit.results:
                passed[result.rule] += result.passed
                failed[result.rule] += result.failed
            for finding in audit.findings:
                suppressed += finding.suppressed is not None
                severities[finding.severity] += finding.suppressed is None
        yield Summary(
            started_at=AT,
            elapsed=12.5,
            policy_hash="3b1f" * 16,
            organizations=organizations,
            unreadable=tuple(unreadable),
            keys=keys,
            by_severity=tuple(
                (severity, severities[severity]) for severity in sorted(Severity, reverse=True)
            ),
            by_rule=tuple(RuleResult(rule, passed[rule], failed[rule], len(unreadable)) for rule in _RULES),
            suppressed=suppressed,
            notes=("a suppression of AK001 expired on 2026-05-01",),
        )

    async def __aiter__(self) -> AsyncIterator[OrganizationAudit | Summary]:
        for part in self.parts():
            yield part

    def _key(self, chance: random.Random, organization_id: UUID, index: int) -> AccessKey:
        age = timedelta(days=min(chance.expovariate(1 / 150), 1300), seconds=chance.randrange(86_400))
        created = AT - age
        used = None if chance.random() < 0.12 else AT - age * min(1.0, chance.betavariate(0.5, 3))
        role_refs, roles = self._choose_roles(index)
        name = f"{chance.choice(_SERVICES)}-{chance.choice(_ENVIRONMENTS)}-{index:02}"
        if self._names:
            name = self._names[index % len(self._names)]
        return AccessKey(
            id=UUID(int=chance.getrandbits(128), version=4),
            organization_id=organization_id,
            name=name,
            suffix=f"{chance.getrandbits(24):06x}",
            created_at=created,
            type="service",
            description=f"keeps {name} going",
            last_used_at=used,
            role_refs=role_refs,
            roles=roles,
        )

    def _choose_roles(self, index: int) -> tuple[tuple[RoleRef, ...], tuple[Role, ...] | Unset]:
        """Most keys have one role of their service, a fifth two, a tenth none, and some a managed one."""
        if index % 10 == 9:
            return (), () if self._role_names else UNSET
        numbers = [index % 7, *((7 + index % 3,) if index % 5 == 4 else ())]
        references = tuple(ROLES[number] for number in numbers)
        if not self._role_names:
            return references, UNSET
        names = [self._role_names[number % len(self._role_names)] for number in numbers]
        return references, tuple(Role(one.id, name=name) for one, name in zip(references, names, strict=True))


def make_finding(
    rule: str, severity: Severity, organization_id: UUID, message: str, key: AccessKey | None = None
) -> Finding:
    """Make a finding as the engine would."""
    name = fingerprint(rule, organization_id, *(() if key is None else (key.id,)))
    return Finding(rule, _RULES.get(rule, rule.lower()), severity, organization_id, message, name, key)


def _judge(organization_id: UUID, keys: Sequence[AccessKey]) -> Iterator[Finding]:
    if len(keys) > 10:
        yield make_finding("AK010", Severity.MEDIUM, organization_id, f"{len(keys)} keys; 10 are enough")
    for number, key in enumerate(keys):
        age = (AT - key.created_at).days
        used = key.last_used_at
        if used is None and age > 7:
            severity = Severity.HIGH if age > 45 else Severity.MEDIUM
            yield make_finding("AK002", severity, organization_id, f"made {age} days ago, never used", key)
        elif isinstance(used, datetime) and AT - used > timedelta(days=45):
            idle = (AT - used).days
            finding = make_finding("AK001", Severity.HIGH, organization_id, f"not used for {idle} days", key)
            muted = "seasonal job; by pat@example.com until 2026-09-01" if number % 20 == 7 else None
            yield evolve(finding, suppressed=muted)
        if age > 90:
            worse = Severity.CRITICAL if age > 365 else Severity.HIGH if age > 180 else Severity.MEDIUM
            yield make_finding("AK003", worse, organization_id, f"{age} days old; rotate by 90", key)
        elif age >= 75:
            yield make_finding("AK004", Severity.INFO, organization_id, f"{age} days old", key)
