"""The five requests of the contract. No I/O."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote
from uuid import UUID

from accesskeys_async._contract.arguments import (
    Id,
    RoleIds,
    RoleRefs,
    check_list,
    check_roles,
    check_text,
    read_role_ids,
    read_role_refs,
)
from accesskeys_async._contract.fields import format_organization, format_uuid, parse_uuid
from accesskeys_async._contract.writing import dump_changes
from accesskeys_async._http.messages import Request
from accesskeys_async.errors import InvalidRequestError, one_line
from accesskeys_async.records import UNSET, AccessKey, Unset

UUID_LENGTH: Final = 36
"""Of the one form that has hyphens."""
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]+")


def _collection_path(organization_id: UUID) -> str:
    return f"/organizations/{format_organization(organization_id)}/access-keys"


def _key_path(organization_id: UUID, key_id: Id) -> str:
    return f"/organizations/{format_organization(organization_id)}/access-keys/{_write_id(key_id)}"


def _write_id(value: Id) -> str:
    """Write an id that was checked as the API does; mostly it is written so already."""
    if isinstance(value, UUID):
        return format_uuid(value)
    is_written = len(value) == UUID_LENGTH and value.islower()
    return value if is_written else format_uuid(parse_uuid(value))


def build_list(
    organization_id: UUID, *, limit: int, reverse: bool, page_token: str | None, deadline: float | None = None
) -> Request:
    """Build listAccessKeys. Raises InvalidRequestError where a bound is broken."""
    check_list(limit=limit, page_token=page_token)
    query = f"limit={limit}"
    if page_token is not None:
        plain = _UNRESERVED.fullmatch(page_token)
        query += f"&pageToken={page_token if plain else quote(page_token, safe='')}"
    if reverse:
        query += "&reverse=true"
    return Request(
        "listAccessKeys",
        "GET",
        _collection_path(organization_id),
        organization_id,
        query,
        compress=True,
        deadline=deadline,
    )


def build_get(organization_id: UUID, key_id: Id, *, deadline: float | None = None) -> Request:
    """Build getAccessKey. The id was checked."""
    path = _key_path(organization_id, key_id)
    return Request("getAccessKey", "GET", path, organization_id, deadline=deadline)


def build_create(
    organization_id: UUID,
    *,
    name: str,
    description: str,
    role_refs: RoleRefs = UNSET,
    role_ids: RoleIds = UNSET,
    deadline: float | None = None,
) -> Request:
    """Build createAccessKey, the one request that is not repeatable. Raises InvalidRequestError."""
    check_roles(role_refs, role_ids)
    body = dump_changes(
        name=check_text("name", name),
        description=check_text("description", description),
        role_refs=read_role_refs(role_refs),
        role_ids=read_role_ids(role_ids),
    )
    return Request(
        "createAccessKey",
        "POST",
        _collection_path(organization_id),
        organization_id,
        body=body,
        repeatable=False,
        deadline=deadline,
    )


def build_update(
    organization_id: UUID,
    key_id: UUID,
    *,
    name: str | Unset = UNSET,
    description: str | Unset = UNSET,
    role_refs: RoleRefs = UNSET,
    role_ids: RoleIds = UNSET,
    deadline: float | None = None,
) -> Request:
    """Build updateAccessKey; what is UNSET stays as it is. Raises InvalidRequestError."""
    if all(isinstance(value, Unset) for value in (name, description, role_refs, role_ids)):
        raise InvalidRequestError("update", "names nothing to change; give name, description or role_refs")
    check_roles(role_refs, role_ids)
    body = dump_changes(
        name=name if isinstance(name, Unset) else check_text("name", name),
        description=description if isinstance(description, Unset) else check_text("description", description),
        role_refs=read_role_refs(role_refs),
        role_ids=read_role_ids(role_ids),
    )
    path = _key_path(organization_id, key_id)
    return Request("updateAccessKey", "PATCH", path, organization_id, body=body, deadline=deadline)


def build_delete(organization_id: UUID, key_id: UUID, *, deadline: float | None = None) -> Request:
    """Build deleteAccessKey."""
    path = _key_path(organization_id, key_id)
    return Request("deleteAccessKey", "DELETE", path, organization_id, deadline=deadline)


def check_deletion(key: AccessKey, *, expect_suffix: str | None, own_suffix: str | None) -> None:
    """Refuse to delete another key than was meant, or the one in use. Raises InvalidRequestError."""
    if expect_suffix is not None and key.suffix != expect_suffix:
        raise InvalidRequestError(
            "expect_suffix",
            f"is {one_line(expect_suffix, 20)!r}, and access key {key.id} has {key.suffix!r}: not deleted",
        )
    if own_suffix and key.suffix == own_suffix:
        raise InvalidRequestError(
            "key_id", f"is {key.id}, whose token this client uses: not deleted; allow_self=True does it"
        )
