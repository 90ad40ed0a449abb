"""What a history tells: runs, findings of the past, and the difference of two runs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from attrs import field, frozen

from accesskeys_async.audit.records import Severity
from accesskeys_async.errors import AccessKeysError
from accesskeys_async.records import AccessKey


class HistoryError(AccessKeysError):
    """Tell that the history's database failed, or is of a version that this release does not know."""


class UnknownRunError(HistoryError, LookupError):
    """Tell that the history has no such run."""


@frozen
class PastRun:
    """An audit, as the history has it."""

    number: int
    """1 for the first that the history had."""
    started_at: datetime
    policy_hash: str
    elapsed: float | None
    """Seconds; None where it was never finished, and then all counts but these are 0."""
    organizations: int
    unreadable: int
    keys: int
    by_severity: tuple[tuple[Severity, int], ...]
    """Findings that counted, worst severity first."""
    suppressed: int
    partly_read: int
    """Organizations that were listed, with keys whose requested roles could not be read."""
    new: int
    """Findings that were not there at the organization's last complete reading, nor before."""
    fixed: int
    reopened: int

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end."""
        return self.elapsed is not None

    @property
    def coverage(self) -> float:
        """The share of organizations that were read whole, requested roles included, from 0 to 1."""
        missing = self.unreadable + self.partly_read
        return 1.0 if not self.organizations else 1 - missing / self.organizations


@frozen
class PastFinding:
    """A finding, as the history has it."""

    rule: str
    title: str
    severity: Severity
    organization_id: UUID
    fingerprint: str
    message: str
    """As it was when the finding was opened, or last changed its severity."""
    open_since: datetime
    """The T of the audit that opened it."""
    key_id: UUID | None
    key_name: str | None
    """On one line, and printable."""
    suppressed: bool
    """Whether it was muted."""


@frozen
class NotCompared:
    """An organization of either run that was not read whole in both."""

    organization_id: UUID
    reason: str
    """In one line: which run, and why."""


@frozen
class Diff:
    """What became of findings and keys from one run to a later one, in organizations read whole in both.

    Findings are in the order of severity, the worst first, then rule, organization and fingerprint; keys in
    the order of organizations and ids.
    """

    earlier: PastRun
    later: PastRun
    new: tuple[PastFinding, ...]
    """There at the later run, and at no reading up to the earlier one, which looked for it."""
    fixed: tuple[PastFinding, ...]
    """Open at the earlier run, and gone at the later one, which looked for it or has no such key."""
    reopened: tuple[PastFinding, ...]
    """There at the later run, not at the earlier one, and at a reading before that."""
    unchanged: int
    """How many findings are open at both; one that nobody looked for stays open."""
    appeared: tuple[AccessKey, ...] = field(repr=False)
    gone: tuple[AccessKey, ...] = field(repr=False)
    edited: tuple[tuple[AccessKey, AccessKey], ...] = field(repr=False)
    """Keys of which anything but `last_used_at` and `updated_at` differs: before and after."""
    compared: int
    """How many organizations."""
    not_compared: tuple[NotCompared, ...]
    """In the order of organizations."""
