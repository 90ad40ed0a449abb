"""Believable fleets of access keys, the same for the same seed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timedelta

import attrs

from .clock import timestamp
from .derivation import SUFFIX_LENGTH, Derivation
from .fingerprint import Fingerprint
from .records import opening

__all__ = ["Organization", "Population", "Row"]

_SERVICES = (
    *(
        "billing",
        "catalog",
        "checkout",
        "contacts",
        "crm",
        "exports",
        "fraud",
        "identity",
        "inbox",
        "invoices",
    ),
    *(
        "journeys",
        "ledger",
        "mailer",
        "notifier",
        "orders",
        "payments",
        "reports",
        "search",
        "shipping",
        "stock",
    ),
)
_PURPOSES = ("backup", "ci", "deploy", "import", "monitor", "sync", "webhook", "worker")
_ENVIRONMENTS = ("prod", "prod-eu", "staging", "dev")
_TYPES = ("service", "service", "service", "user")

_OLDEST = timedelta(days=3 * 365)
_STALE_AFTER = timedelta(days=45)
_RECENT = timedelta(days=14)
_TRAITS = struct.Struct(">8I")
_UNIT = 1 / 2**32

Row = tuple[str, str, bytes, bytes, str, str | None]


@attrs.frozen
class Organization:
    """An organization and the token of one of its access keys."""

    id: str
    token: str = attrs.field(repr=False)


@attrs.frozen
class Population:
    """How many organizations there are, and how many keys each has.

    Each organization has one key more than `keys_per_organization`: the newest, whose token is known.

    Raises:
        ValueError: A number is below its bound.
    """

    seed: int = 0
    organizations: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    keys_per_organization: int = attrs.field(default=0, validator=attrs.validators.ge(0))

    def list_organizations(self) -> tuple[Organization, ...]:
        """Return the organizations with their tokens."""
        derive = Derivation(self.seed)
        return tuple(
            Organization(derive.identifier("organization", number), derive.token("organization", number))
            for number in range(self.organizations)
        )

    def rows(self, now: datetime) -> Iterator[Row]:
        """Yield every key as organization, id, selector, digest, opening and last use, oldest first.

        Ages count back from `now`.
        """
        derive = Derivation(self.seed)
        for number, organization in enumerate(self.list_organizations()):
            fleet = _Fleet(derive, number, organization.id, now)
            yield from fleet.rows(self.keys_per_organization)
            yield fleet.own(organization.token)


class _Fleet:
    """The keys of one organization in the making."""

    def __init__(self, derive: Derivation, number: int, organization_id: str, now: datetime) -> None:
        self._derive = derive
        self._number = number
        self._organization_id = organization_id
        self._now = now
        self._previous_name = "legacy"

    def own(self, token: str) -> Row:
        """Return the key that whoever runs the emulator holds."""
        fields: dict[str, object] = {"name": "emulator", "type": "service"}
        fields["description"] = "The key that the emulator hands to its user"
        key_id = self._derive.identifier("own", self._number)
        return self._row(key_id, token, fields, created=self._now, updated=None, used=None)

    def rows(self, count: int) -> Iterator[Row]:
        """Yield so many keys, oldest first."""
        for index, age in enumerate(self._ages(count)):
            traits = [
                trait * _UNIT for trait in _TRAITS.unpack(self._derive.octets("traits", self._number, index))
            ]
            created = self._now - age
            yield self._row(
                self._derive.identifier("key", self._number, index),
                self._derive.token("key", self._number, index),
                self._describe(traits, index),
                created=created,
                updated=None if traits[5] < 0.4 else created + age * traits[5] * traits[5],
                used=_last_use(traits[6], traits[7], created, age),
            )

    def _ages(self, count: int) -> list[timedelta]:
        # Squared, because there are always more young keys than old ones.
        shares = (
            int.from_bytes(self._derive.octets("age", self._number, index, size=4)) * _UNIT
            for index in range(count)
        )
        return sorted((_OLDEST * (share * share) for share in shares), reverse=True)

    def _describe(self, traits: list[float], index: int) -> dict[str, object]:
        service = _SERVICES[int(traits[0] * len(_SERVICES))]
        purpose = _PURPOSES[int(traits[1] * len(_PURPOSES))]
        environment = _ENVIRONMENTS[int(traits[2] * len(_ENVIRONMENTS))]
        name = f"{service}-{purpose}-{environment}-{index:04d}"
        description: str | None = f"{purpose.capitalize()} of {service} in {environment}"
        quirk = int(traits[3] * 100)
        if quirk < 4:
            name = self._previous_name.upper() if quirk < 2 else self._previous_name
        elif quirk < 7:
            description = None
        elif quirk < 9:
            description = "test"
        elif quirk < 11:
            name = f"temp-{name}"
        elif quirk < 13:
            description = f"{description}, until {(self._now - _STALE_AFTER * traits[4]).date().isoformat()}"
        self._previous_name = name
        fields: dict[str, object] = {"name": name, "type": _TYPES[int(traits[4] * len(_TYPES))]}
        return fields if description is None else {**fields, "description": description}

    def _row(
        self,
        key_id: str,
        token: str,
        fields: dict[str, object],
        *,
        created: datetime,
        updated: datetime | None,
        used: datetime | None,
    ) -> Row:
        record = {"id": key_id, "organizationId": self._organization_id, **fields}
        record["suffix"] = token[-SUFFIX_LENGTH:]
        record["createdAt"] = timestamp(created)
        if updated is not None:
            record["updatedAt"] = timestamp(updated)
        fingerprint = Fingerprint.of(token)
        return (
            self._organization_id,
            key_id,
            fingerprint.selector,
            fingerprint.digest,
            opening(record),
            None if used is None else timestamp(used),
        )


def _last_use(kind: float, share: float, created: datetime, age: timedelta) -> datetime | None:
    """Return when a key was last used: never, long ago or lately."""
    if kind < 0.15:
        return None
    if kind < 0.40 and age > _STALE_AFTER:
        return created + (age - _STALE_AFTER) * share
    return created + age - min(age, _RECENT) * share
