"""Suffixes seen across organizations, in bounded memory."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import ClassVar, Final, TypeAlias
from uuid import UUID

from attrs import frozen

from accesskeys_async.audit.records import Finding, RuleResult, Severity, fingerprint
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.errors import one_line
from accesskeys_async.records import SUFFIX_LENGTH

SHOWN: Final = 3
FLEET: Final = UUID(int=0)
"""Stands for all organizations in a fingerprint, so that which was read first does not matter."""

PADDING: Final = "\0\0"
"""Makes a suffix eight bytes long, which are read back as one number."""

Mark: TypeAlias = int | str
"""A suffix as it is compared: a number, or the text of one that is not what the contract has."""


@frozen
class _Noted:
    """An organization's suffixes: packed, or apart where they are not six ASCII characters."""

    organization_id: UUID
    packed: bytes
    odd: tuple[str, ...]

    def marks(self) -> Collection[Mark]:
        """Return what stands for each suffix."""
        numbers = memoryview(self.packed).cast("Q").tolist()
        return [*numbers, *self.odd] if self.odd else numbers


class SuffixCollisions:
    """Write down each organization's suffixes, and tell at the end which of them several have.

    That takes 8 bytes for each suffix, and about 100 while it is told. Past `most` of them no more are
    remembered, and the keys whose suffixes were not looked up are counted as not evaluated. What is found
    does not depend on the order in which organizations come, as long as that bound is not met.
    """

    RULE: ClassVar = "AK012"

    def __init__(self, title: str, *, most: int) -> None:
        self._title = title
        self._most = most
        self._noted: list[_Noted] = []

    def note(self, snapshot: Snapshot) -> None:
        """Take in one organization's suffixes.

        They are copied: strings that stay for good among those that come and go would keep all memory from
        being used again, and from being found in the processor's caches.
        """
        suffixes: Collection[str] = snapshot.suffixes
        if len(snapshot.suffix_set) < len(suffixes):
            suffixes = snapshot.suffix_set
        self._noted.append(_Noted(snapshot.subject.organization_id, *_pack(suffixes)))

    def tell(self) -> tuple[list[Finding], RuleResult]:
        """Return a finding for each shared suffix, at the organization whose id is the least, and the count.

        The count has what could not be looked up; what passed and failed within organizations stands
        elsewhere.
        """
        suspects, forgotten, skipped = self._find_suspects()
        places: dict[Mark, list[int]] = {}
        for place, noted in enumerate(self._noted) if suspects else ():
            for mark in suspects.intersection(noted.marks()):
                places.setdefault(mark, []).append(place)
        shared: dict[str, list[UUID]] = {}
        for mark, found in places.items():
            known = next((place for place in found if place not in forgotten), found[-1])
            if known < found[-1]:
                shared[_unpack(mark)] = sorted(self._noted[place].organization_id for place in found)
        findings = [self._describe(suffix, shared[suffix]) for suffix in sorted(shared)]
        reason = f"only {self._most:,} suffixes are remembered across organizations" if skipped else None
        return findings, RuleResult(self.RULE, failed=len(shared), not_evaluated=skipped, reason=reason)

    def _find_suspects(self) -> tuple[set[Mark], set[int], int]:
        """Return what may come again, the places of organizations there was no room for, and for how many.

        What came again shows in that fewer are new than there are; which ones those are is looked up later,
        for the few organizations where it happens.
        """
        known: set[Mark] = set()
        suspects: set[Mark] = set()
        forgotten: set[int] = set()
        skipped = 0
        for place, noted in enumerate(self._noted):
            marks = noted.marks()
            before = len(known)
            if before + len(marks) > self._most:
                fresh = len(marks) - len(known.intersection(marks))
                if before + fresh > self._most:
                    forgotten.add(place)
                    skipped += fresh
                    suspects.update(marks if fresh < len(marks) else ())
                    continue
            known.update(marks)
            if len(known) - before < len(marks):
                suspects.update(marks)
        return suspects, forgotten, skipped

    def _describe(self, suffix: str, organizations: list[UUID]) -> Finding:
        shown = ", ".join(str(one) for one in organizations[:SHOWN])
        more = f" and {len(organizations) - SHOWN} more" if len(organizations) > SHOWN else ""
        message = one_line(
            f"keys of {len(organizations)} organizations have the suffix {suffix}: {shown}{more}", 400
        )
        mark = fingerprint(self.RULE, FLEET, suffix)
        return Finding(self.RULE, self._title, Severity.INFO, organizations[0], message, mark)


def _pack(suffixes: Collection[str]) -> tuple[bytes, tuple[str, ...]]:
    """Return distinct suffixes: those of six ASCII characters in one, and the others."""
    packed = _join(suffixes)
    if packed is not None:
        return packed, ()
    regular = [one for one in suffixes if _join((one,)) is not None]
    return _join(regular) or b"", tuple(set(suffixes).difference(regular))


def _join(suffixes: Collection[str]) -> bytes | None:
    """Join suffixes, each padded; None where one is not six ASCII characters, NUL not among them."""
    count = len(suffixes)
    text = PADDING.join([*suffixes, ""])
    if len(text) != 8 * count or not text.isascii():
        return None
    packed = text.encode()
    # The padding is in its places, and there is no NUL elsewhere: then each is as long as it should be.
    is_padded = packed[SUFFIX_LENGTH::8] == packed[SUFFIX_LENGTH + 1 :: 8] == bytes(count)
    return packed if is_padded and packed.count(0) == len(PADDING) * count else None


def _unpack(mark: Mark) -> str:
    return mark if isinstance(mark, str) else mark.to_bytes(8, sys.byteorder)[:SUFFIX_LENGTH].decode()
