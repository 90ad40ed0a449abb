"""What an audit reads, finds and sums up."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import field, frozen

from accesskeys_async._contract.fields import format_uuid
from accesskeys_async.audit.rules.columns import Column, count_unset, drop_empty, fill_empty
from accesskeys_async.audit.rules.name_folding import fold_all, strip_marks
from accesskeys_async.audit.rules.permissions import Permissions, evaluate_roles
from accesskeys_async.audit.rules.text_patterns import are_plain, find_suspects
from accesskeys_async.records import UNSET, AccessKey, Role, RoleRef, Unset

_filter: Any = filter  # a type checker does not see that UNSET is false, and goes


class Severity(enum.IntEnum):
    """How much a finding matters; the greater, the more."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Outcome(enum.Enum):
    """What a rule says of a key or an organization."""

    PASS = "pass"  # noqa: S105 - an outcome
    FAIL = "fail"
    NOT_EVALUATED = "not_evaluated"


@frozen
class Subject:
    """An organization to audit, and where it was named."""

    organization_id: UUID
    labels: tuple[str, ...] = ()
    source: str | None = None
    """The inventory file that names it."""
    line: int | None = None
    """Its line there; 1 for the first."""


@frozen(slots=False)  # the columns are kept in it
class Snapshot:
    """An organization's keys, read whole, and the one moment that all rules judge them at.

    Its columns have one field of every key, in the keys' order; they are made once, when first asked for.
    """

    subject: Subject
    taken_at: datetime
    """The scan's start, the T of every rule."""
    keys: tuple[AccessKey, ...] = field(repr=False)
    own_suffix: str = ""
    """The suffix of the auditor's own token; empty where it is not known."""
    unread_roles: Mapping[UUID, str] | None = field(default=None, repr=False)
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
        """How many answers did not say when the key was last used."""
        return len(self.used) - len(self.uses) - len(self.never_used)

    @Column
    def unset_updated(self) -> int:
        """How many answers did not say when the key was last changed."""
        return count_unset(self.updated)

    @Column
    def unset_descriptions(self) -> int:
        """How many answers had no description."""
        return sum(self.descriptions[place] is UNSET for place in self.undescribed)

    @Column
    def undescribed(self) -> list[int]:
        """The places of keys whose description is absent, null or empty."""
        if all(self.descriptions):
            return []
        return [place for place, text in enumerate(self.descriptions) if not text]

    @Column
    def description_set(self) -> set[str]:
        """The descriptions that there are; those that are empty are none."""
        return set(_filter(None, self.descriptions))

    @Column
    def folded_names(self) -> list[str]:
        """Every key's name as names are compared: NFKC, then case folded."""
        return fold_all(self.names)

    @Column
    def folded_name_set(self) -> set[str]:
        """The folded names that there are."""
        return set(self.folded_names)

    @Column
    def suspicious_names(self) -> list[int]:
        """The places of names that a rule about texts may find something in."""
        names = self.names
        # Sets have the hashes of their members, which lists have not.
        return [] if self.folded_names is names and are_plain(self.folded_name_set) else find_suspects(names)

    @Column
    def suspicious_descriptions(self) -> list[int]:
        """The places of descriptions that a rule about texts may find something in."""
        if are_plain(self.description_set):
            return []
        texts = list(self.description_set)
        suspects = {texts[place] for place in find_suspects(texts)}
        if not suspects:
            return []
        return [place for place, text in enumerate(self.descriptions) if text and text in suspects]

    @Column
    def families(self) -> list[list[AccessKey]]:
        """Keys whose names are equal but for a mark such as `-v2`: two or more each, the oldest first."""
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
        """The suffixes that there are."""
        return set(self.suffixes)

    @Column
    def never_used(self) -> list[int]:
        """The places of keys that were never used."""
        if len(self.uses) == len(self.used):
            return []
        return [place for place, used in enumerate(self.used) if used is None]

    @Column
    def uses(self) -> list[datetime]:
        """The last uses of keys that were used."""
        return drop_empty(self.used)

    @Column
    def first_use(self) -> datetime | None:
        """The earliest of the last uses; None where there is none."""
        return min(self.uses, default=None)

    @Column
    def last_use(self) -> datetime | None:
        """The latest of the last uses; None where there is none."""
        return max(self.uses, default=None)

    @Column
    def last_update(self) -> datetime | None:
        """The latest last change, or creation where it is later; None where there is no key."""
        return max(self.updated_or_created, default=None)

    @Column
    def used_or_created(self) -> list[datetime]:
        """When each key was last used, or made where it was never used or the answer did not say."""
        places = self.never_used
        if self.unset_used:
            places = [place for place, used in enumerate(self.used) if not used]
        return fill_empty(self.used, places, self.created)

    @Column
    def updated_or_created(self) -> list[datetime]:
        """When each key was last changed, or made where it never was or the answer did not say."""
        places: list[int] = []
        if not all(self.updated):
            places = [place for place, updated in enumerate(self.updated) if not updated]
        return fill_empty(self.updated, places, self.created)

    @Column
    def creations(self) -> list[datetime]:
        """When keys were made, the earliest first."""
        return sorted(self.created)

    @Column
    def role_refs(self) -> list[tuple[RoleRef, ...] | Unset | None]:
        """Every key's references to roles."""
        return [key.role_refs for key in self.keys]

    @Column
    def role_places(self) -> list[int]:
        """Every key's place in `role_sets`."""
        return list(map(id, self.role_refs))

    @Column
    def role_sets(self) -> dict[int, tuple[RoleRef, ...] | Unset | None]:
        """The references that there are, by `id`: few, since equal ones are one object in a response."""
        return dict(zip(self.role_places, self.role_refs, strict=True))

    @Column
    def tells_roles(self) -> bool:
        """Whether the whole roles of any key are known."""
        return [key.roles for key in self.keys].count(UNSET) < len(self.keys)

    @Column
    def permissions(self) -> list[Permissions | None]:
        """What every key's roles permit; None if its roles are not known."""
        organization_id = self.subject.organization_id
        # Equal roles are evaluated once: they are no shared object, since each response told them anew.
        known: dict[tuple[Role, ...] | Unset | None, Permissions | None] = {UNSET: None}
        for key in self.keys:
            if key.roles not in known:
                known[key.roles] = evaluate_roles(key.roles or (), organization_id)
        return [known[key.roles] for key in self.keys]

    @Column
    def created(self) -> list[datetime]:
        """When each key was made."""
        return [key.created_at for key in self.keys]

    @Column
    def used(self) -> list[datetime | Unset | None]:
        """When each key was last used; None is never."""
        return [key.last_used_at for key in self.keys]

    @Column
    def updated(self) -> list[datetime | Unset | None]:
        """When each key was last changed."""
        return [key.updated_at for key in self.keys]


def fingerprint(rule: str, organization_id: UUID, *what: object) -> str:
    """Name a finding so that the next audit knows it again: 32 hexadecimal characters."""
    return start_fingerprint(rule, organization_id)("\x1f".join(str(part) for part in what))


def start_fingerprint(rule: str, organization_id: UUID) -> Callable[[str], str]:
    """Return what makes fingerprints of one rule's findings in one organization."""
    start = hashlib.blake2b(f"{rule}\x1f{format_uuid(organization_id)}\x1f".encode(), digest_size=16)

    def finish(what: str) -> str:
        digest = start.copy()
        digest.update(what.encode(errors="surrogatepass"))
        return digest.hexdigest()

    return finish


@frozen
class Finding:
    """One thing that a rule found."""

    rule: str
    """`AK001`, or the id of a user's rule."""
    title: str
    severity: Severity
    organization_id: UUID
    message: str
    """One line for a person; never a secret, and printable."""
    fingerprint: str
    key: AccessKey | None = None
    """The key it is about; None where it is about the organization."""
    is_own_key: bool = False
    """Whether it is the auditor's own key, which is never offered for deletion."""
    suppressed: str | None = None
    """Why it is muted, by whom and until when; None where it counts."""


@frozen
class RuleResult:
    """How many keys (or organizations) of one audit a rule passed, failed, and could not judge."""

    rule: str
    passed: int = 0
    failed: int = 0
    not_evaluated: int = 0
    reason: str | None = None
    """Why it could not judge; None where it judged all."""


@frozen
class Unreadable:
    """Why an organization could not be read whole."""

    reason: str
    """`authentication`, `permission`, `missing`, `unavailable` (429 and 5xx, after retries), `connection`,
    `timeout`, `response` (out of contract), or `credential` (no token to be had)."""
    message: str


@frozen
class OrganizationAudit:
    """One organization's part of an audit."""

    subject: Subject
    taken_at: datetime
    keys: tuple[AccessKey, ...] = field(default=(), repr=False)
    """Empty where it could not be read whole."""
    findings: tuple[Finding, ...] = ()
    results: tuple[RuleResult, ...] = ()
    unreadable: Unreadable | None = None
    elapsed: float = 0.0
    """Seconds to read and judge it."""
    unread_roles: int = 0
    """Keys whose roles were requested and could not be read, those that were deleted meanwhile aside."""


@frozen
class Summary:
    """What a whole audit came to; the last thing it yields."""

    started_at: datetime
    elapsed: float
    policy_hash: str
    organizations: int
    unreadable: tuple[tuple[Subject, Unreadable], ...]
    keys: int
    by_severity: tuple[tuple[Severity, int], ...]
    """Findings that count, worst severity first; suppressed ones are not in it."""
    by_rule: tuple[RuleResult, ...]
    suppressed: int
    findings: tuple[Finding, ...] = ()
    """What was found across organizations; it counts in `by_severity` and `by_rule`, too."""
    notes: tuple[str, ...] = ()
    """What a person should know: suppressions that expired or met nothing, rules that failed."""
    partly_read: int = 0
    """Organizations that were listed, with keys whose roles could not be read."""
    unread_roles: int = 0
    """The keys whose roles could not be read."""

    @property
    def coverage(self) -> float:
        """The share of organizations that were read whole, requested roles included, from 0 to 1."""
        missing = len(self.unreadable) + self.partly_read
        return 1.0 if not self.organizations else 1 - missing / self.organizations

    @property
    def is_complete(self) -> bool:
        """Whether every organization was read whole, requested roles included."""
        return not self.unreadable and not self.partly_read
