"""What roles permit in an organization: their policies evaluated, with doubt resolved towards too much.

Nobody has published how the service reads a policy in every detail. So an allow counts for everything that it
may mean, and a deny for nothing but what it surely means: a power that is there is never missed.

- A `*` at the end of a resource stands for any text. Elsewhere it may stand for a slash as well in an allowed
  resource, and stands for one whole segment in a denied one.
- A segment `{…}` of an allowed resource stands for any one segment. A denied resource with braces counts for
  nothing.
- A deny goes over every allow of the key's roles. A deny with conditions counts for nothing; an allow with
  conditions counts.
- An allow that is not understood, such as one of an unknown action, leaves a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar
from uuid import UUID

from attrs import define, field, frozen

from accesskeys_async.errors import one_line
from accesskeys_async.records import UNSET, PolicyDefinition, Role, Unset

T = TypeVar("T")

ACTIONS: Final = frozenset({"view", "create", "update", "delete"})
CHANGES: Final = frozenset({"create", "update", "delete"})
MAX_PATH: Final = 1_000
"""Characters of a resource; what a longer one stands for is not known."""
MAX_DEPTH: Final = 30
"""Slashes of a resource, likewise."""
MAX_RESOURCES: Final = 500
"""Distinct resources of a key's roles: each allowed one is compared with each denied one."""
NOT_TOLD: Final = "the response did not tell all of the key's roles"
_NOT_UNDERSTOOD: Final = "a policy has an effect, an action or a resource that is not understood"
_TOO_MANY: Final = f"the key's roles have more than {MAX_RESOURCES} resources, which are not evaluated"
_ANY: Final = frozenset({"any", "*"})
_OTHER: Final = "another action"
"""Stands for all actions but the four."""
_stars: Final = re.compile(r"\*+")
_template: Final = re.compile(r"\{[^{}*/]*\}")


@frozen
class Permissions:
    """What a key's roles permit; each power is told in one line, None if it is not there."""

    full_access: str | None = None
    """Every action on everything in the organization."""
    manages_keys: str | None = None
    """To create, update or delete access keys."""
    manages_roles: str | None = None
    """To create, update or delete roles or policies."""
    doubt: str | None = None
    """Why there may be more powers, or fewer; None if all that decides was told and understood."""


@frozen
class _Source:
    """Where a permission comes from."""

    role: str
    is_conditional: bool

    def tell(self, actions: Iterable[str], resource: str) -> str:
        """Say what it allows, in one line."""
        listed = ", ".join(sorted(actions))
        condition = ", under conditions" if self.is_conditional else ""
        return f"role {self.role} allows {listed} on {one_line(resource, 90)}{condition}"


@define
class _Statements:
    """What policies say, by resource."""

    allowed: dict[str, dict[_Source, frozenset[str]]] = field(factory=dict)
    denied: dict[str, frozenset[str]] = field(factory=dict)
    doubt: str | None = None
    _covered: dict[str, frozenset[str]] = field(factory=dict)

    @property
    def is_too_large(self) -> bool:
        """Whether to compare each resource with each other would take too long."""
        return len(self.allowed) + len(self.denied) > MAX_RESOURCES

    def find_denied(self, place: str) -> frozenset[str]:
        """Return the actions that are surely denied on all of a place."""
        if place not in self._covered:
            covering = [actions for one, actions in self.denied.items() if _surely_covers(one, place)]
            self._covered[place] = frozenset().union(*covering)
        return self._covered[place]


def evaluate_roles(roles: Sequence[Role] | None, organization_id: UUID) -> Permissions:
    """Return what roles permit together in an organization. None, as null, is no roles."""
    found = _read_roles(sorted(roles or (), key=lambda role: role.id.int))
    if found.is_too_large:
        return Permissions(doubt=_TOO_MANY)
    root = f"/organizations/{organization_id}"
    manages_keys = _find_changes(found, f"{root}/access-keys")
    manages_roles = _find_changes(found, f"{root}/iam-roles") or _find_changes(found, f"{root}/iam-policies")
    full_access = _find_full_access(found, f"{root}/*")
    return Permissions(full_access, manages_keys, manages_roles, found.doubt)


def _read_roles(roles: Sequence[Role]) -> _Statements:
    found = _Statements()
    for role in roles:
        name = one_line(role.name, 50) if role.name else str(role.id)
        for policy in _known(role.policies, found):
            for definition in _known(policy.definitions, found):
                _read_definition(definition, name, found)
    return found


def _known(listed: tuple[T, ...] | Unset | None, found: _Statements) -> tuple[T, ...]:
    """Return what is listed; nothing for null, or if the response did not tell, which is noted."""
    if listed is UNSET:
        found.doubt = NOT_TOLD
    return listed or ()


def _read_definition(definition: PolicyDefinition, role: str, found: _Statements) -> None:
    effect, actions, resources = definition.effect, definition.actions, definition.resources
    if effect is UNSET or actions is UNSET or resources is UNSET:
        found.doubt = NOT_TOLD
        return
    name, paths = (effect or "").casefold(), dict.fromkeys(resources or ())
    if name == "allow":
        _read_allow(_Source(role, bool(definition.conditions_all)), actions or (), paths, found)
    elif name == "deny" and not definition.conditions_all:
        _read_deny(actions or (), paths, found)
    elif name not in ("deny", ""):
        found.doubt = found.doubt or _NOT_UNDERSTOOD


def _read_allow(source: _Source, actions: Iterable[str], paths: Iterable[str], found: _Statements) -> None:
    named = {action.casefold() for action in actions}
    permitted = ACTIONS if named & _ANY else named & ACTIONS
    if not named <= ACTIONS | _ANY and permitted != ACTIONS:
        permitted |= {_OTHER}
    for path in paths:
        resource = _read_resource(path)
        if _is_too_long(resource) or "{" in _drop_templates(resource):
            found.doubt = found.doubt or _NOT_UNDERSTOOD
        elif not found.is_too_large:
            sources = found.allowed.setdefault(resource, {})
            sources[source] = sources.get(source, frozenset()) | permitted


def _read_deny(actions: Iterable[str], paths: Iterable[str], found: _Statements) -> None:
    named = {action.casefold() for action in actions}
    forbidden = ACTIONS | {_OTHER} if named & _ANY else named & ACTIONS
    for path in paths:
        if found.is_too_large:
            return
        resource = _read_resource(path)
        if not _is_too_long(resource) and "{" not in resource:
            found.denied[resource] = found.denied.get(resource, frozenset()) | forbidden


def _read_resource(resource: str) -> str:
    text = _stars.sub("*", resource.strip().casefold()).rstrip("/")
    return text if text.startswith(("/", "*")) else f"/{text}"


def _is_too_long(resource: str) -> bool:
    return len(resource) > MAX_PATH or resource.count("/") > MAX_DEPTH


def _find_full_access(found: _Statements, below_root: str) -> str | None:
    """Return what allows every action below the organization's root, if no deny is as wide.

    An action that is not known is noted as a doubt: it may be any of the four.
    """
    allowed: dict[str, str] = {}
    denied = found.find_denied(below_root)
    for resource, sources in found.allowed.items():
        if resource.endswith("*") and _may_cover(resource, below_root):
            for source, permitted in sources.items():
                told = source.tell(("any",) if permitted >= ACTIONS else permitted & ACTIONS, resource)
                allowed.update(dict.fromkeys(permitted - denied - allowed.keys(), told))
    if allowed.pop(_OTHER, None):
        found.doubt = found.doubt or _NOT_UNDERSTOOD
    if allowed.keys() < ACTIONS:
        return None
    return "; ".join(dict.fromkeys(allowed[action] for action in sorted(allowed)))


def _find_changes(found: _Statements, target: str) -> str | None:
    """Return what allows to change the target or anything below it, if no deny takes all of that back.

    An action that is not known is noted as a doubt where it may be such a change.
    """
    for resource, sources in found.allowed.items():
        reached = [found.find_denied(place) for place in _overlap(resource, target)]
        if not reached:
            continue
        denied = frozenset.intersection(*reached)
        if any(permitted - denied for permitted in sources.values()):
            denied |= found.find_denied(resource)
        for source, permitted in sources.items():
            left = permitted - denied
            if left & CHANGES:
                return source.tell(left & CHANGES, resource)
            if _OTHER in left:
                found.doubt = found.doubt or _NOT_UNDERSTOOD
    return None


def _overlap(resource: str, target: str) -> Iterator[str]:
    """Yield the parts of the target that a resource reaches: itself, and what is below it."""
    if _may_cover(resource, target):
        yield target
    if _reaches_below(resource, target):
        yield f"{target}/*"


def _reaches_below(resource: str, target: str) -> bool:
    """Tell whether an allowed resource may stand for anything below the target, all or a part of it."""
    parts, there = resource.split("/"), target.split("/")
    is_part = len(parts) > len(there) and all(map(_may_be_part, parts, there))
    return is_part or _may_cover(resource, f"{target}/*")


def _may_be_part(allowed: str, part: str) -> bool:
    return _template.fullmatch(allowed) is not None or _may_cover(allowed, part)


def _drop_templates(resource: str) -> str:
    return "/".join(part for part in resource.split("/") if not _template.fullmatch(part))


def _fill_in(resource: str, place: str) -> str:
    """Put a place's segments where an allowed resource has `{…}`; between two `*` it is another `*`."""
    parts, there = resource.split("/"), place.split("/")
    stars = [index for index, part in enumerate(parts) if "*" in part]
    first, last = (stars[0], stars[-1]) if stars else (len(parts), -1)
    for index, part in enumerate(parts):
        if _template.fullmatch(part):
            if index < first:
                parts[index : index + 1] = there[index : index + 1] or [part]
            elif index > last:
                back = index - len(parts)
                parts[index] = there[back] if -back <= len(there) else part
            else:
                parts[index] = "*"
    return "/".join(parts)


def _may_cover(resource: str, place: str) -> bool:
    """Tell whether an allowed resource may stand for all of a place."""
    if "{" in resource:
        resource = _fill_in(resource, place)
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
