"""The second half of a rotation: the grace, and the end of the old key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from attrs import evolve

from accesskeys_async.client import AccessKeysClient
from accesskeys_async.records import AccessKey
from accesskeys_async.rotation.failures import StillThereError, StuckError
from accesskeys_async.rotation.hold import Hold
from accesskeys_async.rotation.orphans import Orphans
from accesskeys_async.rotation.roles import differ, read_reported
from accesskeys_async.rotation.settings import RotationSettings
from accesskeys_async.rotation.states import Rotation, State, find_in_use


class Retirement:
    """Bring a rotation from verified to confirmed."""

    def __init__(self, client: AccessKeysClient, *, orphans: Orphans, settings: RotationSettings) -> None:
        self._client = client
        self._orphans = orphans
        self._settings = settings
        self._now: Callable[[], datetime] = settings.clock

    async def begin_grace(self, hold: Hold) -> None:
        """Take the mark off the new key's description, and begin the wait if it still has its roles."""
        rotation = hold.rotation
        new_id, _ = _replacement(rotation)
        new = await self._client.update(rotation.organization_id, new_id, description=rotation.description)
        reported = read_reported(new)
        difference = None if reported.refs is None else differ(rotation, reported)
        if rotation.role_refs is not None and difference is not None:
            raise StuckError(
                f"the new access key {new_id} no longer has the roles it was to have: {difference}; both "
                "keys live: give it its roles, then retry"
            )
        await hold.write(
            evolve(rotation, state=State.GRACE, due_at=rotation.grace_until, failures=0, problem=None)
        )

    async def end_grace(self, hold: Hold) -> None:
        """Delete the old key if nobody uses it any more; else wait on."""
        rotation = hold.rotation
        await self._check_new(rotation)
        if rotation.require_idle and await self._is_in_use(hold):
            return
        # Written before the deletion: whoever finds it knows that the old key may be gone.
        await hold.write(evolve(rotation, state=State.DELETING, failures=0, problem=None))
        await self._retire(hold)

    async def go_on_deleting(self, hold: Hold) -> None:
        """Delete the old key where that was begun before."""
        await self._check_new(hold.rotation)
        await self._retire(hold)

    async def _check_new(self, rotation: Rotation) -> None:
        new_id, suffix = _replacement(rotation)
        new = await self._orphans.read(rotation.organization_id, new_id)
        if new is None or new.suffix != suffix:
            raise StuckError(
                f"the new access key {new_id} (…{suffix}) is gone, so the old one, {rotation.key_id}, was "
                "kept; find out who deleted it, then abort, and plan anew"
            )

    async def _is_in_use(self, hold: Hold) -> bool:
        rotation = hold.rotation
        ids = [rotation.key_id, *(c.key_id for c in rotation.former if c.given and c.key_id)]
        keys = [await self._orphans.read(rotation.organization_id, key_id) for key_id in ids]
        assert rotation.cutover_at is not None
        in_use = find_in_use(tuple(key for key in keys if key is not None), rotation.cutover_at)
        if in_use is None:
            return False
        key, used_at = in_use
        if used_at is None:
            raise StuckError(
                f"the API does not say when access key {key.id} was last used; see for yourself, and plan "
                "without requiring that it is idle"
            )
        due_at = self._now() + self._settings.idle
        problem = f"access key {key.id} (…{key.suffix}) was used after the cut-over, last at {used_at}"
        await hold.write(evolve(rotation, cutover_at=used_at, due_at=due_at, failures=0, problem=problem))
        return True

    async def _retire(self, hold: Hold) -> None:
        rotation = hold.rotation
        await hold.keep()
        await self._client.delete(
            rotation.organization_id, rotation.key_id, expect_suffix=rotation.suffix, missing_ok=True
        )
        await self._confirm(rotation, rotation.key_id)
        # Gone or not: a create whose answer was lost may have come through after its settle window.
        former = [candidate for candidate in rotation.former if candidate.given or candidate.key_id is None]
        await self._orphans.clear(hold, former)
        for candidate in former:
            if candidate.key_id is not None:
                await self._confirm(rotation, candidate.key_id)
        await hold.write(evolve(hold.rotation, state=State.CONFIRMED, due_at=None, failures=0, problem=None))

    async def _confirm(self, rotation: Rotation, key_id: UUID) -> None:
        key: AccessKey | None = await self._orphans.read(rotation.organization_id, key_id)
        if key is not None:
            raise StillThereError(f"access key {key_id} was deleted and can still be read; looking again")


def _replacement(rotation: Rotation) -> tuple[UUID, str]:
    candidate = rotation.candidate
    assert candidate is not None
    assert candidate.key_id is not None
    assert candidate.suffix is not None
    return candidate.key_id, candidate.suffix
