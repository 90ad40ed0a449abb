"""The operations, behind authentication: what is asked, and the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import TypeVar

import attrs

from .page_tokens import Listed, PageTokens
from .replies import Refusal, Reply, invalid
from .routes import Operation
from .store import Store
from .validation import Draft, ListQuery, MultiValued, read_draft, read_list_query, read_object

_T = TypeVar("_T")


@attrs.frozen
class Asked:
    """An operation on an organization that the asker may see; the body is read only where one belongs.

    `access_key_id` is None for the operations on the list, and where the path's id is not a UUID.
    """

    operation: Operation
    organization_id: str
    access_key_id: str | None
    query: MultiValued
    read_body: Callable[[], Awaitable[bytes]]

    @property
    def path(self) -> str:
        """What a policy must name: the path, with its ids in their canonical form."""
        organization = f"/organizations/{self.organization_id}"
        match self.operation:
            case "list_roles":
                return f"{organization}/iam-roles"
            case "list_workspaces":
                return f"{organization}/workspaces"
            case "list" | "create":
                return f"{organization}/access-keys"
            case _:
                return f"{organization}/access-keys/{self.access_key_id}"


class Operations:
    """Answer the operations from a store; changes run on `writer`, where they may wait for the disk."""

    def __init__(self, store: Store, *, writer: Executor) -> None:
        self._store = store
        self._writer = writer
        self._page_tokens = PageTokens(store.signing_key)
        self._answers: Mapping[Operation, Callable[[Asked], Awaitable[Reply]]] = {
            "list": self._list,
            "create": self._create,
            "get": self._get,
            "update": self._update,
            "delete": self._delete,
            "list_roles": self._list_roles,
            "list_workspaces": self._list_workspaces,
        }

    async def answer(self, asked: Asked) -> Reply:
        """Return the reply to a request.

        Raises:
            Refusal: The contract refuses it: 400, 404, 413, 415 or 422.
        """
        return await self._answers[asked.operation](asked)

    async def _list(self, asked: Asked) -> Reply:
        query = read_list_query(asked.query)
        page = self._store.list_page(asked.organization_id, query, after=self._after(asked, query, "keys"))
        return self._page(asked, query, "keys", page.records, page.next_position)

    async def _list_roles(self, asked: Asked) -> Reply:
        roles = self._store.known_roles(asked.organization_id).roles.values()
        return self._list_records(asked, "roles", [role.to_json() for role in roles])

    async def _list_workspaces(self, asked: Asked) -> Reply:
        workspaces = self._store.known_roles(asked.organization_id).workspaces.values()
        return self._list_records(asked, "workspaces", [workspace.to_json() for workspace in workspaces])

    def _list_records(self, asked: Asked, listed: Listed, records: list[dict[str, object]]) -> Reply:
        query = read_list_query(asked.query)
        after = self._after(asked, query, listed)
        places = range(len(records))[:: -1 if query.reverse else 1]
        rest = [
            place for place in places if after is None or (place < after if query.reverse else place > after)
        ]
        shown = rest[: query.limit]
        body = ",".join(json.dumps(records[place], separators=(",", ":")) for place in shown)
        return self._page(asked, query, listed, body.encode(), shown[-1] if len(rest) > len(shown) else None)

    def _after(self, asked: Asked, query: ListQuery, listed: Listed) -> int | None:
        if query.page_token is None:
            return None
        try:
            return self._page_tokens.read(
                query.page_token, asked.organization_id, reverse=query.reverse, listed=listed
            )
        except ValueError as error:
            raise invalid({".pageToken": [str(error)]}) from None

    def _page(
        self, asked: Asked, query: ListQuery, listed: Listed, records: bytes, next_position: int | None
    ) -> Reply:
        if next_position is None:
            return Reply(200, b'{"results":[%b]}' % records)
        token = self._page_tokens.issue(
            asked.organization_id, position=next_position, reverse=query.reverse, listed=listed
        )
        return Reply(200, b'{"results":[%b],"nextPageToken":"%b"}' % (records, token.encode()))

    async def _create(self, asked: Asked) -> Reply:
        draft = await self._read_draft(asked, required=("name", "description"))
        record = await self._change(lambda: self._store.create(asked.organization_id, draft))
        return Reply(201, record.encode())

    async def _get(self, asked: Asked) -> Reply:
        return _found(asked, self._store.get(asked.organization_id, _key_id(asked)))

    async def _update(self, asked: Asked) -> Reply:
        key_id = _key_id(asked)
        draft = await self._read_draft(asked)
        record = await self._change(lambda: self._store.update(asked.organization_id, key_id, draft))
        return _found(asked, record)

    async def _delete(self, asked: Asked) -> Reply:
        key_id = _key_id(asked)
        if not await self._change(lambda: self._store.delete(asked.organization_id, key_id)):
            raise _no_key(asked)
        return Reply(204)

    async def _read_draft(self, asked: Asked, *, required: tuple[str, ...] = ()) -> Draft:
        known = self._store.known_roles(asked.organization_id)
        return read_draft(read_object(await asked.read_body()), known, required=required)

    async def _change(self, change: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, change)


def _key_id(asked: Asked) -> str:
    if asked.access_key_id is None:
        raise _no_key(asked)
    return asked.access_key_id


def _found(asked: Asked, record: str | None) -> Reply:
    if record is None:
        raise _no_key(asked)
    return Reply(200, record.encode())


def _no_key(asked: Asked) -> Refusal:
    return Refusal(404, "ResourceNotFound", f"No such access key in organization {asked.organization_id}")
