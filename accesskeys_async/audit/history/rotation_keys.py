"""The keys that a rotation journal contains. Only this module of the history imports the rotation."""

from __future__ import annotations

from uuid import UUID

from accesskeys_async.rotation.journal import Journal


async def read_known_keys(journal: Journal) -> frozenset[UUID]:
    """Return the ids of all keys that rotations replaced or created.

    Args:
        journal: An open rotation journal.

    Returns:
        The ids, for `known_keys` of `History.begin`.

    Raises:
        JournalError: The journal could not be read.
    """
    known: set[UUID] = set()
    for rotation in await journal.find():
        known.add(rotation.key_id)
        known |= {one.key_id for one in rotation.candidates if one.key_id is not None}
    return frozenset(known)
