"""An access key as others would declare it: an msgspec struct, and attrs classes for cattrs as it comes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from attrs import frozen
from cattrs.gen import make_dict_structure_fn, override
from cattrs.preconf.orjson import OrjsonConverter, make_converter

__all__ = ["PlainKey", "PlainPage", "StructKey", "StructPage", "make_plain_converter"]


class StructKey(msgspec.Struct, rename="camel"):
    """An access key as msgspec reads it best."""

    id: UUID
    organization_id: UUID
    name: str
    suffix: str
    created_at: datetime
    type: str | None = None
    description: str | None = None
    last_used_at: datetime | None = None
    updated_at: datetime | None = None
    role_ids: list[str] | None = None


class StructPage(msgspec.Struct, rename="camel"):
    """A page of them."""

    results: list[StructKey]
    next_page_token: str | None = None


@frozen
class PlainKey:
    """An access key as one declares it without a second thought."""

    id: UUID
    organization_id: UUID
    name: str
    suffix: str
    created_at: datetime
    type: str | None = None
    description: str | None = None
    last_used_at: datetime | None = None
    updated_at: datetime | None = None
    role_ids: list[str] | None = None


@frozen
class PlainPage:
    """A page of them."""

    results: list[PlainKey]
    next_page_token: str | None = None


def make_plain_converter() -> OrjsonConverter:
    """Make cattrs' converter for orjson, told no more than it needs to read a page."""
    converter = make_converter()
    converter.register_structure_hook(UUID, lambda text, _: UUID(text))
    hook = make_dict_structure_fn(
        PlainKey,
        converter,
        organization_id=override(rename="organizationId"),
        created_at=override(rename="createdAt"),
        last_used_at=override(rename="lastUsedAt"),
        updated_at=override(rename="updatedAt"),
        role_ids=override(rename="roleIds"),
    )
    converter.register_structure_hook(PlainKey, hook)
    # Only now: a page's hook is made with the keys' hook at hand.
    page_hook = make_dict_structure_fn(PlainPage, converter, next_page_token=override(rename="nextPageToken"))
    converter.register_structure_hook(PlainPage, page_hook)
    return converter
