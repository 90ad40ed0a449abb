"""The five operations on keys, behind authentication: what is asked, and the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import TypeVar

import attrs

from .page_tokens import PageTokens
from .replies import Refusal, Reply, invalid
from .routes import Operation
from .store import Store
from .validation import MultiValued, read_draft, read_list_query, read_object

__all__ = ["Asked", "Operations"]

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


class Operations:
    """Answer the five operations from a store; changes run on `writer`, where they may wait for the disk."""

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
        }

    async def answer(self, asked: Asked) -> Reply:
        """Return the reply to a request.

        Raises:
            Refusal: The contract refuses it: 400, 404, 413, 415 or 422.
        """
        return await self._answers[asked.operation](asked)

    async def _list(self, asked: Asked) -> Reply:
        query = read_list_query(asked.query)
        after: int | None = None
        if query.page_token is not None:
            try:
                after = self._page_tokens.read(query.page_token, asked.organization_id, reverse=query.reverse)
            except ValueError as error:
                raise invalid([{"field": "pageToken", "message": str(error)}]) from None
        page = self._store.list_page(asked.organization_id, query, after=after)
        if page.next_position is None:
            return Reply(200, b'{"results":[%b]}' % page.records)
        token = self._page_tokens.issue(
            asked.organization_id, position=page.next_position, reverse=query.reverse
        )
        return Reply(200, b'{"results":[%b],"nextPageToken":"%b"}' % (page.records, token.encode()))

    async def _create(self, asked: Asked) -> Reply:
        draft = read_draft(read_object(await asked.read_body()), required=("name", "description"))
        record = await self._change(lambda: self._store.create(asked.organization_id, draft))
        return Reply(201, record.encode())

    async def _get(self, asked: Asked) -> Reply:
        return _found(asked, self._store.get(asked.organization_id, _key_id(asked)))

    async def _update(self, asked: Asked) -> Reply:
        key_id = _key_id(asked)
        draft = read_draft(read_object(await asked.read_body()))
        record = await self._change(lambda: self._store.update(asked.organization_id, key_id, draft))
        return _found(asked, record)

    async def _delete(self, asked: Asked) -> Reply:
        key_id = _key_id(asked)
        if not await self._change(lambda: self._store.delete(asked.organization_id, key_id)):
            raise _no_key(asked)
        return Reply(204)

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
    return Refusal(404, "not_found", f"No such access key in organization {asked.organization_id}")
