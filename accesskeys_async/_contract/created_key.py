"""Reading the response to a create: a record, and the one time that its token is shown."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from attrs import fields

from accesskeys_async._contract import strict
from accesskeys_async._contract.decoding import check_id
from accesskeys_async._contract.fields import JSON, parse_uuid, wire_name
from accesskeys_async.errors import APIResponseError
from accesskeys_async.records import AccessKey, CreatedAccessKey, Token

_Object = dict[str, JSON]

RECORD: Final = "accessKey"
TOKEN: Final = "token"  # noqa: S105 - the field's name
MAX_OBJECTS: Final = 1000
"""How many objects and arrays of a response in another shape are looked through."""
MAX_SHOWN_NAME: Final = 30
_RECORD_NAMES: Final = frozenset(wire_name(field.name) for field in fields(AccessKey))
_RECORD_SIGNS: Final = frozenset({"id", "organizationId", "suffix"})
_ID_NAMES: Final = frozenset({"id", "accessKeyId", "keyId"})
_ROLE_NAMES: Final = frozenset({"roles", "roleRefs"})
_ID_OR_ROLES: Final = re.compile(
    rb'"(?:id|accessKeyId|keyId)"\s*:\s*"([0-9A-Fa-f-]{32,36})"|"role(?:s|Refs)"\s*:'
)


def read_created(body: bytes, *, organization_id: UUID) -> CreatedAccessKey:
    """Read the response to a create (`CreatedAccessKey` in the contract): `accessKey` and `token`.

    A response in another shape is read too if it has exactly one record, and outside that record's fields
    exactly one string that is longer than `suffix` and ends with it. Raises APIResponseError for any other
    response; its `key_id` is the id of the key that was created, if the response has one id that may be it.
    """
    try:
        value = strict.parse(body)
    except APIResponseError as error:
        failure, found = error, _ID_OR_ROLES.search(body)  # the ids of roles come after the key's
        failure.key_id = _parse_id(found[1].decode()) if found and found[1] else None
    else:
        try:
            return _structure(value, organization_id)
        except APIResponseError as error:
            failure = error
            failure.key_id = _find_id(value)
    raise failure


def _structure(value: JSON, organization_id: UUID) -> CreatedAccessKey:
    place, record = _find_record(value)
    key = strict.structure(record, AccessKey, place=place)
    check_id(key.organization_id, organization_id, f"{place}.organizationId")
    token = _find_token(value, record, key.suffix)
    known: dict[str, Any] = {field.name: getattr(key, field.name) for field in fields(AccessKey)}
    return CreatedAccessKey(**known, token=token)


def _find_record(value: JSON) -> tuple[str, JSON]:
    if not isinstance(value, dict):
        raise APIResponseError("$", "expected an object")
    if isinstance(value.get(RECORD), dict):
        return f"$.{RECORD}", value[RECORD]
    found = [(place, item) for place, item in _objects(value) if item.keys() >= _RECORD_SIGNS]
    if len(found) == 1:
        return found[0]
    raise APIResponseError("$", f"expected one access key in {RECORD!r}, found {len(found)}")


def _find_token(value: JSON, record: JSON, suffix: str) -> Token:
    published = value.get(TOKEN) if isinstance(value, dict) else None
    if isinstance(published, str) and published.endswith(suffix):
        return Token(published)
    strings = [
        (name, text)
        for _, item in _objects(value)
        for name, text in item.items()
        if isinstance(text, str) and not (item is record and name in _RECORD_NAMES)
    ]
    texts = {text for _, text in strings if len(text) > len(suffix) and text.endswith(suffix)}
    if len(texts) == 1:
        return Token(texts.pop())
    names = ", ".join(sorted({_show_name(name) for name, _ in strings[:20]})) or "none"
    problem = f"expected one string that ends with the suffix, found {len(texts)}"
    raise APIResponseError("$", f"{problem} (strings outside the record: {names})")


def _find_id(value: JSON) -> str | None:
    """Return the key's id, from the published record, the records, or anywhere; None if several may be it."""
    objects = [item for _, item in _objects(value)]
    published = value.get(RECORD) if isinstance(value, dict) else None
    records = [item for item in objects if item.keys() >= _RECORD_SIGNS]
    for places in ([published] if isinstance(published, dict) else [], records, objects):
        ids = {_parse_id(item[name]) for item in places for name in item if name in _ID_NAMES} - {None}
        if ids:
            return ids.pop() if len(ids) == 1 else None
    return None


def _objects(value: JSON) -> Iterator[tuple[str, _Object]]:
    """Yield the objects in a response with their places, the outermost first, roles left out."""
    waiting: deque[tuple[str, JSON]] = deque([("$", value)])
    for _ in range(MAX_OBJECTS):
        if not waiting:
            return
        place, item = waiting.popleft()
        inner: list[tuple[str, JSON]] = []
        if isinstance(item, dict):
            yield place, item
            inner = [
                (f"{place}.{_show_name(name)}", x) for name, x in item.items() if name not in _ROLE_NAMES
            ]
        elif isinstance(item, list):
            inner = [(f"{place}[{index}]", x) for index, x in enumerate(item[:MAX_OBJECTS])]
        waiting.extend((where, x) for where, x in inner if isinstance(x, dict | list))


def _show_name(name: str) -> str:
    """Name a field, unless it could be a token itself: those have digits."""
    is_name = len(name) <= MAX_SHOWN_NAME and name.isidentifier() and not any(map(str.isdigit, name))
    return name if is_name else f"one of {len(name)} characters"


def _parse_id(value: object) -> str | None:
    try:
        return str(parse_uuid(value))
    except ValueError:
        return None
