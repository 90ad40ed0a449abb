"""The JSON of an access key, and the plain record that assertions read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypedDict, cast

import attrs

from .roles import RoleType, StoredRoleRef


class _RefFields(TypedDict):
    id: str
    type: RoleType
    workspaces: list[str]


# A record is kept as JSON up to its last field, lastUsedAt, which alone changes with every use: a page is
# then put together by SQLite, without a row of it passing through Python.
LAST_USED = ',"lastUsedAt":'


@attrs.frozen
class StoredKey:
    """What the emulator holds of one access key; times are RFC 3339 text, as on the wire."""

    id: str
    organization_id: str
    name: str
    description: str | None
    type: str
    suffix: str
    created_at: str
    updated_at: str | None
    last_used_at: str | None
    role_refs: tuple[StoredRoleRef, ...]

    @property
    def role_ids(self) -> tuple[str, ...]:
        """The ids of the roles, as the deprecated field has them."""
        return _role_ids(self.role_refs)


def opening(fields: Mapping[str, object]) -> str:
    """Return the JSON of a record up to lastUsedAt."""
    return json.dumps(fields, separators=(",", ":"))[:-1]


def read_opening(text: str) -> dict[str, object]:
    """Return the fields that `opening` was given."""
    fields: dict[str, object] = json.loads(text + "}")
    return fields


def closed(text: str, last_used_at: str | None) -> str:
    """Return a whole record."""
    return f"{text}{LAST_USED}{json.dumps(last_used_at)}}}"


def role_fields(refs: Sequence[StoredRoleRef]) -> dict[str, object]:
    """Return the fields of a record that tell a key's roles, the deprecated one too."""
    return {"roleRefs": [ref.to_json() for ref in refs], "roleIds": list(_role_ids(refs))}


def _role_ids(refs: Sequence[StoredRoleRef]) -> tuple[str, ...]:
    # A role may be referred to several times, each with other workspaces.
    return tuple(dict.fromkeys(ref.id for ref in refs))


def read_refs(fields: Mapping[str, object]) -> tuple[StoredRoleRef, ...]:
    """Return what `role_fields` was given."""
    refs = cast("list[_RefFields]", fields["roleRefs"])
    return tuple(StoredRoleRef(ref["id"], ref["type"], tuple(ref["workspaces"])) for ref in refs)
