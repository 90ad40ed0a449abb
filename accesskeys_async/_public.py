"""What users see of a public name: the module that documents it."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def public(module: str = "accesskeys_async") -> Callable[[T], T]:
    """Return a decorator that makes a class or a function report a public module instead of a private one.

    Pickles, tracebacks and documentation then do not depend on where it is defined. Annotations of a class
    are looked up in the module that it reports, so they are evaluated here, where their names are known.
    """

    def report(value: T) -> T:
        if isinstance(value, type):
            own = inspect.get_annotations(value)
            hints = typing.get_type_hints(value, include_extras=True) if own else {}
            value.__annotations__ = {name: hints[name] for name in own}
        if isinstance(value, type | types.FunctionType):
            value.__module__ = module
        return value

    return report
