"""What the fields are called in JSON, and what any JSON is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, TypeAlias
from uuid import UUID

import msgspec

Time: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""A date-time with its offset, as the compiled decoder knows it."""

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"

_WIRE_NAMES: Final = {
    "organization_id": "organizationId",
    "created_at": "createdAt",
    "last_used_at": "lastUsedAt",
    "updated_at": "updatedAt",
    "role_ids": "roleIds",
    "role_refs": "roleRefs",
    "conditions_all": "conditionsAll",
    "next_page_token": "nextPageToken",
}


def wire_name(name: str) -> str:
    """Name a record's field as the API does."""
    return _WIRE_NAMES.get(name, name)


def parse_uuid(value: object) -> UUID:
    """Read a UUID from its text with or without hyphens. Raises ValueError for all else."""
    if isinstance(value, str):
        try:
            return msgspec.convert(value, UUID)
        except msgspec.ValidationError:
            pass
    raise ValueError("expected a UUID")


def format_uuid(value: UUID) -> str:
    """Write a UUID as `str` does, in a fifth of the time."""
    text: str = msgspec.to_builtins(value)
    return text


class _Recent:
    """The organization that was written last: one object and its text, in one step for all threads."""

    pair: tuple[UUID | None, str] = (None, "")


def format_organization(value: UUID) -> str:
    """Write an organization's UUID; mostly it is the one that was written before, which costs nothing."""
    recent, text = _Recent.pair
    if recent is not value:
        text = format_uuid(value)
        _Recent.pair = (value, text)
    return text
