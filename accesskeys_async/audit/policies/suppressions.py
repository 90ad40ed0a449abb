"""Findings muted on purpose: which, why, by whom, and until when."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from typing import Final
from uuid import UUID

from attrs import frozen

from accesskeys_async.audit.records import Finding
from accesskeys_async.errors import one_line

GLOB: Final = "glob:"


@frozen(kw_only=True)
class Suppression:
    """Mutes findings that fit all of what it names: rule, key, organization.

    Each is exact; `glob:` before it makes a pattern with `*`, `?` and `[...]`: for a key, of its name.
    """

    rule: str | None = None
    key: str | None = None
    """A key's id, or `glob:` and a pattern of names."""
    organization: str | None = None
    reason: str
    owner: str
    expires: date
    """The last day, in UTC, on which it mutes."""
    place: str = ""
    """Where the policy has it, such as `suppressions #2`, counted from 1."""

    def fits(self, finding: Finding) -> bool:
        """Tell whether a finding is one of those."""
        return (
            _fits(self.rule, finding.rule)
            and _fits(self.organization, str(finding.organization_id))
            and self._fits_key(finding)
        )

    def _fits_key(self, finding: Finding) -> bool:
        if self.key is None:
            return True
        if finding.key is None:
            return False
        text = finding.key.name if self.key.startswith(GLOB) else str(finding.key.id)
        return _fits(self.key, text)

    def tell(self) -> str:
        """Say why a finding is muted, by whom and until when, in one line."""
        return one_line(f"{self.reason} ({self.owner}, until {self.expires})")


def _fits(wanted: str | None, text: str) -> bool:
    if wanted is None:
        return True
    if wanted.startswith(GLOB):
        return fnmatchcase(text, wanted.removeprefix(GLOB))
    return wanted == text


class Suppressor:
    """Applies suppressions in the course of one audit, and knows which met nothing."""

    def __init__(self, suppressions: tuple[Suppression, ...], today: date) -> None:
        self._expired = [one for one in suppressions if one.expires < today]
        self._valid = [one for one in suppressions if one.expires >= today]
        self._unmatched = dict.fromkeys(range(len(self._valid)))
        # Most name an organization: those of others need no look.
        self._of_organization: dict[str | None, list[int]] = {}
        for number, one in enumerate(self._valid):
            exact = one.organization
            place = None if exact is None or exact.startswith(GLOB) else exact
            self._of_organization.setdefault(place, []).append(number)

    @property
    def is_needed(self) -> bool:
        """Whether anything may be muted at all."""
        return bool(self._valid)

    def find(self, finding: Finding) -> str | None:
        """Say why a finding is muted; None where it is not."""
        if not self._valid:
            return None
        for place in (str(finding.organization_id), None):
            for number in self._of_organization.get(place, ()):
                if self._valid[number].fits(finding):
                    self._unmatched.pop(number, None)
                    return self._valid[number].tell()
        return None

    def mutes(self, organization_id: UUID) -> bool:
        """Tell whether anything may be muted in an organization."""
        return None in self._of_organization or str(organization_id) in self._of_organization

    def notes(self) -> list[str]:
        """Say which have expired, and which met no finding."""
        return [
            *(
                f"{one.place} expired on {one.expires}: {one.tell()}; renew or remove it"
                for one in self._expired
            ),
            *(
                f"{one.place} met no finding: {one.tell()}; is it still needed?"
                for one in (self._valid[number] for number in self._unmatched)
            ),
        ]
