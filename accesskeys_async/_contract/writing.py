"""What operations send, and how a key is written out again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from attrs import AttrsInstance, fields_dict, frozen
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from accesskeys_async._contract.fields import JSON, wire_name
from accesskeys_async._escaping import escape_json
from accesskeys_async.records import UNSET, AccessKey, Policy, PolicyDefinition, Role, RoleRef, Unset

T = TypeVar("T", bound=AttrsInstance)


@frozen
class _Changes:
    """The properties that a create or an update may name; an UNSET one is left out."""

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    role_refs: tuple[RoleRef, ...] | Unset = UNSET
    role_ids: tuple[UUID, ...] | Unset = UNSET


def _write_time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _write(value: object) -> object:
    match value:
        case datetime():
            return _write_time(value)
        case UUID():
            return str(value)
        case tuple():
            return [_write(item) for item in value]
        case RoleRef() | Role() | Policy() | PolicyDefinition():
            return _WRITERS[type(value)](value)
        case _:
            return value


def _make_writer(kind: type[T]) -> Callable[[T], dict[str, JSON]]:
    overrides: dict[str, Any] = {
        name: override(rename=wire_name(name), unstruct_hook=_write) for name in fields_dict(kind)
    }
    return make_dict_unstructure_fn(kind, Converter(), _cattrs_omit_if_default=True, **overrides)


_WRITERS: dict[type, Callable[[Any], dict[str, JSON]]] = {
    kind: _make_writer(kind) for kind in (RoleRef, Role, Policy, PolicyDefinition)
}
_write_changes = _make_writer(_Changes)
_write_key = _make_writer(AccessKey)


def dump_changes(
    *,
    name: str | Unset = UNSET,
    description: str | Unset = UNSET,
    role_refs: tuple[RoleRef, ...] | Unset = UNSET,
    role_ids: tuple[UUID, ...] | Unset = UNSET,
) -> bytes:
    """Write the body of a create or an update; what is UNSET is left out."""
    return msgspec.json.encode(_write_changes(_Changes(name, description, role_refs, role_ids)))


def dump_key(key: AccessKey) -> dict[str, JSON]:
    """Write a key as the API does: camelCase, times in UTC with Z, UNSET fields left out, no token."""
    return _write_key(key)


def dump_json(value: object) -> bytes:
    """Write plain values, UUIDs and times (in UTC with Z) as compact JSON; half an astral pair is escaped."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), default=_write).encode()


def dump_printable(value: object) -> bytes:
    """Write compact JSON that loses nothing, and is safe to show in a terminal."""
    data = dump_json(value)
    if data.isascii() and b"\x7f" not in data:
        return data
    return escape_json(data.decode()).encode()
