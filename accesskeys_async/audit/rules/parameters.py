"""Parameters of rules that a policy can set: names, defaults, bounds and values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias

from attrs import field, frozen

from accesskeys_async.errors import one_line

Value: TypeAlias = bool | int | float | str | tuple[str, ...]


@frozen
class Parameter:
    """A parameter of a rule that a policy can set.

    Example:
        >>> Parameter("max_idle_days", 45, "days since the last use")
    """

    name: str
    """Name in the policy. A number whose name ends in `_days` or `_minutes` is shown with that unit."""
    default: Value
    """Value without a policy. A policy must give a value of the same type."""
    meaning: str
    """What the parameter is, with its unit, in a few words."""
    minimum: float = 0
    """Smallest number that is allowed."""
    maximum: float = 36_500
    """Largest number that is allowed. The default is a century in days."""
    is_pattern: bool = False
    """Whether the text is a regular expression."""

    def check(self, value: object) -> Value:
        """Return a value from a policy as the rule receives it.

        Args:
            value: The value in the policy file.

        Raises:
            ValueError: The value has another type than the default, or is out of bounds.
        """
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
    """The values of a rule's parameters for one organization: a read-only mapping by name."""

    _values: Mapping[str, Value] = field(factory=dict)
    _lengths: dict[str, timedelta] = field(init=False, factory=dict, repr=False, eq=False)
    _shown: dict[str, str] = field(init=False, factory=dict, repr=False, eq=False)

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def show(self, name: str) -> str:
        """Return the value of a parameter as messages show it: a number has its unit, as in "45 days".

        Args:
            name: Name of the parameter.

        Raises:
            KeyError: The rule has no such parameter.
        """
        text = self._shown.get(name)
        if text is None:
            text = self._shown[name] = _show(name, self._values[name])
        return text

    def number(self, name: str) -> float:
        """Return the value of a parameter that is a number.

        Args:
            name: Name of the parameter.

        Raises:
            KeyError: The rule has no such parameter.
            TypeError: The value is not a number.
        """
        value = self._values[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} is {value!r}, not a number")
        return value

    def days(self, name: str) -> timedelta:
        """Return the value of a parameter that is a number of days, as a time span.

        Args:
            name: Name of the parameter.

        Raises:
            KeyError: The rule has no such parameter.
            TypeError: The value is not a number.
        """
        length = self._lengths.get(name)
        if length is None:
            length = self._lengths[name] = timedelta(days=self.number(name))
        return length

    def text(self, name: str) -> str:
        """Return the value of a parameter that is a text.

        Args:
            name: Name of the parameter.

        Raises:
            KeyError: The rule has no such parameter.
            TypeError: The value is not a text.
        """
        value = self._values[name]
        if not isinstance(value, str):
            raise TypeError(f"{name} is {value!r}, not a text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the value of a parameter that is a list of texts.

        Args:
            name: Name of the parameter.

        Raises:
            KeyError: The rule has no such parameter.
            TypeError: The value is not a list of texts.
        """
        value = self._values[name]
        if not isinstance(value, tuple):
            raise TypeError(f"{name} is {value!r}, not a list of texts")
        return value


def _show(name: str, value: Value) -> str:
    if isinstance(value, str):
        return f'"{one_line(value, 80)}"'
    if isinstance(value, Sequence):
        return one_line(", ".join(value), 80) or "(none)"
    number = f"{value:,g}" if value < 1e6 else f"{value:,.0f}"
    unit = name.rpartition("_")[2]
    if unit not in {"days", "minutes"}:
        return number
    return f"{number} {unit.removesuffix('s') if value == 1 else unit}"
