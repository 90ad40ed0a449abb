"""Rows of the decoder into records: in compiled code where that was built, and in Python where it was not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC
from itertools import repeat, starmap
from typing import Any, Final, TypeAlias
from uuid import UUID

from attrs import fields

from accesskeys_async.drafts import open_twin
from accesskeys_async.records import AccessKey

Fill: TypeAlias = Callable[[Sequence[Any], UUID, str], tuple[AccessKey, ...] | None]
"""Takes rows, the organization whose keys they should be, and its id as the API writes it.

Gives None where a row is of another organization, or a time of it not in UTC.
"""

_OWNER: Final = "organization_id"
_TIMES: Final = ("created_at", "last_used_at", "updated_at")
_FIELDS: Final = tuple(field.name for field in fields(AccessKey) if field.name != _OWNER)

_open = open_twin(AccessKey)


def fill_plainly(rows: Sequence[Any], organization_id: UUID, text: str) -> tuple[AccessKey, ...] | None:
    """Make records from rows in Python."""
    frozen, utc = AccessKey, UTC
    records = tuple(starmap(_open, repeat((), len(rows))))
    for record, row in zip(records, rows, strict=True):
        record.id = row.id
        record.organization_id = organization_id
        record.name = row.name
        record.suffix = row.suffix
        record.created_at = created_at = row.created_at
        record.type = row.type
        record.description = row.description
        record.last_used_at = last_used_at = row.last_used_at
        record.updated_at = updated_at = row.updated_at
        record.role_ids = row.role_ids
        if not (
            row.organization_id == text
            and created_at.tzinfo is utc
            and (not last_used_at or last_used_at.tzinfo is utc)
            and (not updated_at or updated_at.tzinfo is utc)
        ):
            return None
        record.__class__ = frozen
    return records


def find_compiled(row: type) -> Fill | None:
    """Return the compiled way for rows of that class, or None: not built, switched off, or not fit for it.

    `ACCESSKEYS_NO_EXTENSIONS` in the environment, with any value but an empty one, switches it off.
    """
    if os.environ.get("ACCESSKEYS_NO_EXTENSIONS"):
        return None
    try:
        from accesskeys_async.wire import _filling

        return _filling.Filler(row, AccessKey, fields=_FIELDS, times=_TIMES, owner=_OWNER).fill
    except (ImportError, TypeError):
        return None


def choose_fill(row: type) -> Fill:
    """Return the best way for rows of that class."""
    return find_compiled(row) or fill_plainly
