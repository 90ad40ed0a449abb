"""The rotator: plans, takes the step that is due, and writes down what failed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from accesskeys_async._client.recoverable_create import find_nonce, mark
from accesskeys_async._contract.arguments import Id, RoleRefs, read_id, read_role_refs
from accesskeys_async.client import AccessKeysClient
from accesskeys_async.errors import InvalidRequestError
from accesskeys_async.records import UNSET, Unset
from accesskeys_async.rotation.delivery import Probe, Sink
from accesskeys_async.rotation.failures import LeaseLostError, RotationBusyError
from accesskeys_async.rotation.hold import Hold
from accesskeys_async.rotation.journal import Journal
from accesskeys_async.rotation.probe import ReadProbe
from accesskeys_async.rotation.settings import RotationSettings
from accesskeys_async.rotation.states import Progress, Rotation, State, put_back
from accesskeys_async.rotation.steps import Steps
from accesskeys_async.rotation.withdrawal import check_abortable

AT_ONCE: Final = 8


class Rotator:
    """Replace access keys by new ones, safely under crashes, duplicate events and several workers.

    A rotation goes planned, creating, created, distributed, verified, grace, deleting, confirmed; each is
    in the journal before what follows is begun. See `docs/rotation.md` for what is promised.

    Args:
        client: Speaks for an organization's administrator; each call gets `settings.act` as its deadline.
        journal: Where the rotations stand, open. It never holds a token.
        sink: Keeps the new token durably, or raises.
        probe: Tries the new key, or raises; None reads the key with its own token.
        settings: How patient to be.
    """

    def __init__(
        self,
        client: AccessKeysClient,
        journal: Journal,
        sink: Sink,
        probe: Probe | None = None,
        *,
        settings: RotationSettings | None = None,
    ) -> None:
        self._settings = settings = settings or RotationSettings()
        self._client = client = client.with_options(deadline=settings.act.total_seconds())
        self._journal = journal
        self._now = settings.clock
        self._steps = Steps(client, journal, sink=sink, probe=probe or ReadProbe(client), settings=settings)

    async def plan(
        self,
        org: Id,
        key_id: Id,
        *,
        grace: timedelta = timedelta(days=7),
        require_idle: bool = True,
        role_refs: RoleRefs = UNSET,
    ) -> Rotation:
        """Write down that a key is to be replaced; nothing is changed yet.

        After the sink has acknowledged, both keys live for `grace`. With `require_idle` the old one must
        also have gone unused since. The new key gets the roles that the old one has when it is created, or
        `role_refs`, which are those of `client.create`. A key has one living rotation: planning it again
        returns that.

        Raises what `client.get` does; RotationRefusedError where the key is being rotated on other terms.
        """
        organization_id, key_id = read_id("org", org), read_id("key_id", key_id)
        refs = read_role_refs(role_refs)
        if grace < timedelta(0):
            raise InvalidRequestError("grace", f"is {grace}; it takes 0 or more")
        key = await self._client.get(organization_id, key_id)
        description = key.description if isinstance(key.description, str) else key.name
        nonce = find_nonce(description)
        if nonce is not None:
            description = description.removesuffix(mark("", nonce)) or key.name
        now = self._now()
        rotation = Rotation(
            id=uuid4(),
            organization_id=organization_id,
            key_id=key_id,
            suffix=key.suffix,
            name=key.name,
            description=description,
            grace=grace,
            require_idle=require_idle,
            planned_at=now,
            copy_roles=isinstance(refs, Unset),
            role_refs=None if isinstance(refs, Unset) else refs,
            due_at=now,
        )
        return await self._journal.add(rotation)

    async def advance(self, rotation_id: UUID | str) -> Progress:
        """Take the step that is due, if any, and say when to come again. Calling it too often is harmless.

        What fails and may pass is written down and due again later; what does not pass sends the rotation
        to needs-human. Raises UnknownRotationError; JournalError; ClientClosedError; ConfigurationError;
        and whatever the sink or the probe raises that is no Exception.
        """
        rotation = await self._journal.get(read_id("rotation_id", rotation_id))
        self._steps.forget(rotation)
        if not rotation.is_due(self._now()):
            return Progress(rotation, rotation.due_at)
        hold = await self._claim(rotation)
        if hold is None:
            return await self._tell_busy(rotation.id)
        try:
            await self._steps.take(hold)
        except LeaseLostError:
            return await self._tell_busy(rotation.id)
        finally:
            await hold.release()
        return Progress(hold.rotation, hold.rotation.due_at)

    async def run(self, rotation_id: UUID | str) -> Progress:
        """Take all steps that are due, one after the other. Raises what `advance` does."""
        while True:
            progress = await self.advance(rotation_id)
            if progress.busy or not progress.rotation.is_due(self._now()):
                return progress

    async def resume(self) -> tuple[Progress, ...]:
        """Run all rotations that have a step due, a few at a time.

        Raises an ExceptionGroup, after all have been run, where `run` raised for some.
        """
        places = asyncio.Semaphore(AT_ONCE)

        async def run(rotation: Rotation) -> Progress | Exception:
            async with places:
                try:
                    return await self.run(rotation.id)
                except Exception as error:  # noqa: BLE001 - raised below, after the others
                    return error

        due = await self._journal.find_due(self._now())
        outcomes = await asyncio.gather(*(run(rotation) for rotation in due))
        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {len(due)} rotations could not be run", errors)
        return tuple(outcome for outcome in outcomes if isinstance(outcome, Progress))

    async def abort(self, rotation_id: UUID | str) -> Progress:
        """Give a rotation up, without taking away a key that may be in use.

        Before the sink was called, the new key is deleted: aborted. After that, until the old key is about
        to be deleted, nothing is deleted, and a person must look: needs-human. From there it only closes
        the rotation: aborted. Twice is fine.

        Raises RotationRefusedError from deleting on; RotationBusyError where another worker holds it.
        """
        rotation = await self._journal.get(read_id("rotation_id", rotation_id))
        if rotation.state is State.ABORTED:
            return Progress(rotation, None)
        check_abortable(rotation)
        hold = await self._claim_now(rotation)
        try:
            await self._steps.abort(hold)
        finally:
            await hold.release()
        return Progress(hold.rotation, hold.rotation.due_at)

    async def retry(self, rotation_id: UUID | str) -> Progress:
        """Put a rotation that needed a person back to where it stood; its step is due at once.

        Raises RotationRefusedError where it is not needs-human; RotationBusyError.
        """
        rotation = await self._journal.get(read_id("rotation_id", rotation_id))
        put_back(rotation, due_at=self._now())  # refused, if it is, before anything is written
        hold = await self._claim_now(rotation)
        try:
            await hold.write(put_back(hold.rotation, due_at=self._now()))
        finally:
            await hold.release()
        return Progress(hold.rotation, hold.rotation.due_at)

    async def status(self, rotation_id: UUID | str | None = None) -> tuple[Rotation, ...]:
        """Read one rotation, or all, oldest first. Raises UnknownRotationError; JournalError."""
        if rotation_id is None:
            return await self._journal.find()
        return (await self._journal.get(read_id("rotation_id", rotation_id)),)

    async def _claim(self, rotation: Rotation) -> Hold | None:
        owner = f"{self._settings.worker[:31]}/{uuid4().hex}"
        lease = self._settings.lease
        held = await self._journal.claim(rotation, owner, now=self._now(), lease=lease)
        return None if held is None else Hold(self._journal, held, lease=lease, clock=self._now)

    async def _claim_now(self, rotation: Rotation) -> Hold:
        hold = await self._claim(rotation)
        if hold is None:
            until = (await self._journal.get(rotation.id)).lease_until or self._now()
            raise RotationBusyError(
                f"rotation {rotation.id} is held by another worker, or by one that was killed, until "
                f"{until.isoformat(' ', 'seconds')} at the latest; try again then",
                until=until,
            )
        return hold

    async def _tell_busy(self, rotation_id: UUID) -> Progress:
        rotation = await self._journal.get(rotation_id)
        if rotation.owner is None:
            return Progress(rotation, rotation.due_at, busy=True)
        return Progress(rotation, rotation.lease_until, busy=True)
