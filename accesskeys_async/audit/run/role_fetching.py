"""The whole roles of keys, which only their GET tells: one request a key."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final
from uuid import UUID

from attrs import evolve

from accesskeys_async._workers import call_each
from accesskeys_async.audit.records import UnreadableReason
from accesskeys_async.audit.run.checkpoint import Reading
from accesskeys_async.audit.run.fetching import find_reason
from accesskeys_async.audit.run.progress import Progress
from accesskeys_async.client import AccessKeysClient
from accesskeys_async.errors import ClientClosedError
from accesskeys_async.records import AccessKey, Role, Unset

_Roles = tuple[Role, ...] | Unset | None


class RoleReader:
    """Read roles, `at_once` keys at a time over all organizations of an audit."""

    def __init__(self, at_once: int, progress: Progress | None) -> None:
        self._at_once = at_once
        self._slots: Final = asyncio.Semaphore(at_once)
        self._progress = progress or Progress()

    async def read(self, client: AccessKeysClient, organization_id: UUID, reading: Reading) -> Reading:
        """Return the reading with the roles of its keys, and why those of some could not be read.

        The references to roles stay those of the list, which tells workspaces. Raises ClientClosedError.
        """
        found, unread = await self._request(client, organization_id, reading.keys)
        keys = tuple(evolve(key, roles=found[key.id]) if key.id in found else key for key in reading.keys)
        return evolve(reading, keys=keys, unread_roles=unread)

    async def _request(
        self, client: AccessKeysClient, organization_id: UUID, keys: Sequence[AccessKey]
    ) -> tuple[dict[UUID, _Roles], dict[UUID, UnreadableReason]]:
        async def get(key: AccessKey) -> AccessKey:
            async with self._slots:
                return await client.get(organization_id, key.id)

        found: dict[UUID, _Roles] = {}
        unread: dict[UUID, UnreadableReason] = {}
        self._progress.roles_wanted += len(keys)
        async with aclosing(call_each(keys, get, workers=self._at_once)) as outcomes:
            async for outcome in outcomes:
                self._progress.roles_read += 1
                if outcome.error is None:
                    found[outcome.item.id] = outcome.unwrap().roles
                elif isinstance(outcome.error, ClientClosedError):
                    raise outcome.error
                else:
                    unread[outcome.item.id] = find_reason(outcome.error)
        return found, unread
