"""The five operations without the reading: `client.raw`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine

from accesskeys_async import operations
from accesskeys_async.operations import Id, RoleIds
from accesskeys_async.records import UNSET, Unset
from accesskeys_async.transport.exchange import Next, Response

__all__ = ["RawOperations"]


class RawOperations:
    """The five operations with the whole Response as their answer, whatever its status: `client.raw`.

    Retries, throttle and bounds work as in the client, and so does what is refused before sending. An
    answer to a create has the token in its body: keep it out of logs.
    """

    def __init__(self, send: Next, latest: Callable[[], float | None]) -> None:
        self._send = send
        self._latest = latest

    async def list(
        self,
        org: Id,
        *,
        limit: int = operations.MAX_PAGE_SIZE,
        reverse: bool = False,
        page_token: str | None = None,
    ) -> Response:
        """Fetch one page."""
        organization_id = operations.read_id("org", org)
        request = operations.build_list(
            organization_id, limit=limit, reverse=reverse, page_token=page_token, deadline=self._latest()
        )
        return await self._send(request)

    async def get(self, org: Id, key_id: Id) -> Response:
        """Read one key."""
        organization_id, key_id = operations.read_id("org", org), operations.read_id("key_id", key_id)
        return await self._send(operations.build_get(organization_id, key_id, deadline=self._latest()))

    def create(
        self, org: Id, *, name: str, description: str, role_ids: RoleIds = UNSET
    ) -> Coroutine[object, object, Response]:
        """Create a key. A lost answer raises APIConnectionError with `sent` None."""
        operations.warn_of_role_ids(role_ids, stacklevel=2)
        return self._create(org, name, description, role_ids)

    async def _create(self, org: Id, name: str, description: str, role_ids: RoleIds) -> Response:
        request = operations.build_create(
            operations.read_id("org", org),
            name=name,
            description=description,
            role_ids=role_ids,
            deadline=self._latest(),
        )
        return await self._send(request)

    def update(
        self,
        org: Id,
        key_id: Id,
        *,
        name: str | Unset = UNSET,
        description: str | Unset = UNSET,
        role_ids: RoleIds = UNSET,
    ) -> Coroutine[object, object, Response]:
        """Change a key's properties."""
        operations.warn_of_role_ids(role_ids, stacklevel=2)
        return self._update(org, key_id, name, description, role_ids)

    async def _update(
        self, org: Id, key_id: Id, name: str | Unset, description: str | Unset, role_ids: RoleIds
    ) -> Response:
        request = operations.build_update(
            operations.read_id("org", org),
            operations.read_id("key_id", key_id),
            name=name,
            description=description,
            role_ids=role_ids,
            deadline=self._latest(),
        )
        return await self._send(request)

    async def delete(self, org: Id, key_id: Id) -> Response:
        """Delete a key."""
        organization_id, key_id = operations.read_id("org", org), operations.read_id("key_id", key_id)
        return await self._send(operations.build_delete(organization_id, key_id, deadline=self._latest()))
