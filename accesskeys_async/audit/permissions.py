"""What roles permit in an organization: their policies evaluated, with doubt resolved towards too much.

Nobody has published how the service reads a policy in every detail. So an allow counts for everything that it
may mean, and a deny for nothing but what it surely means: a power that is there is never missed.

- A `*` at the end of a resource stands for any text. Elsewhere it may stand for a slash as well in an allowed
  resource, and stands for one whole segment in a denied one.
- A deny goes over every allow of the key's roles. A deny with conditions counts for nothing; an allow with
  conditions counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar
from uuid import UUID

from attrs import define, frozen

from accesskeys_async.errors import one_line
from accesskeys_async.records import UNSET, PolicyDefinition, Role, Unset

__all__ = ["Permissions", "evaluate_roles"]

T = TypeVar("T")

ACTIONS: Final = frozenset({"view", "create", "update", "delete"})
CHANGES: Final = frozenset({"create", "update", "delete"})
MAX_PATH: Final = 1_000
"""Characters of a resource; what a longer one stands for is not known."""
_ANY: Final = frozenset({"any", "*"})
_stars: Final = re.compile(r"\*+")


@frozen
class Permissions:
    """What a key's roles permit; each power is told in one line, None if it is not there."""

    full_access: str | None = None
    """Every action on everything in the organization."""
    manages_keys: str | None = None
    """To create, update or delete access keys."""
    manages_roles: str | None = None
    """To create, update or delete roles or policies."""
    is_whole: bool = True
    """Whether the response told all that decides; if not, there may be more powers, or fewer."""


@frozen
class _Statement:
    """One definition of a policy, read."""

    role: str
    actions: frozenset[str]
    resources: tuple[str, ...]
    is_conditional: bool

    def tell(self, actions: Iterable[str], resource: str) -> str:
        """Say what it allows, in one line."""
        listed = ", ".join(sorted(actions))
        condition = ", under conditions" if self.is_conditional else ""
        return f"role {self.role} allows {listed} on {one_line(resource, 90)}{condition}"


@define
class _Statements:
    allowed: list[_Statement]
    denied: list[_Statement]
    is_whole: bool = True


def evaluate_roles(roles: Sequence[Role] | None, organization_id: UUID) -> Permissions:
    """Return what roles permit together in an organization. None, as null, is no roles."""
    found = _read_roles(sorted(roles or (), key=lambda role: role.id.int))
    root = f"/organizations/{organization_id}"
    return Permissions(
        full_access=_find_full_access(found, f"{root}/*"),
        manages_keys=_find_changes(found, f"{root}/access-keys"),
        manages_roles=_find_changes(found, f"{root}/iam-roles")
        or _find_changes(found, f"{root}/iam-policies"),
        is_whole=found.is_whole,
    )


def _read_roles(roles: Sequence[Role]) -> _Statements:
    found = _Statements([], [])
    for role in roles:
        name = one_line(role.name, 50) if role.name else str(role.id)
        for policy in _known(role.policies, found):
            for definition in _known(policy.definitions, found):
                _read_definition(definition, name, found)
    return found


def _known(listed: tuple[T, ...] | Unset | None, found: _Statements) -> tuple[T, ...]:
    """Return what is listed; nothing for null, or if the response did not tell, which is noted."""
    if listed is UNSET:
        found.is_whole = False
    return listed or ()


def _read_definition(definition: PolicyDefinition, role: str, found: _Statements) -> None:
    effect, actions, resources = definition.effect, definition.actions, definition.resources
    if effect is UNSET or actions is UNSET or resources is UNSET:
        found.is_whole = False
        return
    paths = tuple(map(_read_resource, resources or ()))
    statement = _Statement(role, _read_actions(actions or ()), paths, bool(definition.conditions_all))
    name = (effect or "").casefold()
    if name == "allow":
        found.allowed.append(statement)
    elif name == "deny" and not statement.is_conditional:
        found.denied.append(statement)
    is_known = name in ("allow", "deny", "") and all(len(path) <= MAX_PATH for path in paths)
    found.is_whole = found.is_whole and is_known


def _read_actions(actions: Iterable[str]) -> frozenset[str]:
    named = {action.casefold() for action in actions}
    return ACTIONS if named & _ANY else ACTIONS & named


def _read_resource(resource: str) -> str:
    text = _stars.sub("*", resource.strip().casefold()).rstrip("/")
    return text if text.startswith(("/", "*")) else f"/{text}"


def _find_full_access(found: _Statements, below_root: str) -> str | None:
    """Return what allows every action below the organization's root, if no deny is as wide."""
    allowed: dict[str, str] = {}
    for statement in found.allowed:
        for resource in statement.resources:
            if resource.endswith("*") and _may_cover(resource, below_root):
                told = statement.tell(
                    ("any",) if statement.actions == ACTIONS else statement.actions, resource
                )
                allowed.update(dict.fromkeys(statement.actions - allowed.keys(), told))
    for statement in found.denied:
        if any(_surely_covers(resource, below_root) for resource in statement.resources):
            for action in statement.actions:
                allowed.pop(action, None)
    if allowed.keys() < ACTIONS:
        return None
    return "; ".join(dict.fromkeys(allowed[action] for action in sorted(allowed)))


def _find_changes(found: _Statements, target: str) -> str | None:
    """Return what allows to change the target or anything below it, if no deny takes all of that back."""
    for statement in found.allowed:
        for resource in statement.resources:
            left = {
                action
                for action in statement.actions & CHANGES
                for places in _overlap(resource, target)
                if not _is_denied(action, (*places, resource), found.denied)
            }
            if left:
                return statement.tell(left, resource)
    return None


def _overlap(resource: str, target: str) -> Iterator[tuple[str, ...]]:
    """Yield the parts of the target that a resource reaches: itself, and what is below it."""
    if _may_cover(resource, target):
        yield (target,)
    if _reaches_below(resource, target):
        yield (f"{target}/*",)


def _reaches_below(resource: str, target: str) -> bool:
    """Tell whether an allowed resource may stand for anything below the target, all or a part of it."""
    parts, there = resource.split("/"), target.split("/")
    is_part = len(parts) > len(there) and all(map(_may_cover, parts, there))
    return is_part or _may_cover(resource, f"{target}/*")


def _is_denied(action: str, places: Iterable[str], denied: Iterable[_Statement]) -> bool:
    """Tell whether one deny covers one of the places, each of which has all that is allowed."""
    return any(
        action in statement.actions and any(_surely_covers(one, place) for one in statement.resources)
        for place in places
        for statement in denied
    )


def _may_cover(resource: str, place: str) -> bool:
    """Tell whether an allowed resource may stand for all of a place."""
    first, *others = resource.split("*")
    if not others:
        return resource == place
    *inner, last = others
    position = len(first)
    if not place.startswith(first):
        return False
    for part in inner:
        found = place.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return len(place) - len(last) >= position and place.endswith(last)


def _surely_covers(resource: str, place: str) -> bool:
    """Tell whether a denied resource stands for all of a place, however it is read."""
    if resource == place:
        return True
    *whole, end = resource.split("/")
    parts = place.split("/")
    if len(parts) < len(whole) + 1 or not all(map(_is_same_part, whole, parts)):
        return False
    rest = parts[len(whole)]
    if end.endswith("*"):
        return rest.startswith(end[:-1])
    return len(parts) == len(whole) + 1 and rest == end


def _is_same_part(denied: str, part: str) -> bool:
    return denied == part or (denied == "*" and "*" not in part)
