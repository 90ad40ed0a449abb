"""How far an audit is, for whoever watches it."""

from __future__ import annotations

from typing import Final

from attrs import define

from accesskeys_async._http.hooks import AttemptFinished, Event
from accesskeys_async.audit.records import OrganizationAudit

TOO_MANY_REQUESTS: Final = 429


@define
class Progress:
    """Counts what an audit does. Give it to `audit`, and look at it whenever you like."""

    total: int | None = None
    """How many organizations there are; None where that is not known."""
    organizations: int = 0
    """Judged, failed, or taken from a checkpoint."""
    unreadable: int = 0
    resumed: int = 0
    """Taken from a checkpoint; they are among `organizations`."""
    keys: int = 0
    findings: int = 0
    """Those that count; suppressed ones do not."""
    roles_wanted: int = 0
    """Keys whose roles are requested; it grows as keys are listed, and is 0 if nobody requested roles."""
    roles_read: int = 0
    """How many of those requests are over."""
    requests: int = 0
    """Attempts, those tried again included."""
    throttled: int = 0
    """How many of those were answered with 429."""

    def note(self, event: Event) -> None:
        """Count an attempt; it is a hook of the client that the audit reads with."""
        if isinstance(event, AttemptFinished):
            self.requests += 1
            self.throttled += event.attempt.status == TOO_MANY_REQUESTS

    def add(self, audited: OrganizationAudit, *, resumed: bool = False) -> None:
        """Count an organization that is done."""
        self.organizations += 1
        self.resumed += resumed
        self.unreadable += audited.unreadable is not None
        self.keys += len(audited.keys)
        self.findings += sum(finding.suppressed is None for finding in audited.findings)
