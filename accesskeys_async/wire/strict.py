"""The strict way in: cattrs with detailed validation, which names the place of what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from cattrs import AttributeValidationNote, Converter, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override

from accesskeys_async.errors import APIResponseError, one_line
from accesskeys_async.records import SUFFIX_LENGTH, AccessKey, AccessKeyPage
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


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=True)
    key = _object_hook(
        AccessKey,
        converter,
        id=_read_uuid,
        organization_id=_read_uuid,
        name=_read_text,
        suffix=_read_suffix,
        created_at=_read_time,
        type=_or_null(_read_text),
        description=_or_null(_read_text),
        last_used_at=_or_null(_read_time),
        updated_at=_or_null(_read_time),
        role_ids=_or_null(_read_texts),
    )
    converter.register_structure_hook(AccessKey, key)

    def read_results(value: object, _: object) -> tuple[AccessKey, ...]:
        if not isinstance(value, list):
            raise ValueError("expected an array")
        return converter.structure(value, tuple[AccessKey, ...])

    converter.register_structure_hook(
        AccessKeyPage,
        _object_hook(
            AccessKeyPage,
            converter,
            results=read_results,
            next_page_token=lambda value, kind: _or_null(_read_text)(value, kind) or None,
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


def structure(value: JSON, kind: type[T]) -> T:
    """Do what `read` does with JSON that is parsed already."""
    try:
        return _converter.structure(value, kind)
    except Exception as error:  # noqa: BLE001 - whatever a hook made of it, it is the answer's fault
        place, expected = _locate(error, "$")
    # Raised here, and not in the handler, so that no cause drags the answer's values along.
    raise APIResponseError(place, expected)


def _locate(error: BaseException, place: str) -> tuple[str, str]:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
        for note in getattr(error, "__notes__", ()):
            if isinstance(note, AttributeValidationNote):
                place += f".{wire_name(note.name)}"
            elif isinstance(note, IterableValidationNote):
                place += f"[{note.index}]"
    return place, "expected a value, found none" if isinstance(error, KeyError) else one_line(str(error))
