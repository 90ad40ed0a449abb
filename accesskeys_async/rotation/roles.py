"""Which roles a new key is to have, and whether the service gave it these."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from typing import Final
from uuid import UUID

from attrs import frozen

from accesskeys_async.client import AccessKeysClient
from accesskeys_async.creation import Draft
from accesskeys_async.records import UNSET, AccessKey, CreatedAccessKey, RoleRef, Unset
from accesskeys_async.rotation.failures import StuckError
from accesskeys_async.rotation.hold import Hold
from accesskeys_async.rotation.states import Rotation, get_grants
from accesskeys_async.transport.hooks import logger

__all__ = ["Roles", "ToldRoles", "create_with_roles", "differ", "read_told"]

MAX_PAGES: Final = 10_000
"""Pages of an organization that are looked through for one key: a million keys."""
SHOWN: Final = 3


@frozen
class ToldRoles:
    """What the service tells of a key's roles."""

    refs: tuple[RoleRef, ...] | None = None
    """None: nothing was told in this form."""
    ids: tuple[str, ...] | None = None
    """In the deprecated form."""
    with_workspaces: bool = True
    """Whether the references tell workspaces, as those of `get` do not."""


class Roles:
    """Read the roles of keys."""

    def __init__(self, client: AccessKeysClient) -> None:
        self._client = client

    async def find(self, hold: Hold, key_id: UUID) -> ToldRoles:
        """Read a key's roles: from the list, which tells workspaces; else from `get`."""
        listed = await self._find_listed(hold, key_id)
        if listed is not None and not isinstance(listed.role_refs, Unset):
            return read_told(listed)
        told = read_told(await self._client.get(hold.rotation.organization_id, key_id), with_workspaces=False)
        if told.ids is None and listed is not None:
            told = ToldRoles(told.refs, read_told(listed).ids, told.with_workspaces)
        return told

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

    async def copy(self, hold: Hold) -> tuple[tuple[RoleRef, ...] | None, tuple[UUID, ...] | None]:
        """Return the roles to give to a new key, as references or in the deprecated form.

        Both are None if the service tells nothing of the old key's roles.
        """
        rotation = hold.rotation
        if rotation.role_refs is not None or rotation.role_ids is not None:
            return rotation.role_refs, rotation.role_ids
        told = await self.find(hold, rotation.key_id)
        if not told.refs and not told.ids:
            logger.warning(
                "access key %s has no roles that the service tells, so the key that replaces it gets none; "
                "to give it some, abort and plan again with role_refs",
                rotation.key_id,
            )
        if told.refs is None:
            return None, None if told.ids is None else tuple(UUID(role_id) for role_id in told.ids)
        if told.refs and not told.with_workspaces:
            logger.warning(
                "the list does not tell the roles of access key %s, and get does not tell their workspaces: "
                "the key that replaces it gets them in all workspaces",
                rotation.key_id,
            )
        # A role that is told twice would be refused.
        return tuple({next(iter(get_grants([ref]))): ref for ref in told.refs}.values()), None

    async def check(self, hold: Hold, created: CreatedAccessKey) -> None:
        """Compare what the service gave a new key with what it was to have. Raises StuckError."""
        rotation = hold.rotation
        if rotation.role_refs is None and rotation.role_ids is None:
            return
        told = read_told(created)
        if told.refs is None and (rotation.role_refs or rotation.role_ids):
            found = await self.find(hold, created.id)
            told = found if found.refs is not None or told.ids is None else told
        difference = differ(rotation, told)
        if difference is not None:
            raise StuckError(
                f"the new access key {created.id} has other roles than it was to have: {difference}; its "
                "token was given to nobody; see that the roles exist and may be granted"
            )


def read_told(key: AccessKey, *, with_workspaces: bool = True) -> ToldRoles:
    """Read what a record tells of roles; null is none."""
    refs, ids = key.role_refs, key.role_ids
    return ToldRoles(
        None if isinstance(refs, Unset) else refs or (),
        None if isinstance(ids, Unset) else ids or (),
        with_workspaces,
    )


def differ(rotation: Rotation, told: ToldRoles) -> str | None:
    """Return how the roles that a key has differ from those it was to have, if they do.

    They are compared by role and set of workspaces, whatever their type and order. Unset, null and no
    workspaces are all workspaces.
    """
    in_detail = rotation.role_refs is not None and told.refs is not None and told.with_workspaces
    wanted = get_grants(rotation.role_refs or _refer(rotation.role_ids or ()), with_workspaces=in_detail)
    if told.refs is None and told.ids is None:
        return f"wanted {_describe(wanted)}, and the service does not tell" if wanted else None
    refs = told.refs if told.refs is not None else _refer(UUID(role_id) for role_id in told.ids or ())
    given = get_grants(refs, with_workspaces=in_detail)
    return None if wanted == given else f"wanted {_describe(wanted)}, got {_describe(given)}"


async def create_with_roles(
    client: AccessKeysClient, rotation: Rotation, *, name: str, description: str
) -> CreatedAccessKey:
    """Create a key with the roles that the journal has. Raises what `client.create` does."""
    if rotation.role_refs:
        return await client.create(
            rotation.organization_id, name=name, description=description, role_refs=rotation.role_refs
        )
    # Not by `create`, which warns of the deprecated form: here it is the service that speaks no other.
    draft = Draft(rotation.organization_id, name, description, UNSET, rotation.role_ids or UNSET)
    return await client._create(draft, recover=False, settle=0.0)


def _refer(role_ids: Iterable[UUID]) -> tuple[RoleRef, ...]:
    return tuple(RoleRef(role_id) for role_id in role_ids)


def _describe(grants: frozenset[tuple[UUID, frozenset[UUID]]]) -> str:
    texts: list[str] = []
    for role_id, found in grants:
        workspaces = sorted(map(str, found))
        more = f" and {len(workspaces) - SHOWN} more" if len(workspaces) > SHOWN else ""
        texts.append(f"{role_id} in {', '.join(workspaces[:SHOWN])}{more}" if workspaces else str(role_id))
    return "; ".join(sorted(texts)) or "none"
