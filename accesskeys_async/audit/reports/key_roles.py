"""The roles of keys as reports show them: those of one key, and how many keys have each."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from attrs import define, field, frozen

from accesskeys_async.audit.rules.role_rules import MANAGED
from accesskeys_async.records import UNSET, AccessKey, Role, RoleRef, Unset

MOST_ROLES: Final = 10_000
"""Roles that are counted one by one; beyond, those that the fewest keys have are counted together."""


class RoleKind(enum.Enum):
    """What a count of keys by role stands for, as reports name it."""

    MANAGED = "managed"
    OTHER = "organization"
    NONE = "none"


@frozen
class KeyRole:
    """A role that a key refers to."""

    reference: RoleRef
    name: str | None
    """None if it is not known: only whole roles have names."""

    @property
    def is_managed(self) -> bool:
        """Whether the role is managed."""
        return self.reference.type == MANAGED

    @property
    def label(self) -> str:
        """The name, or the id."""
        return self.name or str(self.reference.id)


@frozen
class RoleCount:
    """How many keys have a role."""

    label: str
    """The role's name, or its id; what else is counted, in a word."""
    kind: RoleKind
    keys: int
    role_id: UUID | None = None
    """None for the keys without roles, those of which nobody knows, and roles that are counted together."""

    @property
    def name(self) -> str | None:
        """The role's name; None if it is not known, or no single role."""
        return None if self.role_id is None or self.label == str(self.role_id) else self.label


@define
class _Count:
    keys: int = 0
    is_managed: bool = False


@define
class RoleCounts:
    """Count keys by role; memory does not grow with their number."""

    _most: int = MOST_ROLES
    _counts: dict[UUID, _Count] = field(factory=dict, init=False)
    _names: dict[UUID, str] = field(factory=dict, init=False)
    _without: int = field(default=0, init=False)
    _unknown: int = field(default=0, init=False)
    _folded: int = field(default=0, init=False)

    def add(self, keys: Sequence[AccessKey]) -> None:
        """Count the keys of an organization; each distinct set of references is looked at once."""
        references = [key.role_refs for key in keys]
        distinct = dict(zip(map(id, references), references, strict=True))
        for number, count in Counter(map(id, references)).items():
            self._add(distinct[number], count)
        for roles in {id(key.roles): key.roles for key in keys}.values():
            self._names.update(_name(roles))
        if len(self._counts) > 2 * self._most:
            self._fold()

    def ranked(self) -> list[RoleCount]:
        """Return the counts, the most keys first, then what is no single role; nothing if none was told."""
        if not self._counts and not self._without:
            return []
        counts = [
            RoleCount(
                self._names.get(role_id, str(role_id)),
                RoleKind.MANAGED if one.is_managed else RoleKind.OTHER,
                one.keys,
                role_id,
            )
            for role_id, one in self._counts.items()
        ]
        counts.sort(key=lambda one: (-one.keys, str(one.role_id)))
        rest = {"no roles": self._without, "roles not told": self._unknown, "other roles": self._folded}
        return counts + [RoleCount(label, RoleKind.NONE, keys) for label, keys in rest.items() if keys]

    def _add(self, references: tuple[RoleRef, ...] | Unset | None, keys: int) -> None:
        if references is UNSET:
            self._unknown += keys
            return
        if not references:
            self._without += keys
            return
        for role_id, is_managed in {one.id: one.type == MANAGED for one in references}.items():
            count = self._counts.setdefault(role_id, _Count())
            count.keys += keys
            count.is_managed = count.is_managed or is_managed

    def _fold(self) -> None:
        ranked = sorted(self._counts, key=lambda role_id: self._counts[role_id].keys, reverse=True)
        for role_id in ranked[self._most :]:
            self._folded += self._counts.pop(role_id).keys
            self._names.pop(role_id, None)


def list_key_roles(key: AccessKey | None) -> list[KeyRole] | None:
    """Return the roles that a key refers to, with their names if known; None if nobody knows them."""
    if key is None or key.role_refs is UNSET:
        return None
    names = _name(key.roles)
    return [KeyRole(one, names.get(one.id)) for one in key.role_refs or ()]


def _name(roles: Iterable[Role] | Unset | None) -> dict[UUID, str]:
    return {role.id: role.name for role in roles or () if role.name}
