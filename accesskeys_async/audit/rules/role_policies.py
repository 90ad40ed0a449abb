"""Rules about what the roles of a key permit. They need a GET of every key: a list has no policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final, TypeAlias

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.parameters import Parameters
from accesskeys_async.audit.rules.permissions import NOT_TOLD, Permissions
from accesskeys_async.audit.rules.rule import Hit, Rule, Verdict, conclude, make_hit
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.records import UNSET, AccessKey

NOT_REQUESTED: Final = "roles were not requested; use --roles, which sends one more request for each key"
_CAUTION: Final = (
    "Policies are read cautiously: an allow with conditions counts, and a deny with conditions does not."
)

_Take: TypeAlias = Callable[[Permissions], str | None]
"""Returns one of the permissions as a message, or None if the key does not have it."""

take_full_access: Final[_Take] = attrgetter("full_access")


def judge_full_access(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys whose roles permit every action on everything in the organization."""
    return _judge(snapshot, take_full_access)


def judge_manages_keys(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys that may create, update or delete access keys."""
    return _judge(snapshot, attrgetter("manages_keys"))


def judge_manages_roles(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys that may create, update or delete roles or policies."""
    return _judge(snapshot, attrgetter("manages_roles"))


def judge_role_gone(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys with a reference to a role that their GET does not return."""
    if _has_no_roles(snapshot):
        return Verdict((), len(snapshot.keys), NOT_REQUESTED)
    hits: list[Hit] = []
    unknown: list[AccessKey] = []
    for key in snapshot.keys:
        if key.roles is UNSET or key.role_refs is UNSET:
            unknown.append(key)
            continue
        there = {role.id for role in key.roles or ()}
        gone = sorted({str(one.id) for one in key.role_refs or () if one.id not in there})
        if gone:
            hits.append(
                make_hit(f"GET does not return role{'s' if len(gone) > 1 else ''} {', '.join(gone)}", key)
            )
    return conclude(hits, len(unknown), _explain(snapshot, ((key, NOT_TOLD) for key in unknown)))


def find_unevaluated(snapshot: Snapshot, take: _Take) -> list[tuple[AccessKey, str]]:
    """Return the keys for which it is not known whether they have a permission, each with the reason."""
    return [
        (key, NOT_TOLD if permissions is None else permissions.doubt or "")
        for key, permissions in zip(snapshot.keys, snapshot.permissions, strict=True)
        if permissions is None or (permissions.doubt and not take(permissions))
    ]


def _judge(snapshot: Snapshot, take: _Take) -> Verdict:
    if _has_no_roles(snapshot):
        return Verdict((), len(snapshot.keys), NOT_REQUESTED)
    hits = [
        make_hit(message, key)
        for key, permissions in zip(snapshot.keys, snapshot.permissions, strict=True)
        if permissions is not None and (message := take(permissions)) is not None
    ]
    unknown = find_unevaluated(snapshot, take)
    return conclude(hits, len(unknown), _explain(snapshot, unknown))


def _has_no_roles(snapshot: Snapshot) -> bool:
    return snapshot.unread_roles is None and not snapshot.tells_roles


def _explain(snapshot: Snapshot, unknown: Iterable[tuple[AccessKey, str]]) -> str:
    """Return why keys are not evaluated: the reasons of failed GETs, and what is in doubt about others."""
    unread = snapshot.unread_roles or {}
    failures: set[str] = set()
    doubts: set[str] = set()
    for key, doubt in unknown:
        if key.id in unread:
            failures.add(unread[key.id])
        else:
            doubts.add(doubt)
    reasons = [f"roles could not be read: {', '.join(sorted(failures))}"] if failures else []
    return "; ".join([*reasons, *sorted(doubts)])


RULES: Final = (
    Rule(
        id="AK036",
        title="full access",
        severity=Severity.CRITICAL,
        condition="The roles of the key permit every action on everything in the organization.",
        remedy="Give the key a role that permits only what it needs, and rotate the key.",
        judge=judge_full_access,
        controls=("OWASP NHI5", "NIST AC-6(5)"),
        false_positives=(
            f"A key for administration, or one that a narrower deny restricts: only a deny for the whole "
            f"organization counts. {_CAUTION}"
        ),
    ),
    Rule(
        id="AK037",
        title="may manage keys",
        severity=Severity.HIGH,
        condition="The roles of the key permit creating, updating or deleting access keys.",
        remedy="Remove the permission unless the key is used for rotation.",
        judge=judge_manages_keys,
        controls=("NIST AC-6(1)",),
        false_positives=f"A key that is used for rotation: it needs this permission. {_CAUTION}",
    ),
    Rule(
        id="AK038",
        title="may manage roles or policies",
        severity=Severity.CRITICAL,
        condition="The roles of the key permit creating, updating or deleting roles or policies.",
        remedy="Remove the permission. Such a key can give itself every other permission.",
        judge=judge_manages_roles,
        controls=("NIST AC-6(1)",),
        false_positives=f"A key that deploys roles or policies, such as infrastructure as code. {_CAUTION}",
    ),
    Rule(
        id="AK039",
        title="missing role",
        severity=Severity.MEDIUM,
        condition="The list has a role of the key that its GET does not return.",
        remedy=(
            "Audit again. If the role is still missing, set the roles that the key needs: accesskeys "
            "update --role."
        ),
        judge=judge_role_gone,
        controls=("integrity",),
        false_positives="A role that was removed from the key between the two requests.",
    ),
)
