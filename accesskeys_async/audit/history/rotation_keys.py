"""The keys that a rotation journal knows."""

from __future__ import annotations

from uuid import UUID

from accesskeys_async.rotation.journal import Journal


async def read_known_keys(journal: Journal) -> frozenset[UUID]:
    """Return the ids of all keys that rotations replaced or made. Raises JournalError."""
    known: set[UUID] = set()
    for rotation in await journal.find():
        known.add(rotation.key_id)
        known |= {one.key_id for one in rotation.candidates if one.key_id is not None}
    return frozenset(known)
