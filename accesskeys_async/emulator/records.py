"""The JSON of an access key, and the plain record that assertions read."""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

__all__ = ["LAST_USED", "StoredKey", "closed", "opening", "read_opening"]

# A record is kept as JSON up to its last field, lastUsedAt, which alone changes with every use: a page is
# then put together by SQLite, without a row of it passing through Python.
LAST_USED = ',"lastUsedAt":'


@attrs.frozen
class StoredKey:
    """What the emulator holds of one access key; times are RFC 3339 text, as on the wire."""

    id: str
    organization_id: str
    name: str
    description: str | None
    type: str
    suffix: str
    created_at: str
    updated_at: str | None
    last_used_at: str | None
    role_ids: tuple[str, ...]


def opening(fields: Mapping[str, object]) -> str:
    """Return the JSON of a record up to lastUsedAt."""
    return json.dumps(fields, separators=(",", ":"))[:-1]


def read_opening(text: str) -> dict[str, object]:
    """Return the fields that `opening` was given."""
    fields: dict[str, object] = json.loads(text + "}")
    return fields


def closed(text: str, last_used_at: str | None, *, extra: Mapping[str, object] | None = None) -> str:
    """Return a whole record, with more fields at its end if there are any."""
    fields = {"lastUsedAt": last_used_at, **(extra or {})}
    return f"{text},{json.dumps(fields, separators=(',', ':'))[1:]}"
