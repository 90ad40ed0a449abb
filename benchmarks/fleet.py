"""A fleet to audit: organizations whose keys are what one would hope for, but for some."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from benchmarks.roles import role_refs

__all__ = ["AUDITED_AT", "Record", "organization_ids", "records"]

Record = dict[str, object]

AUDITED_AT: Final = datetime(2026, 11, 1, 12, 30, 45, 123_000, tzinfo=UTC)
"""The moment that ages count back from."""

_SERVICES: Final = ["billing", "checkout", "exports", "fraud", "identity", "ledger", "mailer", "orders"]
_PURPOSES: Final = ["backup", "ci", "deploy", "import", "monitor", "sync", "webhook", "worker"]
_PLACES: Final = ["prod", "prod-eu", "staging", "dev"]
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def organization_ids(organizations: int) -> list[UUID]:
    """Return the ids of so many organizations."""
    return [UUID(int=0x0F1EE7 << 104 | 4 << 76 | 8 << 60 | number) for number in range(organizations)]


def records(organization_id: UUID, number: int, keys: int) -> Iterator[Record]:
    """Yield an organization's keys as the API answers them, the newest first.

    Of a hundred keys, four are overdue for rotation, two were never used, one has no description. The others
    are up to 70 days old and were used within a fortnight. Suffixes repeat as seldom as chance has it.
    """
    for index in range(keys):
        serial = number * 1_000_003 + index
        mixed = serial * 0x9E3779B97F4A7C15 % 2**64
        flaw = mixed % 100
        age = timedelta(days=120 if flaw < 4 else 0, minutes=70 * 1440 * (index + 1) // (keys + 1))
        created = AUDITED_AT - age
        service = _SERVICES[mixed // 100 % len(_SERVICES)]
        purpose, place = _PURPOSES[mixed // 2_000 % 8], _PLACES[mixed // 20_000 % 4]
        record: Record = {
            "id": UUID(int=0xBE0C4 << 108 | 4 << 76 | 8 << 60 | serial),
            "organizationId": organization_id,
            "name": f"{service}-{purpose}-{place}-{index:04d}",
            "type": "user",
            "suffix": _suffix(mixed),
            "createdAt": created,
            "updatedAt": created + age * 0.25,
            "lastUsedAt": AUDITED_AT - min(age, timedelta(days=14)) * (mixed % 97 / 100),
            "roleRefs": role_refs(index),
        }
        if flaw != 4:
            record["description"] = f"{purpose.capitalize()} of {service} in {place}"
        if flaw in {5, 6}:
            record["lastUsedAt"] = None
        yield record


def _suffix(mixed: int) -> str:
    characters: list[str] = []
    for _ in range(6):
        mixed, place = divmod(mixed, len(_ALPHABET))
        characters.append(_ALPHABET[place])
    return "".join(characters)
