"""Where two directions meet: a decision on keys alone, without I/O."""

from __future__ import annotations

from collections import deque
from typing import Final

from accesskeys_async.records import AccessKey, AccessKeyPage

OVERLAP_KEYS: Final = 10
"""How many keys must come in the other direction's order, backwards, before the two have met."""


class Direction:
    """The keys of one direction, and how far it has followed the other direction's keys backwards."""

    __slots__ = ("_expected", "_followed", "_recent", "first", "ids", "is_over", "pages")

    def __init__(self) -> None:
        self.pages = 0
        """How many pages were accepted."""
        self.is_over = False
        """Whether the last page was accepted."""
        self.ids: set[int] = set()
        """The ids of the keys that this direction brought first."""
        self.first: int | None = None
        """The very first of them."""
        self._recent: deque[int] = deque(maxlen=OVERLAP_KEYS)
        self._expected: list[int] | None = None
        self._followed = 0

    def remember(self, ids: list[int]) -> None:
        """Remember keys as brought by this direction."""
        if not ids:
            return
        if self.first is None:
            self.first = ids[0]
        # Adding a set to a set doubles it when it is full; adding single ids makes it four times as large.
        self.ids |= set(ids)
        self._recent.extend(ids[-OVERLAP_KEYS:])

    def last_keys(self) -> list[int]:
        """Return the keys that were brought last, latest first."""
        return list(reversed(self._recent))

    def matches_reverse_of(self, other: Direction, common: list[int]) -> bool:
        """Return whether the keys in `common`, which `other` brought too, follow its order backwards."""
        if self._expected is None:
            self._expected = other.last_keys()
        expected = self._expected[self._followed : self._followed + len(common)]
        self._followed += len(expected)
        # Only OVERLAP_KEYS keys are compared: what follows them needs no proof.
        if expected != common[: len(expected)] or (
            len(common) > len(expected) and self._followed < OVERLAP_KEYS
        ):
            return False
        # If both directions have the same order, one reaches the other's first key and continues after it.
        return self.is_over or other.first not in common

    def has_met(self, other: Direction) -> bool:
        """Return whether enough keys were followed: OVERLAP_KEYS, or all there are at the end."""
        return self._followed >= OVERLAP_KEYS or (self.is_over and 0 < self._followed == len(other.ids))


class MeetingPoint:
    """Decide, page by page, which keys are new, and whether two directions have met.

    They have met when one direction finds, in reverse order, the last keys that the other one brought. If it
    finds other keys of the other direction instead, `reverse` does not mirror the order (the service ignores
    it, or keys were created and deleted just there). Then the forward direction alone reads on to its end.
    """

    def __init__(self) -> None:
        self.forward = Direction()
        self.backward = Direction()
        self.mirrored: bool | None = None
        """Whether the directions met as mirrors do; None if they did not meet, or not yet."""
        self.duplicates = 0
        """How many repeated keys were left out."""

    @property
    def is_over(self) -> bool:
        """Whether every key has come."""
        return self.mirrored is True or self.forward.is_over

    def is_wanted(self, direction: Direction) -> bool:
        """Return whether the next page of a direction is needed."""
        return not (self.is_over or direction.is_over) and (
            direction is self.forward or self.mirrored is None
        )

    def accept(self, direction: Direction, page: AccessKeyPage) -> tuple[tuple[AccessKey, ...], int]:
        """Return a page's new keys, and how many of its keys this direction had not brought before."""
        other = self.backward if direction is self.forward else self.forward
        direction.pages += 1
        direction.is_over = page.next_page_token is None
        keys, common = self._drop_seen(direction, other, page.results)
        if self.mirrored is not None and common:
            # Nothing follows the other direction now: each of its keys is left out once at most.
            direction.ids.update(common)
            other.ids.difference_update(common)
        if common and self.mirrored is None:
            if not direction.matches_reverse_of(other, common):
                self.mirrored = False
            elif direction.has_met(other):
                self.mirrored = True
        return keys, len(keys) + len(common)

    def _drop_seen(
        self, direction: Direction, other: Direction, keys: tuple[AccessKey, ...]
    ) -> tuple[tuple[AccessKey, ...], list[int]]:
        """Return the keys that are new, and the ids of those that the other direction brought."""
        ids = [key.id.int for key in keys]
        unique = set(ids)
        common: list[int] = []
        if len(unique) < len(ids) or not (unique.isdisjoint(direction.ids) and unique.isdisjoint(other.ids)):
            common = [one for one in dict.fromkeys(ids) if one in other.ids]
            new: dict[int, AccessKey] = {}
            for key in keys:
                if key.id.int not in direction.ids and key.id.int not in other.ids:
                    new.setdefault(key.id.int, key)
            self.duplicates += len(keys) - len(new)
            keys, ids = tuple(new.values()), list(new)
        direction.remember(ids)
        return keys, common
