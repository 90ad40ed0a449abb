"""What a form of report is: bytes made of an audit, part by part, with no file in sight."""

from __future__ import annotations

from typing import Protocol

from accesskeys_async.audit.records import OrganizationAudit, Summary


class Writer(Protocol):
    """Turn an audit into bytes. The three parts, joined, are the report; without the last it is none."""

    def begin(self) -> bytes:
        """Return what comes before the first organization."""
        ...

    def organization(self, audit: OrganizationAudit) -> bytes:
        """Return what can be written now that this organization is known; often nothing."""
        ...

    def end(self, summary: Summary) -> bytes:
        """Return what makes the report whole."""
        ...
