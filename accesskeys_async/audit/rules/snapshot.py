"""An organization's keys at one moment, and columns of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import field, frozen

from accesskeys_async.audit.records import Subject, UnreadableReason
from accesskeys_async.audit.rules.columns import Column, count_unset, drop_empty, fill_empty
from accesskeys_async.audit.rules.name_folding import fold_all, strip_marks
from accesskeys_async.audit.rules.permissions import Permissions, evaluate_roles
from accesskeys_async.audit.rules.text_patterns import are_plain, find_suspects
from accesskeys_async.records import UNSET, AccessKey, Role, RoleRef, Unset

_filter: Any = filter  # type checkers do not know that UNSET is false


@frozen(slots=False)  # the columns are kept in it
class Snapshot:
    """All keys of an organization, and the moment at which all rules evaluate them.

    A column has one field of every key, in the keys' order. It is computed once, when a rule first reads it.
    """

    subject: Subject
    taken_at: datetime
    """The scan's start, the T of every rule."""
    keys: tuple[AccessKey, ...] = field(repr=False)
    own_suffix: str = ""
    """The suffix of the auditor's own token; empty if it is not known."""
    unread_roles: Mapping[UUID, UnreadableReason] | None = field(default=None, repr=False)
    """Why the whole roles of some keys could not be read, by key; None if nobody requested roles."""

    @Column
    def names(self) -> list[str]:
        """Every key's name."""
        return [key.name for key in self.keys]

    @Column
    def descriptions(self) -> list[str | Unset | None]:
        """Every key's description."""
        return [key.description for key in self.keys]

    @Column
    def suffixes(self) -> list[str]:
        """Every key's suffix."""
        return [key.suffix for key in self.keys]

    @Column
    def unset_used(self) -> int:
        """For how many keys the last use is not known."""
        return len(self.used) - len(self.uses) - len(self.never_used)

    @Column
    def unset_updated(self) -> int:
        """For how many keys the last change is not known."""
        return count_unset(self.updated)

    @Column
    def unset_descriptions(self) -> int:
        """How many keys came without a description field."""
        return sum(self.descriptions[place] is UNSET for place in self.undescribed)

    @Column
    def undescribed(self) -> list[int]:
        """The positions of keys whose description is absent, null or empty."""
        if all(self.descriptions):
            return []
        return [place for place, text in enumerate(self.descriptions) if not text]

    @Column
    def description_set(self) -> set[str]:
        """The different descriptions, without empty ones."""
        return set(_filter(None, self.descriptions))

    @Column
    def folded_names(self) -> list[str]:
        """Every key's name in the form for comparison: NFKC, then case folded."""
        return fold_all(self.names)

    @Column
    def folded_name_set(self) -> set[str]:
        """The different folded names."""
        return set(self.folded_names)

    @Column
    def suspicious_names(self) -> list[int]:
        """The positions of names in which a rule about texts may find something."""
        names = self.names
        # A set stores the hashes of its members; a list does not.
        return [] if self.folded_names is names and are_plain(self.folded_name_set) else find_suspects(names)

    @Column
    def suspicious_descriptions(self) -> list[int]:
        """The positions of descriptions in which a rule about texts may find something."""
        if are_plain(self.description_set):
            return []
        texts = list(self.description_set)
        suspects = {texts[place] for place in find_suspects(texts)}
        if not suspects:
            return []
        return [place for place, text in enumerate(self.descriptions) if text and text in suspects]

    @Column
    def families(self) -> list[list[AccessKey]]:
        """Groups of keys whose names differ only in a mark such as `-v2`, each the oldest key first."""
        bases = self.folded_names
        if self.suspicious_names:
            bases = bases.copy()
            for place in self.suspicious_names:
                bases[place] = strip_marks(bases[place])
        kinds = set(bases) if self.suspicious_names else self.folded_name_set
        if len(kinds) == len(bases):
            return []
        members: dict[str, list[AccessKey]] = {}
        for base, key in zip(bases, self.keys, strict=True):
            members.setdefault(base, []).append(key)
        found = [keys for keys in members.values() if len(keys) > 1]
        for keys in found:
            keys.sort(key=lambda key: (key.created_at, key.id.int))
        return found

    @Column
    def suffix_set(self) -> set[str]:
        """The different suffixes."""
        return set(self.suffixes)

    @Column
    def never_used(self) -> list[int]:
        """The positions of keys that were never used."""
        if len(self.uses) == len(self.used):
            return []
        return [place for place, used in enumerate(self.used) if used is None]

    @Column
    def uses(self) -> list[datetime]:
        """The last uses of keys that were used."""
        return drop_empty(self.used)

    @Column
    def first_use(self) -> datetime | None:
        """The earliest of the last uses; None if no key was used."""
        return min(self.uses, default=None)

    @Column
    def last_use(self) -> datetime | None:
        """The latest of the last uses; None if no key was used."""
        return max(self.uses, default=None)

    @Column
    def last_update(self) -> datetime | None:
        """The latest change or creation; None if there is no key."""
        return max(self.updated_or_created, default=None)

    @Column
    def used_or_created(self) -> list[datetime]:
        """When each key was last used, or created if it was never used or its last use is not known."""
        places = self.never_used
        if self.unset_used:
            places = [place for place, used in enumerate(self.used) if not used]
        return fill_empty(self.used, places, self.created)

    @Column
    def updated_or_created(self) -> list[datetime]:
        """When each key was last changed, or created if it never was or its last change is not known."""
        places: list[int] = []
        if not all(self.updated):
            places = [place for place, updated in enumerate(self.updated) if not updated]
        return fill_empty(self.updated, places, self.created)

    @Column
    def creations(self) -> list[datetime]:
        """When keys were created, the earliest first."""
        return sorted(self.created)

    @Column
    def role_refs(self) -> list[tuple[RoleRef, ...] | Unset | None]:
        """Every key's references to roles."""
        return [key.role_refs for key in self.keys]

    @Column
    def role_places(self) -> list[int]:
        """Every key's position in `role_sets`."""
        return list(map(id, self.role_refs))

    @Column
    def role_sets(self) -> dict[int, tuple[RoleRef, ...] | Unset | None]:
        """The different references, by `id`. They are few: equal ones are one object in a response."""
        return dict(zip(self.role_places, self.role_refs, strict=True))

    @Column
    def tells_roles(self) -> bool:
        """Whether the whole roles of any key are known."""
        return [key.roles for key in self.keys].count(UNSET) < len(self.keys)

    @Column
    def permissions(self) -> list[Permissions | None]:
        """What every key's roles permit; None if its roles are not known."""
        organization_id = self.subject.organization_id
        # Equal roles are evaluated once. They are different objects, since each came in its own response.
        known: dict[tuple[Role, ...] | Unset | None, Permissions | None] = {UNSET: None}
        for key in self.keys:
            if key.roles not in known:
                known[key.roles] = evaluate_roles(key.roles or (), organization_id)
        return [known[key.roles] for key in self.keys]

    @Column
    def created(self) -> list[datetime]:
        """When each key was created."""
        return [key.created_at for key in self.keys]

    @Column
    def used(self) -> list[datetime | Unset | None]:
        """When each key was last used; None if never."""
        return [key.last_used_at for key in self.keys]

    @Column
    def updated(self) -> list[datetime | Unset | None]:
        """When each key was last changed."""
        return [key.updated_at for key in self.keys]
