"""The contract's bounds on queries and bodies; what breaks one is a 422 that names its path."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import NoReturn, Protocol, TypeVar, cast

import attrs

from .replies import Refusal, invalid
from .role_references import read_roles
from .roles import KnownRoles, StoredRoleRef

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
MAX_TEXT = 256

_T = TypeVar("_T")
_U = TypeVar("_U")

_LONGEST_LIMIT = 10
_INTEGER = re.compile(r"-?[0-9]+")
_FIELDS = frozenset({"name", "description", "roleRefs", "roleIds"})


class MultiValued(Protocol):
    """The part of a multi-dict that reading a query takes."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """Return every value of a name."""
        ...


@attrs.frozen
class ListQuery:
    """The query of a list request, within its bounds."""

    limit: int = DEFAULT_LIMIT
    page_token: str | None = None
    reverse: bool = False


@attrs.frozen
class Draft:
    """The fields that a body named; None is a field that it left out."""

    name: str | None = None
    description: str | None = None
    role_refs: tuple[StoredRoleRef, ...] | None = None


def read_list_query(query: MultiValued) -> ListQuery:
    """Return the query of a list request; parameters that the contract does not know are ignored.

    Raises:
        Refusal: 422, with every parameter that breaks a bound.
    """
    details: dict[str, list[str]] = {}
    limit = _read_parameter(query, "limit", _read_limit, DEFAULT_LIMIT, details)
    reverse = _read_parameter(query, "reverse", _read_flag, False, details)
    page_token = _read_parameter(query, "pageToken", str, None, details)
    if details:
        raise invalid(details)
    return ListQuery(limit=limit, page_token=page_token, reverse=reverse)


def read_object(body: bytes) -> Mapping[str, object]:
    """Return the JSON object that a body holds.

    Raises:
        Refusal: 400 for what is not JSON (RFC 8259, names unique); 422 for JSON that is not an object.
    """
    try:
        value: object = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    except ValueError as error:
        raise _malformed(str(error)) from None
    if not isinstance(value, dict):
        raise invalid({".": [f"is {_kind(value)}; the API takes an object"]})
    return cast("dict[str, object]", value)  # JSON objects have no keys but strings


def read_draft(body: Mapping[str, object], known: KnownRoles, *, required: tuple[str, ...] = ()) -> Draft:
    """Return what a body sets.

    Raises:
        Refusal: 422, with every field that breaks a bound, is not known, or is required and missing.
    """
    details: dict[str, list[str]] = {}
    name = _read_field(body, "name", _read_text, required, details)
    description = _read_field(body, "description", _read_text, required, details)
    role_refs = read_roles(body, known, details)
    details.update({f".{field}": ["is not known; remove it"] for field in body if field not in _FIELDS})
    if details:
        raise invalid(details)
    return Draft(name=name, description=description, role_refs=role_refs)


def _read_parameter(
    query: MultiValued, field: str, read: Callable[[str], _T], default: _U, details: dict[str, list[str]]
) -> _T | _U:
    values = query.getall(field, [])
    if not values:
        return default
    try:
        if len(values) > 1:
            raise ValueError(f"is given {len(values)} times; the API takes it once")
        return read(values[0])
    except ValueError as error:
        details[f".{field}"] = [str(error)]
        return default


def _read_limit(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"is not a whole number; the API takes 1 to {MAX_LIMIT}")
    # Compared as text first: int() refuses more digits than a limit can have.
    limit = int(text) if len(text) <= _LONGEST_LIMIT else MAX_LIMIT + 1
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"is out of bounds; the API takes 1 to {MAX_LIMIT}")
    return limit


def _read_flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("is neither true nor false")
    return text == "true"


def _read_field(
    body: Mapping[str, object],
    field: str,
    read: Callable[[object], _T],
    required: tuple[str, ...],
    details: dict[str, list[str]],
) -> _T | None:
    try:
        if field not in body:
            if field in required:
                raise ValueError("is missing")
            return None
        return read(body[field])
    except ValueError as error:
        details[f".{field}"] = [str(error)]
        return None


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is {_kind(value)}; the API takes a string")
    if not 1 <= len(value) <= MAX_TEXT:
        raise ValueError(f"is {len(value)} characters; the API takes 1 to {MAX_TEXT}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair, which is not a character") from None
    return value


def _kind(value: object) -> str:
    # bool first, because it is an int to Python and not to JSON.
    kinds = ((bool, "a boolean"), (str, "a string"), (int | float, "a number"), (list, "an array"))
    if value is None:
        return "null"
    return next((name for kind, name in kinds if isinstance(value, kind)), "an object")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name comes twice in one object")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _malformed(reason: str) -> Refusal:
    return Refusal(400, "MalformedBody", f"The body is not JSON: {reason}")
