"""One sink, one key: a place that holds the token of one key is not given that of another."""

from __future__ import annotations

from accesskeys_async.errors import AuthenticationError, PermissionDeniedError
from accesskeys_async.records import AccessKey
from accesskeys_async.rotation.failures import StuckError
from accesskeys_async.rotation.journal import Journal
from accesskeys_async.rotation.orphans import Orphans
from accesskeys_async.rotation.states import Candidate, Rotation


class Targets:
    """Know from the journal which key's token a sink's target holds."""

    def __init__(self, journal: Journal, orphans: Orphans) -> None:
        self._journal = journal
        self._orphans = orphans

    async def check(self, rotation: Rotation, target: str | None) -> None:
        """Refuse a target that another rotation uses, or that holds the token of another key that lives.

        The successor of a key goes where that key's token is. Raises StuckError.
        """
        if target is None:
            return
        if rotation.target not in {None, target} and rotation.may_be_given:
            raise StuckError(
                "this is not the sink that the rotation began with, which may hold a token of it; go on with "
                "that one"
            )
        for other in await self._journal.find(target=target):
            if other.id != rotation.id and other.key_id != rotation.key_id:
                await self._check_other(rotation, other)

    async def _check_other(self, rotation: Rotation, other: Rotation) -> None:
        if not other.is_over:
            raise StuckError(
                f"the sink holds one token and serves rotation {other.id} of access key {other.key_id} "
                f"(…{other.suffix}); give this key a sink of its own"
            )
        given = [candidate for candidate in other.candidates if candidate.given and not candidate.gone]
        if any(candidate.key_id == rotation.key_id for candidate in given):
            return
        for candidate in given:
            if await self._lives(rotation, other, candidate):
                raise StuckError(
                    f"the sink holds the token of access key {candidate.key_id} (…{candidate.suffix}), from "
                    f"rotation {other.id}; give this key a sink of its own"
                )

    async def _lives(self, rotation: Rotation, other: Rotation, candidate: Candidate) -> bool:
        assert candidate.key_id is not None
        try:
            key: AccessKey | None = await self._orphans.read(other.organization_id, candidate.key_id)
        except (AuthenticationError, PermissionDeniedError):
            if other.organization_id == rotation.organization_id:
                raise
            return True  # it can't be known, so it must be taken to live
        return key is not None
