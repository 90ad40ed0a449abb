"""Rules about roles that were added to or removed from a key since the last complete reading.

A grant is a role in a set of workspaces: a role that moved to other workspaces was added and removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.key_changes import Changes
from accesskeys_async.audit.rules.parameters import Parameters
from accesskeys_async.audit.rules.role_rules import MANAGED
from accesskeys_async.audit.rules.rule import Hit, Rule, Scope, Verdict, conclude, format_time
from accesskeys_async.records import UNSET, AccessKey, RoleRef

ROLES_UNSET: Final = "a response did not include the roles of the key"


def judge_roles_added(changes: Changes, _: Parameters) -> Verdict:
    """Find keys with a new role, or a role in other workspaces; critical if it is managed."""
    hits: list[Hit] = []
    for before, after in changes.changed:
        if added := _find_grants(after, besides=before):
            severity = Severity.CRITICAL if any(one.type == MANAGED for one in added) else None
            hits.append(
                Hit(
                    f"added since {format_time(changes.earlier_at)}: {_list_roles(added, before)}",
                    after,
                    severity,
                )
            )
    return conclude(hits, _count_without_roles(changes), ROLES_UNSET)


def judge_roles_removed(changes: Changes, _: Parameters) -> Verdict:
    """Find keys that no longer have a role, or no longer in the same workspaces."""
    hits: list[Hit] = []
    for before, after in changes.changed:
        if removed := _find_grants(before, besides=after):
            hits.append(
                Hit(f"removed since {format_time(changes.earlier_at)}: {_list_roles(removed, after)}", after)
            )
    return conclude(hits, _count_without_roles(changes), ROLES_UNSET)


def are_roles_edited(before: AccessKey, after: AccessKey) -> bool:
    """Return whether two readings of a key have different roles, or types of roles, in any order."""
    old, new = before.role_refs, after.role_refs
    if old is new or old is UNSET or new is UNSET:
        return False
    return {(one.grant, one.type) for one in old or ()} != {(one.grant, one.type) for one in new or ()}


def _find_grants(key: AccessKey, *, besides: AccessKey) -> Sequence[RoleRef]:
    """Return the grants that `key` has and `besides` does not; none if the roles of either are UNSET."""
    refs, others = key.role_refs, besides.role_refs
    if refs is others or refs is UNSET or others is UNSET:
        return ()
    there = {one.grant for one in others or ()}
    return tuple({one.grant: one for one in refs or () if one.grant not in there}.values())


def _list_roles(grants: Sequence[RoleRef], other: AccessKey) -> str:
    known = {one.id for one in other.role_refs or ()}
    return ", ".join(
        f"{'managed ' if one.type == MANAGED else ''}role {one.id}"
        f"{' in other workspaces' if one.id in known else ''}"
        for one in sorted(grants, key=lambda one: one.id.int)
    )


def _count_without_roles(changes: Changes) -> int:
    """Count the keys of both readings whose roles are UNSET in either."""
    now = changes.now
    unset = now.role_refs.count(UNSET) if UNSET in now.role_sets.values() else 0
    return changes.count_unset("role_refs", unset)


RULES: Final = (
    Rule(
        id="AK110",
        title="roles added",
        severity=Severity.HIGH,
        condition=(
            "The key has a role, or workspaces of a role, that it did not have at the last complete "
            "reading. The severity is critical for a managed role."
        ),
        remedy="Find out who added the role, and remove it if it had no reason: accesskeys update --role.",
        scope=Scope.HISTORY,
        controls=("NIST AC-2", "NIST AC-6(1)"),
        false_positives="A planned change: somebody gave the key a role that it needs.",
    ),
    Rule(
        id="AK111",
        title="roles removed",
        severity=Severity.INFO,
        condition=(
            "The key no longer has a role, or workspaces of a role, that it had at the last complete reading."
        ),
        remedy="Ask who removed the role, and check that what uses the key still works.",
        scope=Scope.HISTORY,
        controls=("NIST AC-2",),
        false_positives="A planned change: fewer roles are safer.",
    ),
)
