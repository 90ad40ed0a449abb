"""Believable fleets of access keys, the same for the same seed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timedelta

import attrs

from .clock import timestamp
from .derivation import SUFFIX_LENGTH, Derivation
from .fingerprint import Fingerprint
from .records import opening, role_fields
from .roles import Directory, StoredRoleRef

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
# How many of a hundred role references are to each role; the last are to a role that was deleted since.
_ROLES = (
    *(("Message sender", 30), ("Message reader", 14), ("Contact editor", 14), ("Report reader", 12)),
    *(("Webhook manager", 10), ("Key auditor", 5), ("Key manager", 3), ("Key operator", 2)),
    *(("Role manager", 1), ("Viewer", 4), ("Billing", 2), ("Administrator", 2)),
)
_ROLE_NAMES = (*(name for name, share in _ROLES for _ in range(share)), None)
_IN_WORKSPACES = frozenset(
    {"Message sender", "Message reader", "Contact editor", "Report reader", "Webhook manager"}
)

_OLDEST = timedelta(days=3 * 365)
_STALE_AFTER = timedelta(days=45)
_RECENT = timedelta(days=14)
_TRAITS = struct.Struct(">8I")
_ROLE_TRAITS = struct.Struct(">9I")
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
        derive, directory = Derivation(self.seed), Directory(self.seed)
        for number, organization in enumerate(self.list_organizations()):
            fleet = _Fleet(derive, directory, number, organization.id, now)
            yield from fleet.rows(self.keys_per_organization)
            yield fleet.own(organization.token)


class _Fleet:
    """The keys of one organization in the making."""

    def __init__(
        self, derive: Derivation, directory: Directory, number: int, organization_id: str, now: datetime
    ) -> None:
        self._derive = derive
        self._known = directory.known(organization_id)
        self._deleted_role = directory.deleted_role(organization_id)
        self._number = number
        self._organization_id = organization_id
        self._now = now
        self._previous_name = "legacy"

    def own(self, token: str) -> Row:
        """Return the key whose token the emulator tells."""
        fields: dict[str, object] = {"name": "emulator", "type": "user"}
        fields["description"] = "The key that the emulator hands to its user"
        key_id = self._derive.identifier("own", self._number)
        refs = (self._known.refer("Key manager"),)
        return self._row(key_id, token, fields, refs, created=self._now, updated=None, used=None)

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
                self._choose_roles(index),
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
        fields: dict[str, object] = {"name": name, "type": "user"}
        return fields if description is None else {**fields, "description": description}

    def _choose_roles(self, index: int) -> tuple[StoredRoleRef, ...]:
        octets = self._derive.octets("roles", self._number, index, size=_ROLE_TRAITS.size)
        kind, *shares = (trait * _UNIT for trait in _ROLE_TRAITS.unpack(octets))
        count = 0 if kind < 0.10 else 1 if kind < 0.79 else 2 if kind < 0.99 else 4
        chosen: dict[str | None, StoredRoleRef] = {}
        for role, workspaces in zip(shares[:count], shares[4:], strict=False):
            place = int(role * len(_ROLE_NAMES))
            while (name := _ROLE_NAMES[place % len(_ROLE_NAMES)]) in chosen:
                place += 1
            chosen[name] = self._refer(name, workspaces)
        return tuple(chosen.values())

    def _refer(self, name: str | None, share: float) -> StoredRoleRef:
        if name is None:
            return self._deleted_role
        if name not in _IN_WORKSPACES:
            return self._known.refer(name)
        ids = (*self._known.workspaces, *self._known.workspaces)
        first = int(share * 1000) % len(self._known.workspaces)
        return self._known.refer(name, ids[first : first + (0 if share < 0.4 else 1 if share < 0.8 else 2)])

    def _row(
        self,
        key_id: str,
        token: str,
        fields: dict[str, object],
        refs: tuple[StoredRoleRef, ...],
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
        record.update(role_fields(refs))
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
