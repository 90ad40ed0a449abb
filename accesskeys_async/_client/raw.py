"""The five operations without the reading: `client.raw`."""

from __future__ import annotations

from collections.abc import Callable

from accesskeys_async._contract import arguments, requests
from accesskeys_async._contract.arguments import Id, RoleIds, RoleRefs
from accesskeys_async._http.messages import Next, Response
from accesskeys_async.records import UNSET, Unset


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
        limit: int = arguments.MAX_PAGE_SIZE,
        reverse: bool = False,
        page_token: str | None = None,
    ) -> Response:
        """Fetch one page."""
        organization_id = arguments.read_id("org", org)
        request = requests.build_list(
            organization_id, limit=limit, reverse=reverse, page_token=page_token, deadline=self._latest()
        )
        return await self._send(request)

    async def get(self, org: Id, key_id: Id) -> Response:
        """Read one key."""
        organization_id, key_id = arguments.read_id("org", org), arguments.read_id("key_id", key_id)
        return await self._send(requests.build_get(organization_id, key_id, deadline=self._latest()))

    async def create(
        self,
        org: Id,
        *,
        name: str,
        description: str,
        role_refs: RoleRefs = UNSET,
        role_ids: RoleIds = UNSET,
    ) -> Response:
        """Create a key. A lost response raises APIConnectionError with `sent` None."""
        arguments.warn_of_role_ids(role_ids, stacklevel=2)
        request = requests.build_create(
            arguments.read_id("org", org),
            name=name,
            description=description,
            role_refs=role_refs,
            role_ids=role_ids,
            deadline=self._latest(),
        )
        return await self._send(request)

    async def update(
        self,
        org: Id,
        key_id: Id,
        *,
        name: str | Unset = UNSET,
        description: str | Unset = UNSET,
        role_refs: RoleRefs = UNSET,
        role_ids: RoleIds = UNSET,
    ) -> Response:
        """Change a key's properties; `role_refs` replaces all of its roles."""
        arguments.warn_of_role_ids(role_ids, stacklevel=2)
        request = requests.build_update(
            arguments.read_id("org", org),
            arguments.read_id("key_id", key_id),
            name=name,
            description=description,
            role_refs=role_refs,
            role_ids=role_ids,
            deadline=self._latest(),
        )
        return await self._send(request)

    async def delete(self, org: Id, key_id: Id) -> Response:
        """Delete a key."""
        organization_id, key_id = arguments.read_id("org", org), arguments.read_id("key_id", key_id)
        return await self._send(requests.build_delete(organization_id, key_id, deadline=self._latest()))
