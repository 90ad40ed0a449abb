"""What callers give: ids, texts, roles and the bounds of a listing, checked before anything is sent."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias
from uuid import UUID

from accesskeys_async._contract.fields import parse_uuid
from accesskeys_async.errors import InvalidRequestError, one_line
from accesskeys_async.records import UNSET, RoleRef, Unset

Id: TypeAlias = str | UUID
RoleIds: TypeAlias = Iterable[str | UUID] | Unset
RoleRefLike: TypeAlias = RoleRef | str | UUID | Mapping[str, object]
"""A role reference, a role's id, or a mapping with `id` and, if wanted, `type` and `workspaces`."""
RoleRefs: TypeAlias = Iterable[RoleRefLike] | Unset

MAX_PAGE_SIZE: Final = 100
MAX_TEXT_LENGTH: Final = 256
MAX_ROLES: Final = 5
"""Roles of one key; the service's bound, for `role_refs` and `role_ids` alike."""
MAX_PAGE_TOKEN_LENGTH: Final = 4096


def read_id(argument: str, value: Id) -> UUID:
    """Check an id. Raises InvalidRequestError for what is no UUID."""
    if isinstance(value, UUID):
        return value
    try:
        return parse_uuid(value)
    except ValueError:
        pass
    if isinstance(value, str):
        raise InvalidRequestError(
            argument, f"is {len(value)} characters and not a UUID; give the id, 36 characters with hyphens"
        )
    raise InvalidRequestError(argument, f"is of type {type(value).__name__}; it takes str or uuid.UUID")


def check_text(argument: str, value: str) -> str:
    """Check a name or description. Raises InvalidRequestError."""
    if not isinstance(value, str):
        raise InvalidRequestError(argument, f"is of type {type(value).__name__}; it takes str")
    if not 1 <= len(value) <= MAX_TEXT_LENGTH:
        raise InvalidRequestError(
            argument, f"is {len(value)} characters; the API takes 1 to {MAX_TEXT_LENGTH}"
        )
    check_unicode(argument, value)
    return value


def check_unicode(argument: str, value: str) -> None:
    """Check that every encoding carries the text. Raises InvalidRequestError."""
    if value.isascii():
        return
    for index, character in enumerate(value):
        if "\ud800" <= character <= "\udfff":
            raise InvalidRequestError(
                argument, f"has half a surrogate pair at {index}, which no encoding carries; leave it out"
            )


def read_role_ids(role_ids: RoleIds) -> tuple[UUID, ...] | Unset:
    """Check role ids, and keep them: an iterator gives them once. Raises InvalidRequestError."""
    if isinstance(role_ids, Unset):
        return role_ids
    if isinstance(role_ids, str | UUID):
        raise InvalidRequestError("role_ids", "is a single id; it takes several, such as a list")
    if not isinstance(role_ids, Iterable):
        raise InvalidRequestError(
            "role_ids", f"is of type {type(role_ids).__name__}; it takes several ids, such as a list"
        )
    ids = tuple(read_id(f"role_ids[{index}]", value) for index, value in enumerate(role_ids))
    if not 1 <= len(ids) <= MAX_ROLES:
        raise InvalidRequestError("role_ids", f"has {len(ids)} ids; the API takes 1 to {MAX_ROLES}")
    return ids


def read_role_refs(role_refs: RoleRefs) -> tuple[RoleRef, ...] | Unset:
    """Check role references, and keep them: an iterator gives them once. Raises InvalidRequestError."""
    if isinstance(role_refs, Unset):
        return role_refs
    if isinstance(role_refs, str | UUID | RoleRef | Mapping):
        raise InvalidRequestError("role_refs", "is a single role; it takes several, such as a list")
    if not isinstance(role_refs, Iterable):
        raise InvalidRequestError(
            "role_refs", f"is of type {type(role_refs).__name__}; it takes several roles, such as a list"
        )
    refs = tuple(_read_role_ref(f"role_refs[{index}]", value) for index, value in enumerate(role_refs))
    if not 1 <= len(refs) <= MAX_ROLES:
        raise InvalidRequestError("role_refs", f"has {len(refs)} roles; the API takes 1 to {MAX_ROLES}")
    seen: dict[object, int] = {}
    for index, ref in enumerate(refs):
        first = seen.setdefault(ref.grant, index)
        if first != index:
            raise InvalidRequestError(f"role_refs[{index}]", f"repeats role_refs[{first}]; leave one out")
    return refs


_ROLE_REF_FIELDS: Final = frozenset({"id", "type", "workspaces"})


def _read_role_ref(argument: str, value: RoleRefLike) -> RoleRef:
    if isinstance(value, RoleRef):
        given: Mapping[str, object] = {"id": value.id, "type": value.type, "workspaces": value.workspaces}
    elif isinstance(value, Mapping):
        given = value
    else:
        return RoleRef(read_id(argument, value))
    unknown = sorted(str(name) for name in given.keys() - _ROLE_REF_FIELDS)
    if unknown:
        names = one_line(", ".join(unknown[:3]), 80)
        raise InvalidRequestError(argument, f"has {names}; a role reference has id, type and workspaces")
    kind = given.get("type", UNSET)
    if not (isinstance(kind, str | Unset) or kind is None):
        raise InvalidRequestError(f"{argument}.type", f"is of type {type(kind).__name__}; it takes str")
    # Nothing is sent for null, which the contract knows in responses alone.
    return RoleRef(
        read_id(f"{argument}.id", given.get("id")),  # type: ignore[arg-type]  # checked there
        kind if isinstance(kind, str) else UNSET,
        _read_workspaces(f"{argument}.workspaces", given.get("workspaces")),
    )


def _read_workspaces(argument: str, value: object) -> tuple[UUID, ...] | Unset:
    if value is None or isinstance(value, Unset):
        return UNSET
    if isinstance(value, str | UUID | Mapping) or not isinstance(value, Iterable):
        raise InvalidRequestError(
            argument, f"is of type {type(value).__name__}; it takes several ids, such as a list"
        )
    ids = tuple(read_id(f"{argument}[{index}]", item) for index, item in enumerate(value))
    if len(set(ids)) != len(ids):
        raise InvalidRequestError(argument, "names a workspace more than once; name each once")
    return ids


def check_roles(role_refs: RoleRefs, role_ids: RoleIds) -> None:
    """Check that roles are given in one form. Raises InvalidRequestError."""
    if not isinstance(role_refs, Unset) and not isinstance(role_ids, Unset):
        raise InvalidRequestError(
            "role_ids", "is given beside role_refs, which replaces it; give role_refs alone"
        )


def warn_of_role_ids(role_ids: object, *, stacklevel: int) -> None:
    """Warn that the API deprecates roleIds if they are given at all."""
    if not isinstance(role_ids, Unset):
        warnings.warn(
            "role_ids is deprecated by the API; use role_refs", DeprecationWarning, stacklevel=stacklevel + 1
        )


def check_list(*, limit: int, page_token: str | None, prefetch: int = 0) -> None:
    """Check the bounds of a listing. Raises InvalidRequestError."""
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise InvalidRequestError("limit", f"is of type {type(limit).__name__}; it takes int")
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise InvalidRequestError("limit", f"is {limit}; the API takes 1 to {MAX_PAGE_SIZE}")
    if prefetch < 0:
        raise InvalidRequestError("prefetch", f"is {prefetch}; it takes 0 or more")
    if page_token is None:
        return
    if not isinstance(page_token, str):
        raise InvalidRequestError("page_token", f"is of type {type(page_token).__name__}; it takes str")
    if not 1 <= len(page_token) <= MAX_PAGE_TOKEN_LENGTH:
        raise InvalidRequestError(
            "page_token", f"is {len(page_token)} characters; it takes 1 to {MAX_PAGE_TOKEN_LENGTH}"
        )
    check_unicode("page_token", page_token)
