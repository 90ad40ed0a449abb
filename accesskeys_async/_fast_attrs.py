"""Frozen attrs records made in a third of the time, where a great many are made."""

from __future__ import annotations

from typing import Any


def open_twin(kind: type) -> Any:
    """Return a subclass whose instances are open to be filled; then `__class__` is set to `kind`.

    A frozen attrs `__init__` costs four times what filling an open twin and then giving it the frozen class
    does. Every field must be filled: no default is. Both methods must be object's own: with one alone the
    interpreter takes the slow way to store.
    """
    open_ways = {
        "__slots__": (),
        "__init__": object.__init__,
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
    }
    return type(f"{kind.__name__}Draft", (kind,), open_ways)
