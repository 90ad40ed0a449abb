"""Which operation a method and a path ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args
from urllib.parse import unquote

import attrs

from .derivation import is_uuid

Operation = Literal["list", "create", "get", "update", "delete", "list_roles", "list_workspaces"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)

_COLLECTION: Mapping[str, Operation] = {"GET": "list", "POST": "create"}
_ITEM: Mapping[str, Operation] = {"GET": "get", "PATCH": "update", "DELETE": "delete"}
_ROLES: Mapping[str, Operation] = {"GET": "list_roles"}
_WORKSPACES: Mapping[str, Operation] = {"GET": "list_workspaces"}


@attrs.frozen
class Route:
    """What a path names.

    `operation` is None where the path exists and the method does not; `allowed` are the methods there.
    An id is None when the path has none, or when it is not a UUID: then nothing by that id exists.
    """

    operation: Operation | None
    allowed: tuple[str, ...]
    organization_id: str | None
    access_key_id: str | None


def resolve(method: str, raw_path: str) -> Route | None:
    """Return the route of a percent-encoded path, or None where the API has nothing."""
    match raw_path.split("/"):
        case ["", "organizations", organization, "access-keys"] if organization:
            methods, access_key = _COLLECTION, None
        case ["", "organizations", organization, "access-keys", access_key] if organization and access_key:
            methods = _ITEM
        case ["", "organizations", organization, "iam-roles"] if organization:
            methods, access_key = _ROLES, None
        case ["", "organizations", organization, "workspaces"] if organization:
            methods, access_key = _WORKSPACES, None
        case _:
            return None
    return Route(methods.get(method), tuple(methods), _identifier(organization), _identifier(access_key))


def _identifier(segment: str | None) -> str | None:
    if segment is None:
        return None
    text = unquote(segment)
    return text.lower() if is_uuid(text) else None
