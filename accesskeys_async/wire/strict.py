"""The strict way in: cattrs with detailed validation, which names the place of what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from attrs import evolve
from cattrs import AttributeValidationNote, Converter, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override

from accesskeys_async.errors import APIResponseError, one_line
from accesskeys_async.records import (
    SUFFIX_LENGTH,
    UNSET,
    AccessKey,
    AccessKeyPage,
    Policy,
    PolicyDefinition,
    Role,
    RoleRef,
)
from accesskeys_async.wire.fields import JSON, Time, parse_uuid, wire_name

T = TypeVar("T")


def _read_text(value: object, _: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("expected a string")


def _read_suffix(value: object, _: object) -> str:
    if isinstance(value, str) and len(value) == SUFFIX_LENGTH:
        return value
    raise ValueError(f"expected a string of {SUFFIX_LENGTH} characters")


def _read_uuid(value: object, _: object) -> UUID:
    return parse_uuid(value)


def _read_time(value: object, _: object) -> datetime:
    if isinstance(value, str):
        try:
            time: datetime = msgspec.convert(value, Time)
            return time.astimezone(UTC)
        except (msgspec.ValidationError, OverflowError):
            pass
    raise ValueError("expected a date-time with its offset")


def _read_texts(value: object, _: object) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError("expected an array of strings")


def _read_any(value: object, _: object) -> tuple[object, ...]:
    if isinstance(value, list):
        return tuple(value)
    raise ValueError("expected an array")


_Hook: TypeAlias = Callable[[Any, Any], Any]


def _or_null(hook: _Hook) -> _Hook:
    return lambda value, kind: None if value is None else hook(value, kind)


def _object_hook(kind: type[T], converter: Converter, **hooks: _Hook) -> Callable[[Any, Any], T]:
    overrides: dict[str, Any] = {
        name: override(rename=wire_name(name), struct_hook=hook) for name, hook in hooks.items()
    }
    structure = make_dict_structure_fn(kind, converter, _cattrs_detailed_validation=True, **overrides)

    def read(value: object, _: object) -> T:
        if not isinstance(value, dict):
            raise ValueError("expected an object")
        return structure(value, kind)

    return read


def _array_hook(kind: type[T], converter: Converter, **hooks: _Hook) -> _Hook:
    """Return what reads an array of objects of that kind, whose fields the hooks read."""
    converter.register_structure_hook(kind, _object_hook(kind, converter, **hooks))
    return _items_hook(kind, converter)


def _items_hook(kind: Any, converter: Converter) -> _Hook:
    items = tuple[kind, ...]
    read_items = converter.get_structure_hook(items)

    def read(value: object, _: object) -> Any:
        if not isinstance(value, list):
            raise ValueError("expected an array")
        return read_items(value, items)

    return read


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=True)
    text_or_null = _or_null(_read_text)
    converter.register_structure_hook(UUID, _read_uuid)
    role_refs = _array_hook(
        RoleRef,
        converter,
        id=_read_uuid,
        type=text_or_null,
        workspaces=_or_null(_items_hook(UUID, converter)),
    )
    definitions = _array_hook(
        PolicyDefinition,
        converter,
        effect=text_or_null,
        resources=_or_null(_read_texts),
        actions=_or_null(_read_texts),
        conditions_all=_or_null(_read_any),
    )
    policies = _array_hook(
        Policy,
        converter,
        id=_read_uuid,
        name=text_or_null,
        description=text_or_null,
        definitions=_or_null(definitions),
        scope=text_or_null,
        type=text_or_null,
    )
    roles = _array_hook(
        Role,
        converter,
        id=_read_uuid,
        organization_id=_or_null(_read_uuid),
        name=text_or_null,
        description=text_or_null,
        type=text_or_null,
        policies=_or_null(policies),
    )
    read_key = _object_hook(
        AccessKey,
        converter,
        id=_read_uuid,
        organization_id=_read_uuid,
        name=_read_text,
        suffix=_read_suffix,
        created_at=_read_time,
        type=text_or_null,
        description=text_or_null,
        last_used_at=_or_null(_read_time),
        updated_at=_or_null(_read_time),
        role_ids=_or_null(_read_texts),
        role_refs=_or_null(role_refs),
        roles=_or_null(roles),
    )

    def read_key_with_refs(value: object, kind: object) -> AccessKey:
        key = read_key(value, kind)
        if key.role_refs is UNSET and isinstance(key.roles, tuple):
            return evolve(key, role_refs=refer(key.roles))
        return key

    converter.register_structure_hook(AccessKey, read_key_with_refs)
    converter.register_structure_hook(
        AccessKeyPage,
        _object_hook(
            AccessKeyPage,
            converter,
            results=_items_hook(AccessKey, converter),
            next_page_token=lambda value, kind: text_or_null(value, kind) or None,
        ),
    )
    return converter


_converter = _make_converter()


def parse(body: bytes) -> JSON:
    """Read any JSON. Raises APIResponseError that says where it breaks off."""
    try:
        value: JSON = msgspec.json.decode(body)
        return value
    except RecursionError:
        problem = "expected JSON, found it nested too deep"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = f"expected JSON, found {len(body)} bytes of something else ({one_line(str(error), 100)})"
    raise APIResponseError("$", problem)


def read(body: bytes, kind: type[T]) -> T:
    """Read an AccessKey or AccessKeyPage. Raises APIResponseError with the place of the first mistake."""
    return structure(parse(body), kind)


def structure(value: JSON, kind: type[T], *, place: str = "$") -> T:
    """Do what `read` does with JSON that is parsed already, and stands at that place."""
    try:
        return _converter.structure(value, kind)
    except Exception as error:  # noqa: BLE001 - whatever a hook made of it, it is the response's fault
        place, expected = _locate(error, place)
    # Raised here, and not in the handler, so that no cause drags the response's values along.
    raise APIResponseError(place, expected)


def refer(roles: tuple[Role, ...]) -> tuple[RoleRef, ...]:
    """Derive the references to whole roles, which do not tell workspaces."""
    return tuple(RoleRef(role.id, role.type) for role in roles)


def _locate(error: BaseException, place: str) -> tuple[str, str]:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
        for note in getattr(error, "__notes__", ()):
            if isinstance(note, AttributeValidationNote):
                place += f".{wire_name(note.name)}"
            elif isinstance(note, IterableValidationNote):
                place += f"[{note.index}]"
    return place, "expected a value, found none" if isinstance(error, KeyError) else one_line(str(error))
