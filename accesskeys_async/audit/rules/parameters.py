"""What a rule can be told by a policy: its parameters, with their defaults, bounds and values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TypeAlias

from attrs import field, frozen

Value: TypeAlias = bool | int | float | str | tuple[str, ...]


@frozen
class Parameter:
    """One thing that a policy may set for a rule."""

    name: str
    default: Value
    """Its type is what a policy must give: number, text, list of texts, true or false."""
    meaning: str
    """What it is, with its unit, in a few words."""
    minimum: float = 0
    """The least a number may be."""
    maximum: float = 36_500
    """The most a number may be; of days, that is a century."""
    is_pattern: bool = False
    """Whether the text is a regular expression."""

    def check(self, value: object) -> Value:
        """Return the value as the rule will see it. Raises ValueError that says what is expected."""
        if isinstance(self.default, bool):
            if isinstance(value, bool):
                return value
            raise ValueError(f"expected true or false, got {value!r}")
        if isinstance(self.default, int | float):
            return self._check_number(value)
        if isinstance(self.default, str):
            return self._check_text(value)
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ValueError(f"expected a list of texts, got {value!r}")

    def _check_number(self, value: object) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"expected a number, got {value!r}")
        if isinstance(self.default, int) and not isinstance(value, int) and not value.is_integer():
            raise ValueError(f"expected a whole number, got {value!r}")
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"expected {self.minimum:,} to {self.maximum:,}, got {value!r}")
        return value

    def _check_text(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"expected text, got {value!r}")
        if self.is_pattern:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"expected a regular expression, got {value!r}: {error}") from None
        return value


@frozen
class Parameters(Mapping[str, Value]):
    """A rule's parameters as the policy has them for one organization."""

    _values: Mapping[str, Value] = field(factory=dict)
    _lengths: dict[str, timedelta] = field(init=False, factory=dict, repr=False, eq=False)

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def number(self, name: str) -> float:
        """Return a number. Raises TypeError where it is none."""
        value = self._values[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} is {value!r}, and no number")
        return value

    def days(self, name: str) -> timedelta:
        """Return a number of days as a length of time."""
        length = self._lengths.get(name)
        if length is None:
            length = self._lengths[name] = timedelta(days=self.number(name))
        return length

    def text(self, name: str) -> str:
        """Return a text. Raises TypeError where it is none."""
        value = self._values[name]
        if not isinstance(value, str):
            raise TypeError(f"{name} is {value!r}, and no text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts. Raises TypeError where it is none."""
        value = self._values[name]
        if not isinstance(value, tuple):
            raise TypeError(f"{name} is {value!r}, and no list of texts")
        return value
