"""The roles that a request gives a key: `roleRefs`, and the deprecated `roleIds`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import attrs

from .derivation import is_uuid
from .roles import KnownRoles, StoredRoleRef

MAX_ROLES = 5

_FIELDS = ("id", "type", "workspaces")


def read_roles(
    body: Mapping[str, object], known: KnownRoles, details: dict[str, list[str]]
) -> tuple[StoredRoleRef, ...] | None:
    """Return the roles that a body names, or None if it names none; what is wrong goes to `details`."""
    if "roleRefs" in body:
        if "roleIds" in body:
            _note(details, ".roleIds", "is given beside roleRefs, which replaces it; send roleRefs alone")
        return _read_each(body["roleRefs"], ".roleRefs", known, details)
    if "roleIds" in body:
        return _read_each(body["roleIds"], ".roleIds", known, details)
    return None


def _read_each(
    value: object, path: str, known: KnownRoles, details: dict[str, list[str]]
) -> tuple[StoredRoleRef, ...]:
    if not isinstance(value, list):
        _note(details, path, "is not an array")
        return ()
    items = cast("list[object]", value)
    if not 1 <= len(items) <= MAX_ROLES:
        _note(details, path, f"has {len(items)} items; the API takes 1 to {MAX_ROLES}")
        return ()
    read_one = _read_ref if path == ".roleRefs" else _read_id
    refs: list[StoredRoleRef] = []
    for index, item in enumerate(items):
        place = f"{path}[{index}]"
        ref = read_one(item, place, known, details)
        if ref is None:
            continue
        if any(ref.id == other.id and set(ref.workspaces) == set(other.workspaces) for other in refs):
            _note(details, place, "repeats an item before it; the API takes each item once")
        refs.append(ref)
    return tuple(refs)


def _read_ref(
    item: object, place: str, known: KnownRoles, details: dict[str, list[str]]
) -> StoredRoleRef | None:
    if not isinstance(item, dict):
        _note(details, place, "is not an object")
        return None
    fields = cast("dict[str, object]", item)  # JSON objects have no keys but strings
    for name in fields.keys() - set(_FIELDS):
        _note(details, f"{place}.{name}", "is not known; remove it")
    if "id" not in fields:
        _note(details, f"{place}.id", "is missing")
        return None
    ref = _read_id(fields["id"], f"{place}.id", known, details)
    if ref is None:
        return None
    kind = fields.get("type", ref.type)
    if kind != ref.type:
        _note(details, f"{place}.type", f"is not {ref.type}, the type of this role")
    workspaces = _read_workspaces(fields.get("workspaces", []), f"{place}.workspaces", known, details)
    return attrs.evolve(ref, workspaces=workspaces)


def _read_id(
    item: object, place: str, known: KnownRoles, details: dict[str, list[str]]
) -> StoredRoleRef | None:
    role_id = _read_uuid(item, place, details)
    if role_id is None:
        return None
    role = known.roles.get(role_id)
    if role is None:
        _note(details, place, "is not a role of this organization, and not a managed one")
        return None
    return StoredRoleRef(role.id, role.type)


def _read_workspaces(
    value: object, path: str, known: KnownRoles, details: dict[str, list[str]]
) -> tuple[str, ...]:
    if not isinstance(value, list):
        _note(details, path, "is not an array")
        return ()
    found: list[str] = []
    for index, item in enumerate(cast("list[object]", value)):
        place = f"{path}[{index}]"
        workspace_id = _read_uuid(item, place, details)
        if workspace_id is None:
            continue
        if workspace_id not in known.workspaces:
            _note(details, place, "is not a workspace of this organization")
        elif workspace_id in found:
            _note(details, place, "comes a second time; the API takes each workspace once")
        found.append(workspace_id)
    return tuple(found)


def _read_uuid(item: object, place: str, details: dict[str, list[str]]) -> str | None:
    if isinstance(item, str) and is_uuid(item):
        return item.lower()
    _note(details, place, "is not a UUID")
    return None


def _note(details: dict[str, list[str]], path: str, message: str) -> None:
    details.setdefault(path, []).append(message)
