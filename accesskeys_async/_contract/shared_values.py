"""Roles as values that keys share: few and repeated, they are looked up by their undecoded JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from accesskeys_async._contract import strict
from accesskeys_async.errors import APIResponseError
from accesskeys_async.records import UNSET, Role, RoleRef, Unset

T = TypeVar("T")

MAX_BYTES: Final = 512 * 1024
"""Of JSON in one table: hostile values take thirty times as much memory as their text."""
MAX_ENTRY_BYTES: Final = 16 * 1024
"""A longer text is read each time it occurs."""
MUTABLE: Final = re.compile(rb'"conditionsAll"\s*:\s*\[\s*[^\s\]]')
"""Conditions: they are read into plain JSON values, which one key must not share with another."""
_ABSENT: Any = UNSET


class SharedValues(dict[bytes, T]):
    """Values by the JSON that says them, read once each; emptied when it is full."""

    def __init__(self, read: Callable[[bytes], T]) -> None:
        super().__init__()
        self._read = read
        self._bytes = 0

    def __missing__(self, text: bytes) -> T:
        value = self._read(text)
        if len(text) <= MAX_ENTRY_BYTES and not MUTABLE.search(text):
            if self._bytes + len(text) > MAX_BYTES:
                self.clear()
                self._bytes = 0
            self[text] = value
            self._bytes += len(text)
        return value


class _RoleRefRow(msgspec.Struct, gc=False):
    id: UUID
    type: str | None = _ABSENT
    workspaces: tuple[UUID, ...] | None = _ABSENT


_decode_role_refs = msgspec.json.Decoder(list[_RoleRefRow] | None).decode

RoleRefs: TypeAlias = tuple[RoleRef, ...] | None


def _read_role_refs(text: bytes) -> RoleRefs:
    rows = _decode_role_refs(text)
    return None if rows is None else tuple(RoleRef(row.id, row.type, row.workspaces) for row in rows)


def _read_roles(text: bytes) -> tuple[tuple[Role, ...] | None, tuple[RoleRef, ...] | Unset]:
    value = strict.parse(text)
    if value is None:
        return None, UNSET
    if not isinstance(value, list):
        raise APIResponseError("$", "expected an array")
    roles = strict.structure(value, tuple[Role, ...])
    return roles, strict.refer(roles)


ROLE_REFS: Final = SharedValues(_read_role_refs)
"""Role references by their JSON. Raises msgspec.DecodeError if it is out of contract."""

ROLES: Final = SharedValues(_read_roles)
"""Whole roles and the references to them, by their JSON. Raises APIResponseError if it is out of contract."""

REFUSALS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, APIResponseError)
"""What looking up a value may raise."""
