"""An access key as others would declare it: msgspec structs, and attrs classes for cattrs as it comes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from attrs import frozen
from cattrs.gen import make_dict_structure_fn, override
from cattrs.preconf.orjson import OrjsonConverter, make_converter

__all__ = ["PlainKey", "PlainPage", "StructKey", "StructPage", "make_plain_converter"]


class StructRoleRef(msgspec.Struct, rename="camel"):
    """A reference to a role."""

    id: UUID
    type: str | None = None
    workspaces: list[UUID] | None = None


class StructDefinition(msgspec.Struct, rename="camel"):
    """A policy's definition."""

    effect: str | None = None
    resources: list[str] | None = None
    actions: list[str] | None = None
    conditions_all: list[Any] | None = None


class StructPolicy(msgspec.Struct, rename="camel"):
    """A role's policy."""

    id: UUID
    name: str | None = None
    description: str | None = None
    definitions: list[StructDefinition] | None = None
    scope: str | None = None
    type: str | None = None


class StructRole(msgspec.Struct, rename="camel"):
    """A whole role."""

    id: UUID
    organization_id: UUID | None = None
    name: str | None = None
    description: str | None = None
    type: str | None = None
    policies: list[StructPolicy] | None = None


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
    role_refs: list[StructRoleRef] | None = None
    roles: list[StructRole] | None = None


class StructPage(msgspec.Struct, rename="camel"):
    """A page of them."""

    results: list[StructKey]
    next_page_token: str | None = None


@frozen
class PlainRoleRef:
    """A reference to a role."""

    id: UUID
    type: str | None = None
    workspaces: list[UUID] | None = None


@frozen
class PlainDefinition:
    """A policy's definition."""

    effect: str | None = None
    resources: list[str] | None = None
    actions: list[str] | None = None
    conditionsAll: list[Any] | None = None  # noqa: N815 - as the service names it


@frozen
class PlainPolicy:
    """A role's policy."""

    id: UUID
    name: str | None = None
    description: str | None = None
    definitions: list[PlainDefinition] | None = None
    scope: str | None = None
    type: str | None = None


@frozen
class PlainRole:
    """A whole role."""

    id: UUID
    organizationId: UUID | None = None  # noqa: N815 - as the service names it
    name: str | None = None
    description: str | None = None
    type: str | None = None
    policies: list[PlainPolicy] | None = None


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
    role_refs: list[PlainRoleRef] | None = None
    roles: list[PlainRole] | None = None


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
        role_refs=override(rename="roleRefs"),
    )
    converter.register_structure_hook(PlainKey, hook)
    # Only now: a page's hook is made with the keys' hook at hand.
    page_hook = make_dict_structure_fn(PlainPage, converter, next_page_token=override(rename="nextPageToken"))
    converter.register_structure_hook(PlainPage, page_hook)
    return converter
