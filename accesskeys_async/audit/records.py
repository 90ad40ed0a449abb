"""What an audit reads, finds and sums up."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from attrs import field, frozen

from accesskeys_async._contract.fields import format_uuid
from accesskeys_async.records import AccessKey


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


class UnreadableReason(enum.StrEnum):
    """Why an organization, or the roles of a key, could not be read."""

    AUTHENTICATION = "authentication"
    """The service does not accept the token."""
    PERMISSION = "permission"
    """The token may not read it."""
    MISSING = "missing"
    """There is no such organization or key."""
    UNAVAILABLE = "unavailable"
    """The service answered 429 or 5xx to all retries."""
    CONNECTION = "connection"
    """The connection failed."""
    TIMEOUT = "timeout"
    """A timeout or the deadline passed."""
    RESPONSE = "response"
    """The response was out of contract."""
    CREDENTIAL = "credential"
    """There was no token: its source failed."""


@frozen
class Subject:
    """An organization to audit, and where it was named."""

    organization_id: UUID
    labels: tuple[str, ...] = ()
    source: str | None = None
    """The inventory file that names it."""
    line: int | None = None
    """Its line there; 1 for the first."""


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
    raised: bool = False
    """Whether the rule itself failed: it raised an exception."""


@frozen
class Unreadable:
    """Why an organization could not be read whole."""

    reason: UnreadableReason
    message: str
    """What failed, and what to do."""


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
