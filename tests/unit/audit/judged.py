"""Keys made by their ages, and one rule's word on them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from accesskeys_async.audit import Parameters, Severity, Snapshot, Subject, Verdict, find_rules
from accesskeys_async.records import AccessKey, RoleRef

AT = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
"""T."""
ORGANIZATION = UUID(int=0xA0D17)
SECOND = timedelta(seconds=1)
NARROW = (RoleRef(UUID(int=0x201E), "organization", (UUID(int=0x5ACE),)),)
"""Roles that no rule has anything against."""
_numbers = itertools.count(1)


def days(number: float) -> timedelta:
    return timedelta(days=number)


def make_key(*, age: timedelta | None = None, **fields: Any) -> AccessKey:
    """A key in good order, but for what is named: a day old, used an hour ago."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": UUID(int=number),
        "organization_id": ORGANIZATION,
        "name": f"deploy-{number}-of-many",
        "suffix": f"{number:06d}"[-6:],
        "created_at": AT - (age if age is not None else days(1)),
        "type": "service",
        "description": f"Deploys service {number}",
        "last_used_at": AT - timedelta(hours=1),
        "updated_at": AT - timedelta(hours=2),
        "role_ids": (),
        "role_refs": NARROW,
    }
    return AccessKey(**{**values, **fields})


def take(*keys: AccessKey, own_suffix: str = "") -> Snapshot:
    return Snapshot(Subject(ORGANIZATION), AT, keys, own_suffix)


def ask(rule_id: str, *keys: AccessKey, **parameters: Any) -> Verdict:
    """What a rule says of keys, with its defaults but for the parameters that are named."""
    return ask_of(rule_id, take(*keys), **parameters)


def ask_of(rule_id: str, snapshot: Snapshot, **parameters: Any) -> Verdict:
    """What a rule says of a snapshot, with its defaults but for the parameters that are named."""
    rule = find_rules(installed=())[rule_id]
    assert rule.judge is not None
    unknown = parameters.keys() - set(rule.defaults)
    assert not unknown, unknown
    return rule.judge(snapshot, Parameters({**rule.defaults, **parameters}))


def found(verdict: Verdict) -> list[AccessKey | None]:
    return [hit.key for hit in verdict.hits]


def severities(verdict: Verdict) -> list[Severity | None]:
    return [hit.severity for hit in verdict.hits]
