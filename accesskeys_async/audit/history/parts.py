"""The form in which a reading is kept: what keys are, and when they were used, each a part of its own.

What a key is hardly ever changes, and when it was used changes every day. So a reading is two parts, each
named by the hash of its content and kept once for as many readings as have it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, TypeAlias
from uuid import UUID

from attrs import field, frozen

from accesskeys_async import wire
from accesskeys_async.records import UNSET, AccessKey, Unset

__all__ = ["Part", "Parts", "encode", "find_changes", "load_keys"]

_by_id: Final = attrgetter("id.int")
LEVEL: Final = 3  # of zlib; more takes twice the time for a tenth of the room

Pairs: TypeAlias = tuple[tuple[AccessKey, AccessKey], ...]


@frozen
class Part:
    """Plain JSON, named by its hash."""

    body: bytes = field(repr=False)
    digest: str

    def pack(self) -> bytes:
        """Return it as it is kept."""
        return zlib.compress(self.body, LEVEL)


@frozen
class Parts:
    """A reading in the form in which it is kept."""

    identities: Part
    """A row for each key, in the order of ids: what it is."""
    uses: Part
    """A row for each key, in the same order: when it was last used and updated."""
    keys: tuple[AccessKey, ...] = field(repr=False)
    """The same keys, in the same order."""


def encode(keys: Sequence[AccessKey]) -> Parts:
    """Write keys in the form in which they are kept; a key that came twice is kept as it came last."""
    ordered = sorted(keys, key=_by_id)
    if len(set(map(_by_id, ordered))) < len(ordered):
        ordered = list({key.id.int: key for key in ordered}.values())
    identities = [
        (
            key.id,
            key.name,
            key.suffix,
            key.created_at,
            _plain(key.type),
            _plain(key.description),
            _plain(key.role_ids),
        )
        for key in ordered
    ]
    uses = [(_plain(key.last_used_at), _plain(key.updated_at)) for key in ordered]
    return Parts(_make_part(identities), _make_part(uses), tuple(ordered))


def _plain(value: object) -> object:
    return False if value is UNSET else value


def _make_part(rows: list[Any]) -> Part:
    body = wire.dump_json(rows)
    return Part(body, hashlib.blake2b(body, digest_size=16).hexdigest())


def _unpack(packed: bytes) -> list[list[Any]]:
    rows: list[list[Any]] = json.loads(zlib.decompress(packed))
    return rows


def load_keys(organization_id: UUID, identities: bytes, uses: bytes) -> tuple[AccessKey, ...]:
    """Read keys back from their packed parts, in the order of ids."""
    rows = zip(_unpack(identities), _unpack(uses), strict=True)
    return tuple(_make_key(organization_id, identity, use) for identity, use in rows)


def _make_key(organization_id: UUID, identity: list[Any], use: list[Any]) -> AccessKey:
    key_id, name, suffix, created_at, kind, description, role_ids = identity
    return AccessKey(
        wire.parse_uuid(key_id),
        organization_id,
        name,
        suffix,
        datetime.fromisoformat(created_at),
        UNSET if kind is False else kind,
        UNSET if description is False else description,
        _read_time(use[0]),
        _read_time(use[1]),
        tuple(role_ids) if isinstance(role_ids, list) else UNSET if role_ids is False else None,
    )


def _take_back(key: AccessKey, use: list[Any]) -> AccessKey:
    # As `evolve` does, in a fifth of the time: every key that is in use comes by here.
    return AccessKey(
        key.id,
        key.organization_id,
        key.name,
        key.suffix,
        key.created_at,
        key.type,
        key.description,
        _read_time(use[0]),
        _read_time(use[1]),
        key.role_ids,
    )


def _read_time(value: str | bool | None) -> datetime | Unset | None:
    return UNSET if value is False else datetime.fromisoformat(value) if isinstance(value, str) else None


def find_changes(
    organization_id: UUID, identities: bytes | None, uses: bytes | None, now: Parts
) -> tuple[tuple[AccessKey, ...], tuple[AccessKey, ...], Pairs]:
    """Return which keys appeared, are gone, and changed since a reading of these packed parts.

    None stands for a part that is the same now. No record is made of a key that is as it was.
    """
    if identities is None and uses is None:
        return (), (), ()
    if identities is None and uses is not None:
        rows = zip(_unpack(uses), json.loads(now.uses.body), now.keys, strict=True)
        changed = tuple((_take_back(key, before), key) for before, after, key in rows if before != after)
        return (), (), tuple(pair for pair in changed if pair[0] != pair[1])
    assert identities is not None
    earlier = list(
        zip(_unpack(identities), json.loads(now.uses.body) if uses is None else _unpack(uses), strict=True)
    )
    return _compare_rows(organization_id, earlier, now)


def _compare_rows(
    organization_id: UUID, earlier: list[tuple[list[Any], list[Any]]], now: Parts
) -> tuple[tuple[AccessKey, ...], tuple[AccessKey, ...], Pairs]:
    before = {row[0][0]: row for row in earlier}
    appeared: list[AccessKey] = []
    changed: list[tuple[AccessKey, AccessKey]] = []
    for identity, use, key in zip(
        json.loads(now.identities.body), json.loads(now.uses.body), now.keys, strict=True
    ):
        row = before.pop(identity[0], None)
        if row is None:
            appeared.append(key)
        elif row != (identity, use):
            old = _make_key(organization_id, *row)
            if old != key:
                changed.append((old, key))
    gone = tuple(_make_key(organization_id, *row) for row in before.values())
    return tuple(appeared), gone, tuple(changed)
