"""How old the keys are, how long they have been idle, and when they were made, counted in classes."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from attrs import define, field, frozen

from accesskeys_async.records import UNSET, AccessKey, Unset

AGE_STEP: Final = 30
"""Days to a bar of the age histogram."""
AGE_STEPS: Final = 36
"""Bars of it; a last one has all that is older."""
WEEKS: Final = 104

_AGE_BOUNDS: Final = (30, 90, 180, 365, 730, 1095)
_IDLE_BOUNDS: Final = (7, 15, 30, 90, 180, 365)
_NEVER: Final = "never used"
_UNKNOWN: Final = "not known"
_SKEW: Final = 30
"""A key from the future, by as many days, is one of today."""


@frozen
class Bar:
    """A class and how many keys it has."""

    name: str
    count: int
    start: float = 0
    """Where it begins, in days."""
    is_late: bool = False
    """Whether it lies past the line."""


@frozen
class Cell:
    """How many keys are of one age and one idle time."""

    age: str
    idle: str
    count: int


@define
class Histograms:
    """Count keys by whole UTC days before the scan's start; memory does not grow with their number."""

    _idle_days: float = 45
    _today: date | None = field(default=None, init=False)
    _ages: Counter[int] = field(factory=Counter, init=False)
    _cells: Counter[tuple[str, str]] = field(factory=Counter, init=False)
    _age_names: dict[int, str] = field(init=False)
    _idle_names: dict[int | Unset | None, str] = field(init=False)
    _idle_starts: tuple[float, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._age_names = dict(_name_days(_AGE_BOUNDS))
        bounds = sorted({*_IDLE_BOUNDS, max(1, round(self._idle_days))})
        self._idle_names = {**dict(_name_days(bounds)), None: _NEVER, UNSET: _UNKNOWN}
        self._idle_starts = (0, *bounds)

    def add(self, keys: Sequence[AccessKey], *, at: datetime) -> None:
        """Count the keys of an organization, at the scan's start."""
        self._today = at.date()
        today = at.toordinal()
        ages = [today - key.created_at.toordinal() for key in keys]
        uses = [key.last_used_at for key in keys]
        idle = [today - used.toordinal() if isinstance(used, datetime) else used for used in uses]
        self._ages.update(ages)
        oldest, longest = _over(_AGE_BOUNDS[-1]), _over(self._idle_starts[-1])
        name_age, name_idle = self._age_names.get, self._idle_names.get
        self._cells.update(
            [(name_age(a, oldest), name_idle(i, longest)) for a, i in zip(ages, idle, strict=True)]
        )

    def ages(self, *, rotation_days: float) -> list[Bar]:
        """Return the age histogram: equal steps, and all that is older in one bar more."""
        counts: Counter[int] = Counter()
        for days, count in self._ages.items():
            counts[min(max(days, 0) // AGE_STEP, AGE_STEPS)] += count
        bars = [
            Bar(
                f"{step * AGE_STEP} to {(step + 1) * AGE_STEP - 1} days",
                counts[step],
                step * AGE_STEP,
                step * AGE_STEP >= rotation_days,
            )
            for step in range(AGE_STEPS)
        ]
        end = AGE_STEP * AGE_STEPS
        return [*bars, Bar(f"{end} days and more", counts[AGE_STEPS], end, is_late=True)]

    def idle(self) -> list[Bar]:
        """Return the idle-time histogram, the keys that were never used in a bar of their own."""
        counts: Counter[str] = Counter()
        for (_, name), count in self._cells.items():
            counts[name] += count
        names = self.idle_names()
        starts = dict(zip(names, self._idle_starts, strict=False))
        return [
            Bar(
                name,
                counts[name],
                starts.get(name, 0),
                name == _NEVER or starts.get(name, 0) >= self._idle_days,
            )
            for name in names
            if name != _UNKNOWN or counts[name]
        ]

    def cells(self) -> list[Cell]:
        """Return age against idle time, every pair of classes."""
        has_unknown = any(idle == _UNKNOWN for _, idle in self._cells)
        idle_names = [name for name in self.idle_names() if name != _UNKNOWN or has_unknown]
        return [
            Cell(age, idle, self._cells[age, idle])
            for age, idle in itertools.product(self.age_names(), idle_names)
        ]

    def weeks(self) -> list[tuple[date, int]]:
        """Return how many of the keys that are there were made in each of the last weeks, oldest first."""
        if self._today is None:
            return []
        monday = self._today - timedelta(days=self._today.weekday())
        counts: Counter[date] = Counter()
        for days, count in self._ages.items():
            made = self._today - timedelta(days=max(days, 0))
            counts[made - timedelta(days=made.weekday())] += count
        weeks = [monday - timedelta(weeks=back) for back in range(WEEKS)]
        return [(week, counts[week]) for week in reversed(weeks)]

    def age_names(self) -> list[str]:
        """Return the names of the age classes, youngest first."""
        return [*dict.fromkeys(self._age_names.values()), _over(_AGE_BOUNDS[-1])]

    def idle_names(self) -> list[str]:
        """Return the names of the idle-time classes, shortest first, then never and not known."""
        names = dict.fromkeys(name for day, name in self._idle_names.items() if isinstance(day, int))
        return [*names, _over(self._idle_starts[-1]), _NEVER, _UNKNOWN]


def _name_days(bounds: Sequence[int]) -> list[tuple[int, str]]:
    """Name each day up to the last bound; a bound itself is the last day of its class."""
    days: list[tuple[int, str]] = []
    for start, end in itertools.pairwise((-1, *bounds)):
        name = f"{start + 1}\N{EN DASH}{end} d"
        days += [(day, name) for day in range(start + 1 if start >= 0 else -_SKEW, end + 1)]
    return days


def _over(days: float) -> str:
    return f"over {days:g} d"
