"""Suffixes seen across organizations, in bounded memory."""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import UUID

from accesskeys_async.audit.records import Finding, RuleResult, Severity, Snapshot, fingerprint
from accesskeys_async.errors import one_line

__all__ = ["SuffixCollisions"]

SHOWN: Final = 3
FLEET: Final = UUID(int=0)
"""Stands for all organizations in a fingerprint, so that which was read first does not matter."""


class SuffixCollisions:
    """Remember each suffix and the first organization that had it, and tell of those that others have, too.

    That takes about 100 bytes for each suffix. Past `most` of them no more are remembered, and the keys whose
    suffixes were not looked up are counted as not evaluated. What is found does not depend on the order in
    which organizations come, as long as that bound is not met.
    """

    RULE: ClassVar = "AK012"

    def __init__(self, title: str, *, most: int) -> None:
        self._title = title
        self._most = most
        self._first: dict[str, int] = {}
        self._organizations: list[UUID] = []
        self._shared: dict[str, set[UUID]] = {}
        self._skipped = 0

    def note(self, snapshot: Snapshot) -> None:
        """Take in one organization's suffixes."""
        place = len(self._organizations)
        self._organizations.append(snapshot.subject.organization_id)
        suffixes = snapshot.suffix_set
        known = self._first.keys()
        seen = set[str]() if known.isdisjoint(suffixes) else known & suffixes
        for suffix in seen:
            first = self._organizations[self._first[suffix]]
            self._shared.setdefault(suffix, {first}).add(snapshot.subject.organization_id)
        fresh = suffixes - seen if seen else suffixes
        if len(self._first) + len(fresh) > self._most:
            self._skipped += len(fresh)
        else:
            self._first.update(dict.fromkeys(fresh, place))

    def findings(self) -> list[Finding]:
        """Return a finding for each shared suffix, at the organization whose id is the least."""
        found: list[Finding] = []
        for suffix, organizations in sorted(self._shared.items()):
            ordered = sorted(organizations)
            shown = ", ".join(str(one) for one in ordered[:SHOWN])
            more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
            message = one_line(
                f"keys of {len(ordered)} organizations have the suffix {suffix}: {shown}{more}", 400
            )
            mark = fingerprint(self.RULE, FLEET, suffix)
            found.append(Finding(self.RULE, self._title, Severity.INFO, ordered[0], message, mark))
        return found

    def result(self) -> RuleResult:
        """Say what could not be looked up; what passed and failed within organizations stands elsewhere."""
        reason = (
            f"only {self._most:,} suffixes are remembered across organizations" if self._skipped else None
        )
        return RuleResult(self.RULE, failed=len(self._shared), not_evaluated=self._skipped, reason=reason)
