"""The changes of an organization's keys between two complete readings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from attrs import field, frozen

from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.records import UNSET, AccessKey


@frozen
class Changes:
    """The keys that changed between two readings. All other keys of `now` are unchanged."""

    now: Snapshot
    earlier_at: datetime
    """Time of the earlier reading."""
    earlier_count: int
    """Number of its keys."""
    appeared: tuple[AccessKey, ...] = field(default=(), repr=False)
    gone: tuple[AccessKey, ...] = field(default=(), repr=False)
    changed: tuple[tuple[AccessKey, AccessKey], ...] = field(default=(), repr=False)
    """Keys of both readings with a change of any field: before and after."""
    before_at: datetime | None = None
    """Time of the complete reading before the earlier one; None if there is none."""
    known: frozenset[UUID] = field(default=frozenset(), repr=False)
    """The keys that rotation journals contain."""

    def count_unset(self, field_name: str, now: int) -> int:
        """Count keys of both readings with a field UNSET in either, and in `now` current keys."""
        take = attrgetter(field_name)
        count = sum(take(before) is UNSET and take(after) is not UNSET for before, after in self.changed)
        if now:
            count += now - sum(take(key) is UNSET for key in self.appeared)
        return count


def compare_keys(
    earlier: Iterable[AccessKey], now: Iterable[AccessKey]
) -> tuple[tuple[AccessKey, ...], tuple[AccessKey, ...], tuple[tuple[AccessKey, AccessKey], ...]]:
    """Return which keys appeared, which are gone, and which changed, each in the order of ids."""
    before = {key.id.int: key for key in earlier}
    after = {key.id.int: key for key in now}
    return (
        tuple(after[number] for number in sorted(after.keys() - before.keys())),
        tuple(before[number] for number in sorted(before.keys() - after.keys())),
        tuple(
            (before[number], after[number])
            for number in sorted(before.keys() & after.keys())
            if before[number] != after[number]
        ),
    )
