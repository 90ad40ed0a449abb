"""Records of a history: runs, their findings, and the changes between two runs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attrs import field, frozen

from accesskeys_async.audit.records import Severity
from accesskeys_async.errors import AccessKeysError
from accesskeys_async.records import AccessKey


class HistoryError(AccessKeysError):
    """Raised when the database of a history failed, or was written by a newer release."""


class UnknownRunError(HistoryError, LookupError):
    """Raised when a history has no run of the requested number."""


@frozen
class PastRun:
    """An audit in a history."""

    number: int
    """Number of the run; the first run of a history is 1."""
    started_at: datetime
    """Start of the audit."""
    policy_hash: str
    """Hash of the policy."""
    elapsed: float | None
    """Duration in seconds. None if the run was not finished; then all counts but the last three are 0."""
    organizations: int
    """Number of organizations."""
    unreadable: int
    """Number of organizations that could not be read."""
    keys: int
    """Number of keys."""
    by_severity: tuple[tuple[Severity, int], ...]
    """Number of findings by severity, worst first, without suppressed ones."""
    suppressed: int
    """Number of suppressed findings."""
    partly_read: int
    """Organizations with keys whose requested roles could not be read."""
    new: int
    """Findings that no earlier complete reading of the organization had."""
    fixed: int
    """Findings that the organization's previous complete reading had, and this run did not."""
    reopened: int
    """Findings that an earlier reading had, and the previous complete reading did not."""

    @property
    def is_finished(self) -> bool:
        """Whether the audit ran to its end."""
        return self.elapsed is not None

    @property
    def coverage(self) -> float:
        """The share of organizations that were read completely, requested roles included, from 0 to 1."""
        missing = self.unreadable + self.partly_read
        return 1.0 if not self.organizations else 1 - missing / self.organizations


@frozen
class PastFinding:
    """A finding in a history."""

    rule: str
    """Id of the rule, such as `AK001`."""
    title: str
    """Title of the rule."""
    severity: Severity
    """Severity of the finding."""
    organization_id: UUID
    """Id of the organization."""
    fingerprint: str
    """Identifies the same finding in all audits: 32 hexadecimal characters."""
    message: str
    """What was found, as written when the finding was opened or last changed its severity."""
    open_since: datetime
    """Start of the audit that opened the finding."""
    key_id: UUID | None
    """Id of the key. None if the finding is about the organization."""
    key_name: str | None
    """Name of the key on one line, unprintable characters escaped."""
    suppressed: bool
    """Whether the finding was suppressed by the policy."""


@frozen
class NotCompared:
    """An organization that was not compared, because one of the two runs did not read it completely."""

    organization_id: UUID
    """Id of the organization."""
    reason: str
    """Which run did not read the organization, and why. One line."""


@frozen
class Diff:
    """The changes of findings and keys between two runs, in organizations that both read completely.

    Findings are ordered by severity (worst first), rule, organization and fingerprint. Keys are ordered by
    organization and id.
    """

    earlier: PastRun
    """The first of the two runs."""
    later: PastRun
    """The second of the two runs."""
    new: tuple[PastFinding, ...]
    """Open in the later run, and in no reading up to the earlier run, which evaluated the rule."""
    fixed: tuple[PastFinding, ...]
    """Open in the earlier run and not in the later run, which evaluated the rule or has no such key."""
    reopened: tuple[PastFinding, ...]
    """Open in the later run and in a reading before the earlier run, and not in the earlier run."""
    unchanged: int
    """Number of findings open in both runs. A finding whose rule was not evaluated stays open."""
    appeared: tuple[AccessKey, ...] = field(repr=False)
    """Keys of the later run that the earlier run does not have."""
    gone: tuple[AccessKey, ...] = field(repr=False)
    """Keys of the earlier run that the later run does not have."""
    edited: tuple[tuple[AccessKey, AccessKey], ...] = field(repr=False)
    """Keys with a change of any field except `last_used_at` and `updated_at`: before and after."""
    compared: int
    """Number of organizations that were compared."""
    not_compared: tuple[NotCompared, ...]
    """Organizations that were not compared, ordered by id."""
