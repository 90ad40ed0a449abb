"""Whether a key's roles allow what its token asks for; off unless it is switched on."""

from __future__ import annotations

from collections.abc import Iterable

from .roles import Action, StoredDefinition


def is_allowed(definitions: Iterable[StoredDefinition], action: Action, path: str) -> bool:
    """Tell whether definitions allow an action on a path: one allows it, and none denies it."""
    effects = {
        definition.effect
        for definition in definitions
        if not {action, "any"}.isdisjoint(definition.actions)
        and any(matches(resource, path) for resource in definition.resources)
    }
    return effects == {"allow"}


def matches(resource: str, path: str) -> bool:
    """Tell whether a resource names a path; `*` stands for any characters, slashes included."""
    first, *rest = resource.split("*")
    if not rest:
        return path == resource
    *middle, last = rest
    if not path.startswith(first) or not path.endswith(last):
        return False
    # The leftmost place of each part leaves the most room to those after it, so that none has to be tried
    # again: the time grows with the lengths alone.
    start, end = len(first), len(path) - len(last)
    for part in middle:
        found = path.find(part, start, max(start, end))
        if found < 0:
            return False
        start = found + len(part)
    return start <= end


class AccessControl:
    """Hold whether roles are enforced; any thread may switch it."""

    def __init__(self, *, enforced: bool) -> None:
        self._initially = enforced
        self.enforced = enforced

    def reset(self) -> None:
        """Enforce roles as at the start."""
        self.enforced = self._initially
