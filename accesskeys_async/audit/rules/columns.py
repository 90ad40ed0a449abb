"""Columns of a snapshot: one field of all its keys, computed when a rule first needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from accesskeys_async.records import Unset

T = TypeVar("T")

_filter: Any = filter  # a type checker does not see that UNSET is false, and goes


class Column(Generic[T]):
    """Computes an attribute on first access, without the lock that functools.cached_property takes."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, snapshot: Any, owner: type) -> T:
        value = snapshot.__dict__[self._name] = self._make(snapshot)
        return value


def drop_empty(times: Sequence[datetime | Unset | None]) -> list[datetime]:
    """Return the times without None and UNSET."""
    return list(_filter(None, times))


def fill_empty(
    times: Sequence[datetime | Unset | None], places: Sequence[int], others: Sequence[datetime]
) -> list[datetime]:
    """Return the times, with those at `places` (None or UNSET) replaced by the times of `others`."""
    filled: list[datetime] = list[Any](times)
    for place in places:
        filled[place] = others[place]
    return filled


def count_unset(values: Sequence[object]) -> int:
    """Count the values that are UNSET; fast if all values are, or none is."""
    if all(values):
        return 0
    kinds = set(map(type, values))
    if Unset not in kinds:
        return 0
    return len(values) if len(kinds) == 1 else sum(type(value) is Unset for value in values)
