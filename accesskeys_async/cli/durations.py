"""Lengths of time as people type them: `90s`, `12h`, `7d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from accesskeys_async.cli.exits import CommandError

_SPAN: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_span(option: str, text: str) -> timedelta:
    """Read a number and a unit. Raises CommandError that names the option."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise CommandError(f"{option} is {text!r}; it takes a number and a unit, such as 12h or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
