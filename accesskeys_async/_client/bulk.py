"""Many calls at once, with an outcome for each: what the client has for more than one key."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

from attrs import field, frozen

from accesskeys_async._client.recoverable_create import Draft
from accesskeys_async._contract import arguments
from accesskeys_async._contract.arguments import Id, RoleIds, RoleRefs
from accesskeys_async._listing.listing import Listing
from accesskeys_async._listing.many import Listings
from accesskeys_async._listing.pages import FetchPage
from accesskeys_async._listing.scan import Scan
from accesskeys_async._public import public
from accesskeys_async._workers import Items, Outcome, call_each
from accesskeys_async.errors import InvalidRequestError
from accesskeys_async.records import UNSET, AccessKey, CreatedAccessKey, Unset

ONE_WAY_PAGES: Final = 4
"""How many pages of an organization are read from one end if the others use all slots meanwhile."""

Item = TypeVar("Item")
Result = TypeVar("Result")
AnyId = TypeVar("AnyId", bound=str | UUID)
AnyKey = TypeVar("AnyKey", bound=str | UUID | AccessKey)

Text: TypeAlias = str | Unset
TextFor: TypeAlias = Text | Callable[[Item], Text]
"""A text for every item, or what makes one of the item."""


@public()
@frozen
class NewKey:
    """What a key is to be created with, for `create_many`. Bounds are as in `create`, and checked there."""

    name: str
    description: str
    role_refs: RoleRefs = field(default=UNSET, kw_only=True)
    """The roles that the key is to have, 1 to 5; without any it is denied everything."""
    role_ids: RoleIds = field(default=UNSET, kw_only=True)
    """Deprecated by the API in favour of `role_refs`; giving it warns."""

    def __attrs_post_init__(self) -> None:
        arguments.warn_of_role_ids(self.role_ids, stacklevel=3)


class FanOut(ABC):
    """The calls for many keys or organizations at once, on top of the calls for one.

    Items come from an iterable or async iterable, which is asked for the next when there is a place for it:
    it may be endless. `max_concurrency` calls are under way at most, each with its own retries and deadline,
    and as many outcomes wait at most. They come as they complete, in no order. An AccessKeysError is an
    item's outcome and does not end the others; an exception of the iterable is raised once what was begun
    has been handed on. Leaving early cancels what is under way: where the moment matters, use
    `contextlib.aclosing`.
    """

    @property
    @abstractmethod
    def max_concurrency(self) -> int:
        """How many requests may be under way at once, clones included."""

    @abstractmethod
    async def get(self, org: Id, key_id: Id) -> AccessKey:
        """Read one key."""

    @abstractmethod
    async def _create(self, draft: Draft, *, recover: bool, settle: float) -> CreatedAccessKey:
        """Create one key."""

    @abstractmethod
    async def update(
        self,
        org: Id,
        key_id: Id,
        *,
        name: Text = UNSET,
        description: Text = UNSET,
        role_refs: RoleRefs = UNSET,
    ) -> AccessKey:
        """Change one key."""

    @abstractmethod
    async def delete(
        self,
        org: Id,
        key_id: Id,
        *,
        missing_ok: bool = False,
        expect_suffix: str | None = None,
        allow_self: bool = False,
    ) -> None:
        """Delete one key."""

    @abstractmethod
    def page_source(
        self, org: Id, *, limit: int = arguments.MAX_PAGE_SIZE, reverse: bool = False
    ) -> FetchPage:
        """Return an async callable that fetches one page of an organization's keys."""

    def get_many(self, org: Id, ids: Items[AnyId]) -> AsyncGenerator[Outcome[AnyId, AccessKey], None]:
        """Read many keys of an organization, and yield an `Outcome` for each id as it completes.

        Raises InvalidRequestError at once where `org` is no id.
        """
        organization_id = arguments.read_id("org", org)

        async def get(key_id: AnyId) -> AccessKey:
            return await self.get(organization_id, key_id)

        return self._call_each("ids", ids, get)

    def create_many(
        self, org: Id, drafts: Items[NewKey], *, recover: bool = False, settle: float = 3.0
    ) -> AsyncGenerator[Outcome[NewKey, CreatedAccessKey], None]:
        """Create many keys, and yield an `Outcome` for each draft as it completes.

        `recover` and `settle` are as in `create`. Leaving early loses the answers to what is under way: with
        `recover`, `reap` finds the keys that this leaves behind.

        Raises InvalidRequestError at once where `org` is no id.
        """
        organization_id = arguments.read_id("org", org)

        async def create(new: NewKey) -> CreatedAccessKey:
            draft = Draft(
                organization_id,
                new.name,
                new.description,
                arguments.read_role_refs(new.role_refs),
                arguments.read_role_ids(new.role_ids),
            )
            return await self._create(draft, recover=recover, settle=settle)

        return self._call_each("drafts", drafts, create)

    def update_many(
        self,
        org: Id,
        keys: Items[AnyKey],
        *,
        name: TextFor[AnyKey] = UNSET,
        description: TextFor[AnyKey] = UNSET,
        role_refs: RoleRefs = UNSET,
    ) -> AsyncGenerator[Outcome[AnyKey, AccessKey], None]:
        """Change many keys, records or ids, and yield an `Outcome` for each as it completes.

        `name` and `description` are texts for all, or callables that return one for the item; `role_refs`
        are the roles for all. What is UNSET stays as it is. A record of another organization is refused.

        Raises InvalidRequestError at once if `org` is not an id, or `role_refs` are out of bounds.
        """
        organization_id = arguments.read_id("org", org)
        roles = arguments.read_role_refs(role_refs)

        async def update(key: AnyKey) -> AccessKey:
            return await self.update(
                organization_id,
                _identify(key, organization_id),
                name=name(key) if callable(name) else name,
                description=description(key) if callable(description) else description,
                role_refs=roles,
            )

        return self._call_each("keys", keys, update)

    def delete_many(
        self, org: Id, keys: Items[AnyKey], *, missing_ok: bool = False, allow_self: bool = False
    ) -> AsyncGenerator[Outcome[AnyKey, None], None]:
        """Delete many keys, records or ids, and yield an `Outcome` for each as it completes.

        A record is deleted only where the key still has the record's suffix; one of another organization is
        refused. `missing_ok` and `allow_self` are as in `delete`.

        Raises InvalidRequestError at once where `org` is no id.
        """
        organization_id = arguments.read_id("org", org)

        async def delete(key: AnyKey) -> None:
            await self.delete(
                organization_id,
                _identify(key, organization_id),
                missing_ok=missing_ok,
                expect_suffix=key.suffix if isinstance(key, AccessKey) else None,
                allow_self=allow_self,
            )

        return self._call_each("keys", keys, delete)

    def list_many(
        self,
        orgs: Items[AnyId],
        *,
        limit: int = arguments.MAX_PAGE_SIZE,
        prefetch: int = 1,
        at_once: int | None = None,
    ) -> Listings[AnyId, Listing]:
        """List many organizations: `async for org, listing in client.list_many(orgs)`.

        `at_once` is how many are read at a time, None for `max_concurrency`; `limit` and `prefetch` are as
        in `list`. See `Listings` for what comes when.

        Raises InvalidRequestError at once where a bound is broken.
        """
        arguments.check_list(limit=limit, page_token=None, prefetch=prefetch)

        def begin(org: AnyId, prefetch: int) -> Listing:
            return Listing(self.page_source(org, limit=limit), prefetch=prefetch)

        _check_items("orgs", orgs)
        return Listings(orgs, begin, prefetch=prefetch, at_once=self._check_at_once(at_once))

    def scan_many(
        self, orgs: Items[AnyId], *, limit: int = arguments.MAX_PAGE_SIZE, at_once: int | None = None
    ) -> Listings[AnyId, Scan]:
        """Scan many organizations: `async for org, scan in client.scan_many(orgs)`; see `list_many`.

        It is faster than `list_many` if organizations have many pages. Up to 4 pages of one are read from one
        end, unless `at_once` is at most half of `max_concurrency`: then all are read from both ends.
        """
        arguments.check_list(limit=limit, page_token=None)

        def begin(org: AnyId, _: int) -> Scan:
            forward, backward = (self.page_source(org, limit=limit, reverse=turn) for turn in (False, True))
            return Scan(forward, backward, start_backward_after=one_way_pages)

        _check_items("orgs", orgs)
        workers = self._check_at_once(at_once)
        # If slots are free, the backward direction of one organization delays no other.
        one_way_pages = 1 if 2 * workers <= self.max_concurrency else ONE_WAY_PAGES
        return Listings(orgs, begin, prefetch=1, at_once=workers)

    def _call_each(
        self, argument: str, items: Items[Item], call: Callable[[Item], Awaitable[Result]]
    ) -> AsyncGenerator[Outcome[Item, Result], None]:
        _check_items(argument, items)
        return call_each(items, call, workers=self.max_concurrency)

    def _check_at_once(self, at_once: int | None) -> int:
        if at_once is None:
            return self.max_concurrency
        if at_once < 1:
            raise InvalidRequestError("at_once", f"is {at_once}; it takes 1 or more, or None")
        return at_once


def _check_items(argument: str, items: object) -> None:
    if isinstance(items, str | UUID | AccessKey | NewKey):
        raise InvalidRequestError(argument, "is a single one; it takes several, such as a list")


def _identify(key: str | UUID | AccessKey, organization_id: UUID) -> Id:
    if not isinstance(key, AccessKey):
        return key
    if key.organization_id != organization_id:
        raise InvalidRequestError(
            "keys", f"has access key {key.id} of organization {key.organization_id}; call for that one"
        )
    return key.id
