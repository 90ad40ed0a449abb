"""Comparing names: without case and Unicode form, and without endings such as `-v2`."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MARK: Final = (
    r"(?:[-_. ]v\d{1,3}"
    r"|[-_. ]*[(\[]\d{1,3}[)\]]"
    r"|[-_. ]\d{4}-\d{2}(?:-\d{2})?"
    r"|[-_. ]\d{8}"
    r"|[-_. ]*[-_. (\[](?:new|old|next|prev|previous|rotated|copy)[)\]]?)\Z"
)
"""Endings of names of manually rotated keys: `-v2`, ` (2)`, `-2026-11`, `-20261123`, `-new`."""

_mark: Final = re.compile(MARK)


def fold(name: str) -> str:
    """Return a name normalized for comparison: NFKC, then case folded."""
    return unicodedata.normalize("NFKC", name).casefold()


def fold_all(names: list[str]) -> list[str]:
    """Fold many names, ASCII names in one step. Return the same list if all are folded already."""
    joined = "\n".join(names)
    if joined.isascii():
        folded = joined.casefold()
        if folded == joined:
            return names
        if joined.count("\n") == len(names) - 1:
            return folded.split("\n")
    return [fold(name) for name in names]


def strip_marks(folded: str) -> str:
    """Return a folded name without such endings. A name that consists of endings only is unchanged."""
    while (found := _mark.search(folded)) and found.start():
        folded = folded[: found.start()]
    return folded
