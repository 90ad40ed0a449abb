"""Rows of the decoder into records: in compiled code if that was built, and in Python if it was not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC
from itertools import repeat, starmap
from typing import Any, Final, TypeAlias
from uuid import UUID

from attrs import fields
from msgspec import Raw

from accesskeys_async._contract.shared_values import ROLE_REFS
from accesskeys_async._fast_attrs import unfrozen_subclass
from accesskeys_async.records import AccessKey

Fill: TypeAlias = Callable[[Sequence[Any], UUID, str], tuple[AccessKey, ...] | None]
"""Takes rows, the organization whose keys they should be, and its id as the API writes it.

Returns None if a row is of another organization, or a time of it not in UTC. Raises what `ROLE_REFS` does.
"""

_OWNER: Final = "organization_id"
_TIMES: Final = ("created_at", "last_used_at", "updated_at")
_UNDECODED: Final = "role_refs"
_FIELDS: Final = tuple(field.name for field in fields(AccessKey) if field.name != _OWNER)

_open = unfrozen_subclass(AccessKey)


def build_records_py(rows: Sequence[Any], organization_id: UUID, text: str) -> tuple[AccessKey, ...] | None:
    """Create records from rows in Python."""
    frozen, utc, role_refs = AccessKey, UTC, ROLE_REFS
    # Looked up first: what fails here must not leave a record behind that is not whole.
    refs_of = [
        role_refs[bytes(row.role_refs)] if row.role_refs.__class__ is Raw else row.role_refs for row in rows
    ]
    records = tuple(starmap(_open, repeat((), len(rows))))
    for record, row, refs in zip(records, rows, refs_of, strict=True):
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
        record.role_refs = refs
        record.roles = row.roles
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
        from accesskeys_async._contract import _speedups

        return _speedups.Filler(
            row,
            AccessKey,
            fields=_FIELDS,
            times=_TIMES,
            owner=_OWNER,
            undecoded=_UNDECODED,
            raw=Raw,
            values=ROLE_REFS,
        ).fill
    except (ImportError, TypeError):
        return None


def pick_builder(row: type) -> Fill:
    """Return the best way for rows of that class."""
    return find_compiled(row) or build_records_py
