"""Rules about what a key's roles permit, which takes a GET of every key: the list tells no policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final, TypeAlias

from accesskeys_async.audit.records import Severity, Snapshot
from accesskeys_async.audit.rules.parameters import Parameters
from accesskeys_async.audit.rules.permissions import NOT_TOLD, Permissions
from accesskeys_async.audit.rules.rule import Hit, Rule, Verdict, conclude, make_hit
from accesskeys_async.records import UNSET, AccessKey

NOT_REQUESTED: Final = "roles were not requested; --roles does so, with one request a key more"
_CAUTION: Final = "Policies are read with caution: an allow with conditions counts, and such a deny does not."

_Take: TypeAlias = Callable[[Permissions], str | None]
"""Takes one power of several; it is told in one line, None if it is not there."""

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
    """Find keys with a reference to a role that their GET does not tell."""
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
                make_hit(f"GET does not tell role{'s' if len(gone) > 1 else ''} {', '.join(gone)}", key)
            )
    return conclude(hits, len(unknown), _tell_why(snapshot, ((key, NOT_TOLD) for key in unknown)))


def find_unevaluated(snapshot: Snapshot, take: _Take) -> list[tuple[AccessKey, str]]:
    """Return the keys of which nobody can tell whether they have a power, each with what is in doubt."""
    return [
        (key, NOT_TOLD if permissions is None else permissions.doubt or "")
        for key, permissions in zip(snapshot.keys, snapshot.permissions, strict=True)
        if permissions is None or (permissions.doubt and not take(permissions))
    ]


def _judge(snapshot: Snapshot, take: _Take) -> Verdict:
    if _has_no_roles(snapshot):
        return Verdict((), len(snapshot.keys), NOT_REQUESTED)
    hits = [
        make_hit(told, key)
        for key, permissions in zip(snapshot.keys, snapshot.permissions, strict=True)
        if permissions is not None and (told := take(permissions)) is not None
    ]
    unknown = find_unevaluated(snapshot, take)
    return conclude(hits, len(unknown), _tell_why(snapshot, unknown))


def _has_no_roles(snapshot: Snapshot) -> bool:
    return snapshot.unread_roles is None and not snapshot.tells_roles


def _tell_why(snapshot: Snapshot, unknown: Iterable[tuple[AccessKey, str]]) -> str:
    """Say why keys are not evaluated: those whose GET failed by their reasons, others by what is in doubt."""
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
        condition="The key's roles allow every action on everything in the organization.",
        remedy="Give the key a role that allows no more than it needs, and rotate the key.",
        judge=judge_full_access,
        controls=("OWASP NHI5", "NIST AC-6(5)"),
        mind=f"{_CAUTION} A deny counts here only if it is as wide as the organization.",
    ),
    Rule(
        id="AK037",
        title="may manage keys",
        severity=Severity.HIGH,
        condition="The key's roles allow to create, update or delete access keys.",
        remedy="Take the permission away unless the key rotates or audits keys.",
        judge=judge_manages_keys,
        controls=("NIST AC-6(1)",),
        mind=f"{_CAUTION} What rotates keys needs this, and little else.",
    ),
    Rule(
        id="AK038",
        title="may manage roles or policies",
        severity=Severity.CRITICAL,
        condition="The key's roles allow to create, update or delete roles or policies.",
        remedy="Take the permission away: roles and policies are best managed by people.",
        judge=judge_manages_roles,
        controls=("NIST AC-6(1)",),
        mind=f"{_CAUTION} Such a key can give itself every other permission.",
    ),
    Rule(
        id="AK039",
        title="role gone",
        severity=Severity.MEDIUM,
        condition="The list names a role of the key that its GET does not tell.",
        remedy="Audit again. If the role is still gone, give the key the roles that it needs.",
        judge=judge_role_gone,
        controls=("integrity",),
        mind="A role that was taken from the key between the two requests.",
    ),
)
