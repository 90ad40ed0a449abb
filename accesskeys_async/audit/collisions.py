"""Suffixes seen across organizations, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar, Final, TypeAlias
from uuid import UUID

from accesskeys_async.audit.records import Finding, RuleResult, Severity, Snapshot, fingerprint
from accesskeys_async.errors import one_line
from accesskeys_async.records import SUFFIX_LENGTH

__all__ = ["SuffixCollisions"]

SHOWN: Final = 3
FLEET: Final = UUID(int=0)
"""Stands for all organizations in a fingerprint, so that which was read first does not matter."""

Noted: TypeAlias = str | tuple[str, ...]
"""An organization's suffixes in one text, or apart where one is not as long as the contract has it."""


class SuffixCollisions:
    """Write down each organization's suffixes, and tell at the end which of them several have.

    That takes 6 bytes for each suffix, and about 100 while it is told. Past `most` of them no more are
    remembered, and the keys whose suffixes were not looked up are counted as not evaluated. What is found
    does not depend on the order in which organizations come, as long as that bound is not met.
    """

    RULE: ClassVar = "AK012"

    def __init__(self, title: str, *, most: int) -> None:
        self._title = title
        self._most = most
        self._noted: list[tuple[UUID, Noted]] = []

    def note(self, snapshot: Snapshot) -> None:
        """Take in one organization's suffixes.

        They are copied: strings that stay for good among those that come and go would keep all memory from
        being used again, and from being found in the processor's caches.
        """
        self._noted.append((snapshot.subject.organization_id, _write_down(snapshot.suffix_set)))

    def tell(self) -> tuple[list[Finding], RuleResult]:
        """Return a finding for each shared suffix, at the organization whose id is the least, and the count.

        The count has what could not be looked up; what passed and failed within organizations stands
        elsewhere.
        """
        repeated, skipped = self._find_repeated()
        shared: dict[str, list[UUID]] = {}
        for organization_id, noted in self._noted if repeated else ():
            for suffix in repeated.intersection(_read(noted)):
                shared.setdefault(suffix, []).append(organization_id)
        findings = [self._describe(suffix, sorted(shared[suffix])) for suffix in sorted(shared)]
        reason = f"only {self._most:,} suffixes are remembered across organizations" if skipped else None
        return findings, RuleResult(self.RULE, failed=len(shared), not_evaluated=skipped, reason=reason)

    def _find_repeated(self) -> tuple[set[str], int]:
        """Return the suffixes that come again, and how many there was no room for."""
        known: set[str] = set()
        repeated: set[str] = set()
        skipped = 0
        for _, noted in self._noted:
            suffixes = set(_read(noted))
            if not known.isdisjoint(suffixes):
                repeated |= known & suffixes
                suffixes -= known
            if len(known) + len(suffixes) > self._most:
                skipped += len(suffixes)
            else:
                known |= suffixes
        return repeated, skipped

    def _describe(self, suffix: str, organizations: list[UUID]) -> Finding:
        shown = ", ".join(str(one) for one in organizations[:SHOWN])
        more = f" and {len(organizations) - SHOWN} more" if len(organizations) > SHOWN else ""
        message = one_line(
            f"keys of {len(organizations)} organizations have the suffix {suffix}: {shown}{more}", 400
        )
        mark = fingerprint(self.RULE, FLEET, suffix)
        return Finding(self.RULE, self._title, Severity.INFO, organizations[0], message, mark)


def _write_down(suffixes: Collection[str]) -> Noted:
    if set(map(len, suffixes)) <= {SUFFIX_LENGTH}:
        return "".join(suffixes)
    return tuple(suffixes)


def _read(noted: Noted) -> Collection[str]:
    if isinstance(noted, tuple):
        return noted
    return [noted[start : start + SUFFIX_LENGTH] for start in range(0, len(noted), SUFFIX_LENGTH)]
