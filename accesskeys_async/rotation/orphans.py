"""Keys that a rotation made, or may have made, and does not want: found by nonce or id, never by name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from uuid import UUID

from attrs import evolve

from accesskeys_async._client.recoverable_create import find_nonce
from accesskeys_async.client import AccessKeysClient
from accesskeys_async.errors import NotFoundError
from accesskeys_async.records import AccessKey
from accesskeys_async.rotation.hold import Hold
from accesskeys_async.rotation.settings import RotationSettings
from accesskeys_async.rotation.states import Candidate


class Orphans:
    """Find and delete them."""

    def __init__(self, client: AccessKeysClient, settings: RotationSettings) -> None:
        self._client = client
        self._now = settings.clock

    async def clear(self, hold: Hold, candidates: Sequence[Candidate]) -> bool:
        """Delete the keys of these candidates, and write down which are gone; True where all are.

        False: one whose create was lost is in no listing, and its settle window is not over.
        """
        began_at = self._now()
        found = await self._find(hold, [c.nonce for c in candidates if c.key_id is None])
        settled: list[Candidate] = []
        for candidate in candidates:
            key = found.get(candidate.nonce)
            key_id = candidate.key_id or (key.id if key else None)
            if key_id is not None:
                await self._delete(hold, key_id)
            if key_id is not None or candidate.gone or began_at >= candidate.settle_until:
                settled.append(evolve(candidate, gone=True))
        known = hold.rotation.with_candidates(*settled)
        if known != hold.rotation:
            await hold.write(known)
        return len(settled) == len(candidates)

    async def read(self, organization_id: UUID, key_id: UUID) -> AccessKey | None:
        """Read a key; None where there is none."""
        try:
            return await self._client.get(organization_id, key_id)
        except NotFoundError:
            return None

    async def _find(self, hold: Hold, nonces: Sequence[str]) -> dict[str, AccessKey]:
        found: dict[str, AccessKey] = {}
        if not nonces:
            return found
        async with aclosing(self._client.list(hold.rotation.organization_id).pages()) as pages:
            async for page in pages:
                await hold.keep()
                for key in page:
                    nonce = find_nonce(key.description)
                    if nonce is not None and nonce in nonces:
                        found[nonce] = key
        return found

    async def _delete(self, hold: Hold, key_id: UUID) -> None:
        await hold.keep()
        await self._client.delete(hold.rotation.organization_id, key_id, missing_ok=True)
