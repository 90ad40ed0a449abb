"""Which roles a new key is to have, and whether the service gave it these."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from typing import Final
from uuid import UUID

from attrs import frozen

from accesskeys_async._http.hooks import logger
from accesskeys_async.client import AccessKeysClient
from accesskeys_async.errors import one_line
from accesskeys_async.records import AccessKey, CreatedAccessKey, RoleRef, Unset
from accesskeys_async.rotation.failures import NotListedError, StuckError
from accesskeys_async.rotation.hold import Hold
from accesskeys_async.rotation.states import Rotation, get_grants

MAX_PAGES: Final = 10_000
"""Pages of an organization that are looked through for one key: a million keys."""
SHOWN: Final = 3
MAX_ID: Final = 40
"""Characters that an error shows of a role id that is not a UUID."""
PLAN_AGAIN: Final = "abort, and plan again with role_refs (rotate plan --role)"


@frozen
class ReportedRoles:
    """Roles of a key in a response."""

    refs: tuple[RoleRef, ...] | None = None
    """None: none in this form in the response."""
    ids: tuple[str, ...] | None = None
    """In the deprecated form."""
    with_workspaces: bool = True
    """Whether the references have workspaces; those of `get` do not."""


class Roles:
    """Read the roles of keys."""

    def __init__(self, client: AccessKeysClient) -> None:
        self._client = client

    async def copy(self, hold: Hold) -> tuple[RoleRef, ...] | None:
        """Return the roles to give to a new key; None if the service does not report the old key's.

        Raises NotListedError if the old key is not in the list, and StuckError if copying its roles could
        give the new key more than the old one has.
        """
        rotation = hold.rotation
        if rotation.role_refs is not None:
            return rotation.role_refs
        reported = await self._read_old(hold)
        refs = reported.refs
        if refs is None and reported.ids is not None:
            refs = tuple(_refer(reported.ids, rotation.key_id))
        if not refs:
            logger.warning(
                "access key %s has no roles that the service reports, so the key that replaces it gets none; "
                "to give it some, abort and plan again with role_refs",
                rotation.key_id,
            )
        # A role that is reported twice would be refused.
        return None if refs is None else tuple({next(iter(get_grants([ref]))): ref for ref in refs}.values())

    async def check(self, hold: Hold, created: CreatedAccessKey) -> None:
        """Compare what the service gave a new key with what it was to have. Raises StuckError."""
        rotation = hold.rotation
        if rotation.role_refs is None:
            return
        reported = read_reported(created)
        if reported.refs is None and rotation.role_refs:
            found = await self._read_new(hold, created.id)
            reported = found if found.refs is not None or reported.ids is None else reported
        difference = differ(rotation, reported)
        if difference is not None:
            raise StuckError(
                f"the new access key {created.id} had other roles than it was to have: {difference}"
            )

    async def _read_old(self, hold: Hold) -> ReportedRoles:
        """Read the old key's roles from the list, which reports workspaces.

        A service that reports roles in the deprecated form alone knows no workspaces.
        """
        key_id = hold.rotation.key_id
        listed = await self._find_listed(hold, key_id)
        if listed is None:
            raise NotListedError(
                f"access key {key_id} was not found in the list, of which {MAX_PAGES:,} pages are read at "
                f"most, so its roles are unknown; if that does not pass, {PLAN_AGAIN}"
            )
        reported = read_reported(listed)
        if reported.refs is not None:
            return reported
        got = await self._get(hold, key_id)
        if got.refs:
            raise StuckError(
                f"the list does not report the roles of access key {key_id}, and get does not report their "
                f"workspaces; {PLAN_AGAIN}"
            )
        return ReportedRoles(got.refs, reported.ids if got.ids is None else got.ids)

    async def _read_new(self, hold: Hold, key_id: UUID) -> ReportedRoles:
        listed = await self._find_listed(hold, key_id)
        if listed is not None and not isinstance(listed.role_refs, Unset):
            return read_reported(listed)
        return await self._get(hold, key_id)

    async def _find_listed(self, hold: Hold, key_id: UUID) -> AccessKey | None:
        count = 0
        async with aclosing(self._client.list(hold.rotation.organization_id).pages()) as pages:
            async for page in pages:
                await hold.keep()
                for key in page:
                    if key.id == key_id:
                        return key
                count += 1
                if count == MAX_PAGES:
                    break
        return None

    async def _get(self, hold: Hold, key_id: UUID) -> ReportedRoles:
        key = await self._client.get(hold.rotation.organization_id, key_id)
        return read_reported(key, with_workspaces=False)


def read_reported(key: AccessKey, *, with_workspaces: bool = True) -> ReportedRoles:
    """Read the roles in a record; null is none."""
    refs, ids = key.role_refs, key.role_ids
    return ReportedRoles(
        None if isinstance(refs, Unset) else refs or (),
        None if isinstance(ids, Unset) else ids or (),
        with_workspaces,
    )


def differ(rotation: Rotation, reported: ReportedRoles) -> str | None:
    """Return how the roles that a key has differ from those it was to have, if they do.

    They are compared by role and set of workspaces, whatever their type and order. Unset, null and no
    workspaces are all workspaces.
    """
    in_detail = reported.refs is not None and reported.with_workspaces
    wanted = _name(get_grants(rotation.role_refs or (), with_workspaces=in_detail))
    if reported.refs is not None:
        given = _name(get_grants(reported.refs, with_workspaces=in_detail))
    elif reported.ids is not None:
        given = frozenset((str(_parse_id(role_id) or role_id), frozenset[UUID]()) for role_id in reported.ids)
    else:
        return f"wanted {_describe(wanted)}, and the service does not report them" if wanted else None
    return None if wanted == given else f"wanted {_describe(wanted)}, got {_describe(given)}"


def _refer(role_ids: Iterable[str], key_id: UUID) -> Iterable[RoleRef]:
    for text in role_ids:
        role_id = _parse_id(text)
        if role_id is None:
            shown = one_line(repr(text), MAX_ID)
            raise StuckError(
                f"access key {key_id} has the role id {shown}, which is not a UUID; {PLAN_AGAIN}"
            )
        yield RoleRef(role_id)


def _parse_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _name(grants: Iterable[tuple[UUID, frozenset[UUID]]]) -> frozenset[tuple[str, frozenset[UUID]]]:
    return frozenset((str(role_id), workspaces) for role_id, workspaces in grants)


def _describe(grants: Iterable[tuple[str, frozenset[UUID]]]) -> str:
    texts: list[str] = []
    for role_id, found in grants:
        name = one_line(role_id, MAX_ID)
        workspaces = sorted(map(str, found))
        more = f" and {len(workspaces) - SHOWN} more" if len(workspaces) > SHOWN else ""
        texts.append(f"{name} in {', '.join(workspaces[:SHOWN])}{more}" if workspaces else name)
    return "; ".join(sorted(texts)) or "none"
