"""The strict way in: cattrs with detailed validation, which names the place of what is wrong."""

from __future__ import annotations

import json
import math
import re
import types
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from attrs import NOTHING, evolve, fields
from cattrs import AttributeValidationNote, Converter, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override

from accesskeys_async._contract.fields import JSON, Time, parse_uuid, wire_name
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


_LEAP_SECOND: Final = re.compile(r"(?<=[Tt ][0-9]{2}:[0-9]{2}):60")
"""Read as the second that follows it, since `datetime` has none."""


def _read_time(value: object, _: object) -> datetime:
    if isinstance(value, str):
        plain, seconds = _LEAP_SECOND.subn(":59", value, count=1)
        try:
            time: datetime = msgspec.convert(plain, Time)
            return time.astimezone(UTC) + timedelta(seconds=seconds)
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
    return converter


_converter = _make_converter()

_ABSENT: Any = UNSET
_ROLE_FIELDS: Final = frozenset({"role_ids", "role_refs", "roles"})
"""The fields whose value is an array."""


def _raw_struct(kind: type) -> Any:
    """Return the class of a record's fields, undecoded; fields that nobody knows are passed over."""
    required = [(field.name, msgspec.Raw) for field in fields(kind) if field.default is NOTHING]
    optional = [(field.name, msgspec.Raw, _ABSENT) for field in fields(kind) if field.default is not NOTHING]
    return msgspec.defstruct(
        f"Raw{kind.__name__}", [*required, *optional], rename=wire_name, gc=False, kw_only=True
    )


_RawKey = _raw_struct(AccessKey)
_RawKeys: Any = types.GenericAlias(list, _RawKey)
_RawPage = msgspec.defstruct(
    "RawPage",
    [("results", _RawKeys), ("next_page_token", msgspec.Raw, _ABSENT)],
    rename=wire_name,
    gc=False,
)
_decode_raw_key = msgspec.json.Decoder(_RawKey).decode
_decode_raw_page = msgspec.json.Decoder(_RawPage).decode


def _read_number(text: str) -> float | int | str:
    """Read a number; one past a double's range stays text."""
    number = float(text)
    return (number if set(text) & set(".eE") else int(text)) if math.isfinite(number) else text


def _refuse_constant(text: str) -> NoReturn:
    raise msgspec.DecodeError(f"JSON has no {text}")


def _decode_any(body: bytes) -> JSON:
    value: JSON
    try:
        value = msgspec.json.decode(body)
    except msgspec.ValidationError:  # a number is out of range
        value = json.loads(
            body, parse_int=_read_number, parse_float=_read_number, parse_constant=_refuse_constant
        )
    return value


def _check_json(body: bytes) -> None:
    body.decode()
    msgspec.json.decode(body, type=msgspec.Raw)


_HALF_PAIRS: Final = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)


def replace_half_pairs(body: bytes) -> bytes:
    r"""Put U+FFFD in place of each escape of half a surrogate pair, such as `\ud83d` alone."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    return _HALF_PAIRS.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)


def _decode(decode: Callable[[bytes], Any], body: bytes) -> Any:
    """Decode JSON. Raises APIResponseError that says what is wrong with the JSON, and where."""
    place, body = "$", replace_half_pairs(body)
    try:
        try:
            return decode(body)
        except msgspec.ValidationError as error:
            place, problem = _explain(str(error))
        _check_json(body)
    except RecursionError:
        place, problem = "$", "expected JSON, found it nested too deep"
    except (msgspec.DecodeError, ValueError) as error:
        place, size = "$", len(body)
        problem = f"expected JSON, found {size} bytes of something else ({one_line(str(error), 100)})"
    raise APIResponseError(place, problem)


_EXPECTED: Final = re.compile(r"Expected `(array|object)`")
_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_PLACE: Final = re.compile(r" - at `(\$[\w.\[\]]*)`$")


def _explain(message: str) -> tuple[str, str]:
    """Say in our words what msgspec says, as far as it is understood."""
    found = _PLACE.search(message)
    place = found[1] if found else "$"
    if missing := _MISSING.search(message):
        return f"{place}.{missing[1]}", "expected a value, found none"
    if expected := _EXPECTED.match(message):
        return place, f"expected an {expected[1]}"
    return place, one_line(_PLACE.sub("", message), 100)


def parse(body: bytes) -> JSON:
    """Read any JSON. Raises APIResponseError that says where it breaks off."""
    value: JSON = _decode(_decode_any, body)
    return value


def read_page(body: bytes) -> AccessKeyPage:
    """Read a page. Raises APIResponseError with the place of the first mistake, and reads none after it."""
    page = _decode(_decode_raw_page, body)
    rows = enumerate(page.results)
    keys = tuple(structure(_open(row), AccessKey, place=f"$.results[{index}]") for index, row in rows)
    value = [] if page.next_page_token is _ABSENT else [_open_field("", page.next_page_token)]
    if not value or value[0] is None:
        return AccessKeyPage(keys)
    if not isinstance(value[0], str):
        raise APIResponseError("$.nextPageToken", "expected a string")
    return AccessKeyPage(keys, value[0] or None)


def read_key(body: bytes) -> AccessKey:
    """Read a key. Raises APIResponseError with the place of the first mistake."""
    return structure(_open(_decode(_decode_raw_key, body)), AccessKey)


def _open(row: Any) -> dict[str, JSON]:
    present = ((name, getattr(row, name)) for name in row.__struct_fields__)
    return {wire_name(name): _open_field(name, raw) for name, raw in present if raw is not _ABSENT}


def _open_field(name: str, raw: msgspec.Raw) -> JSON:
    """Decode a field's value; an array or object in place of plain text is not worth its memory."""
    text = bytes(raw)
    if text[:1] in (b"[", b"{") and name not in _ROLE_FIELDS:
        return []
    return parse(text)


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
