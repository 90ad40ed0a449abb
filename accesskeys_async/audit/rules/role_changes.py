"""Rules about roles that a key got or lost since the last complete reading of its organization.

A grant is a role in a set of workspaces: a role that moved to other workspaces was added and taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.key_changes import Changes
from accesskeys_async.audit.rules.parameters import Parameters
from accesskeys_async.audit.rules.role_rules import MANAGED
from accesskeys_async.audit.rules.rule import Hit, Rule, Scope, Verdict, conclude, tell_time
from accesskeys_async.records import UNSET, AccessKey, RoleRef

NOT_TOLD: Final = "a reading did not tell the key's roles"


def judge_roles_added(changes: Changes, _: Parameters) -> Verdict:
    """Find keys that have a role, or have it in workspaces, that they had not; critical if it is managed."""
    hits: list[Hit] = []
    for before, after in changes.changed:
        if added := _find_grants(after, besides=before):
            severity = Severity.CRITICAL if any(one.type == MANAGED for one in added) else None
            hits.append(
                Hit(f"added since {tell_time(changes.earlier_at)}: {_tell(added, before)}", after, severity)
            )
    return conclude(hits, _count_without_roles(changes), NOT_TOLD)


def judge_roles_taken(changes: Changes, _: Parameters) -> Verdict:
    """Find keys that no longer have a role, or no longer in the same workspaces."""
    hits: list[Hit] = []
    for before, after in changes.changed:
        if taken := _find_grants(before, besides=after):
            hits.append(Hit(f"taken since {tell_time(changes.earlier_at)}: {_tell(taken, after)}", after))
    return conclude(hits, _count_without_roles(changes), NOT_TOLD)


def are_roles_edited(before: AccessKey, after: AccessKey) -> bool:
    """Tell whether two readings of a key tell other roles, or other types of them; order is no matter."""
    old, new = before.role_refs, after.role_refs
    if old is new or old is UNSET or new is UNSET:
        return False
    return {(one.grant, one.type) for one in old or ()} != {(one.grant, one.type) for one in new or ()}


def _find_grants(key: AccessKey, *, besides: AccessKey) -> Sequence[RoleRef]:
    """Return the grants that one reading of a key has and the other has not; none if either did not tell."""
    refs, others = key.role_refs, besides.role_refs
    if refs is others or refs is UNSET or others is UNSET:
        return ()
    there = {one.grant for one in others or ()}
    return tuple({one.grant: one for one in refs or () if one.grant not in there}.values())


def _tell(grants: Sequence[RoleRef], other: AccessKey) -> str:
    known = {one.id for one in other.role_refs or ()}
    return ", ".join(
        f"{'managed ' if one.type == MANAGED else ''}role {one.id}"
        f"{' in other workspaces' if one.id in known else ''}"
        for one in sorted(grants, key=lambda one: one.id.int)
    )


def _count_without_roles(changes: Changes) -> int:
    """Count the keys of both readings of which either did not tell the roles."""
    now = changes.now
    untold = now.role_refs.count(UNSET) if UNSET in now.role_sets.values() else 0
    return changes.count_untold("role_refs", untold)


RULES: Final = (
    Rule(
        id="AK110",
        title="roles added",
        severity=Severity.HIGH,
        condition="The key has a role, or workspaces of it, that it had not; critical for a managed role.",
        remedy="Ask who added the role, and take it away if nobody knows.",
        scope=Scope.HISTORY,
        controls=("NIST AC-2", "NIST AC-6(1)"),
        mind="Somebody gave the key what it needs; look who it was.",
    ),
    Rule(
        id="AK111",
        title="roles taken",
        severity=Severity.INFO,
        condition="The key no longer has a role, or no longer in the same workspaces.",
        remedy="Ask who took the role, and check that nothing has stopped working.",
        scope=Scope.HISTORY,
        controls=("NIST AC-2",),
        mind="Fewer roles are better; what the key is for may fail.",
    ),
)
