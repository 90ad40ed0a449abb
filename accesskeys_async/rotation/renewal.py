"""The first half of a rotation: a new key is made, handed to the sink and tried, all in one go.

The token exists only in this process, between the answer to the create and the end of the probe. So
whoever finds a rotation in the middle of this begins again with another key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from attrs import evolve

from accesskeys_async._client.recoverable_create import mark
from accesskeys_async._contract.arguments import MAX_TEXT_LENGTH
from accesskeys_async.client import AccessKeysClient
from accesskeys_async.errors import AccessKeysError
from accesskeys_async.records import UNSET, CreatedAccessKey
from accesskeys_async.rotation.delivery import Delivery, Probe, Sink, check_sink, get_fingerprint
from accesskeys_async.rotation.failures import (
    LeaseLostError,
    SinkUnsureError,
    StuckError,
    describe_failure,
    is_passing,
    made_nothing,
)
from accesskeys_async.rotation.hold import Hold
from accesskeys_async.rotation.journal import Journal
from accesskeys_async.rotation.orphans import Orphans
from accesskeys_async.rotation.roles import Roles
from accesskeys_async.rotation.settings import RotationSettings
from accesskeys_async.rotation.states import Candidate, Rotation, State
from accesskeys_async.rotation.targets import Targets
from accesskeys_async.rotation.withdrawal import Withdrawal

LATE_DELIVERY: Final = (
    "the token of access key {key_id} reached the sink after another worker had taken over: look which key's "
    "token the sink holds, and that it is the last candidate's"
)


class Renewal:
    """Bring a rotation from planned to verified."""

    def __init__(
        self,
        client: AccessKeysClient,
        journal: Journal,
        *,
        sink: Sink,
        probe: Probe,
        orphans: Orphans,
        targets: Targets,
        withdrawal: Withdrawal,
        settings: RotationSettings,
    ) -> None:
        self._client = client
        self._journal = journal
        self._sink = sink
        self._probe = probe
        self._orphans = orphans
        self._targets = targets
        self._roles = Roles(client)
        self._withdrawal = withdrawal
        self._settings = settings
        self._now: Callable[[], datetime] = settings.clock
        self._in_hand: dict[UUID, CreatedAccessKey] = {}

    def forget(self, rotation: Rotation) -> None:
        """Let go of the token of a rotation that has no more use for it here."""
        if rotation.state is not State.DISTRIBUTED:
            self._in_hand.pop(rotation.id, None)

    async def begin(self, hold: Hold) -> None:
        """Take a planned rotation up, if the old key still is the one that was meant."""
        rotation = hold.rotation
        old = await self._client.get(rotation.organization_id, rotation.key_id)
        if old.suffix != rotation.suffix:
            raise StuckError(
                f"access key {old.id} has suffix {old.suffix}, not {rotation.suffix} as planned; look at it"
            )
        await self.renew(hold)

    async def renew(self, hold: Hold) -> None:
        """Make a new key after clearing away what earlier tries left, and bring it to verified."""
        unwanted = [c for c in hold.rotation.candidates if not c.given and not c.gone]
        if not await self._orphans.clear(hold, unwanted):
            until = max(candidate.settle_until for candidate in unwanted)
            await hold.write(evolve(hold.rotation, due_at=until))
            return
        created = await self._create(hold)
        if await self._deliver(hold, created):
            await self._try(hold, created)

    async def verify(self, hold: Hold) -> None:
        """Try the new key of a distributed rotation again; without its token, begin again with another."""
        created = self._in_hand.get(hold.rotation.id)
        candidate = hold.rotation.candidate
        if created is not None and candidate is not None and candidate.key_id == created.id:
            await self._try(hold, created)
        else:
            await self.renew(hold)

    async def _create(self, hold: Hold) -> CreatedAccessKey:
        settings, rotation = self._settings, hold.rotation
        made = sum(candidate.key_id is not None for candidate in rotation.candidates)
        if made >= settings.most_keys:
            raise StuckError(
                f"{made} new keys were made and none came to be verified; find out why, then abort"
            )
        target = get_fingerprint(self._sink, rotation.key_id)
        await self._targets.check(rotation, target)
        await self._check_sink(rotation)
        role_refs = await self._roles.copy(hold)
        rotation, now = hold.rotation, self._now()
        candidate = Candidate(
            nonce=settings.draw_nonce(), begun_at=now, settle_until=now + settings.act + settings.settle
        )
        intent = evolve(
            rotation,
            state=State.CREATING,
            target=target or rotation.target,
            role_refs=role_refs,
            candidates=(*rotation.candidates, candidate),
        )
        await hold.write(intent)
        room = MAX_TEXT_LENGTH - len(mark("", candidate.nonce))
        try:
            created = await self._client.create(
                rotation.organization_id,
                name=rotation.name,
                description=mark(rotation.description[:room], candidate.nonce),
                role_refs=role_refs or UNSET,
            )
        except AccessKeysError as error:
            settle_until = self._now() + settings.settle
            lost = evolve(candidate, settle_until=settle_until, gone=made_nothing(error))
            await hold.write(hold.rotation.with_candidates(lost))
            raise
        known = evolve(candidate, key_id=created.id, suffix=created.suffix)
        after = evolve(hold.rotation.with_candidates(known), state=State.CREATED, failures=0, problem=None)
        # The API's clock, as told by the key it has just made, is the one that last uses are written by.
        await hold.write(evolve(after, cutover_at=created.created_at))
        await self._check_roles(hold, created, known)
        return created

    async def _check_roles(self, hold: Hold, created: CreatedAccessKey, known: Candidate) -> None:
        """Compare the new key's roles, before its token is out, with those it was to have."""
        try:
            await self._roles.check(hold, created)
        except StuckError as error:
            await self._orphans.clear(hold, [known])
            raise StuckError(
                f"{error}; the new key was deleted, and nobody has had its token; see that the roles exist "
                "and may be granted, then retry"
            ) from None
        # Given, before the sink is called: from here on its token may be in use.
        await hold.write(hold.rotation.with_candidates(evolve(known, given=True)))

    async def _check_sink(self, rotation: Rotation) -> None:
        """Stop before anything is created if the sink knows already that it can't keep a token."""
        try:
            async with asyncio.timeout(self._settings.act.total_seconds()):
                await check_sink(self._sink, rotation.key_id)
        except TimeoutError:
            raise
        except Exception as error:
            told = describe_failure(error)
            raise StuckError(f"the sink can't keep a token: {told}; no key was created") from error

    async def _deliver(self, hold: Hold, created: CreatedAccessKey) -> bool:
        rotation = hold.rotation
        delivery = Delivery(
            rotation_id=rotation.id,
            replaces=rotation.key_id,
            attempt=len(rotation.candidates),
            key=created,
        )
        began_at = self._now()
        act = self._settings.act.total_seconds()
        bound = asyncio.timeout(act)
        try:
            async with bound:
                await self._sink(delivery)
        except Exception as error:  # noqa: BLE001 - the sink is the user's: whatever it raises, it said no
            told = describe_failure(error, token=created.token)
            if bound.expired() or isinstance(error, SinkUnsureError):
                told = f"it did not answer within {act:g} s" if bound.expired() else told
                raise StuckError(
                    f"the sink may hold the token of access key {created.id}, or not: {told}; no key was "
                    "deleted: look, then retry"
                ) from None
            await self._withdrawal.refuse(hold, problem=f"the sink failed: {told}")
            return False
        now = self._now()
        assert rotation.cutover_at is not None
        try:
            await hold.write(
                evolve(
                    rotation,
                    state=State.DISTRIBUTED,
                    cutover_at=rotation.cutover_at + (now - began_at),
                    grace_until=now + rotation.grace,
                    due_at=now,
                )
            )
        except LeaseLostError:
            await self._journal.flag(rotation.id, LATE_DELIVERY.format(key_id=created.id))
            raise
        self._in_hand[rotation.id] = created
        return True

    async def _try(self, hold: Hold, created: CreatedAccessKey) -> None:
        await hold.keep()
        try:
            async with asyncio.timeout(self._settings.act.total_seconds()):
                await self._probe(created)
        except Exception as error:
            if is_passing(error):
                raise
            told = describe_failure(error, token=created.token)
            raise StuckError(
                f"the sink holds the token of access key {created.id}, and its probe failed: {told}; "
                "both keys live: look, then retry"
            ) from None
        verified = evolve(hold.rotation, state=State.VERIFIED, due_at=self._now(), failures=0, problem=None)
        await hold.write(verified)
        self._in_hand.pop(hold.rotation.id, None)
