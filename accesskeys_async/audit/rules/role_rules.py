"""Rules about the roles that a key refers to: none, too many, too wide.

Equal references are one object in a response, so each rule looks at every distinct set of them once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import compress
from typing import Final, TypeAlias

from accesskeys_async.audit.records import Severity, Snapshot
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.role_policies import find_unevaluated, take_full_access
from accesskeys_async.audit.rules.rule import Hit, Rule, Scope, Verdict, conclude, make_hit
from accesskeys_async.records import UNSET, Grant, RoleRef, Unset

MANAGED: Final = "managed"
MAX_REMEMBERED: Final = 1024
"""Sets of references whose managed roles are remembered from one organization to the next."""
NOT_TOLD: Final = "the response did not tell the key's roles"
TYPE_NOT_TOLD: Final = "the response did not tell the key's roles, or a role's type"
UNUSED: Final = ("AK001", "AK002")
POWERFUL: Final = ("AK031", "AK036")

_References: TypeAlias = Sequence[RoleRef]
_Find: TypeAlias = Callable[[_References], str | Unset | None]
"""Says what is wrong with references, None if nothing is, UNSET if the response does not tell."""


def judge_no_roles(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys without any role that are older than `min_age_days`."""
    cutoff = snapshot.taken_at - parameters.days("min_age_days")
    found = _look(
        snapshot, lambda references: None if references else "has no roles, and is denied everything"
    )
    return _judge(snapshot, found, NOT_TOLD, created_before=cutoff)


def judge_managed_role(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys with a managed role."""
    return _judge(snapshot, _look(snapshot, _find_managed), TYPE_NOT_TOLD)


def judge_many_roles(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys with more than `max_roles` roles."""
    most = int(parameters.number("max_roles"))

    def find(references: _References) -> str | None:
        count = len(references)
        return f"has {count} roles; the policy allows {most}" if count > most else None

    return _judge(snapshot, _look(snapshot, find), NOT_TOLD)


def judge_all_workspaces(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys with a role that is granted in all workspaces: whose workspaces are absent, null or empty."""

    def find(references: _References) -> str | None:
        wide = [one for one in references if not one.workspaces]
        return f"has {_name_roles(wide)} in all workspaces" if wide else None

    return _judge(snapshot, _look(snapshot, find), NOT_TOLD)


def judge_shared_roles(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find sets of roles, with their workspaces, that `min_keys` keys or more have."""
    fewest = max(2, int(parameters.number("min_keys")))
    counts: Counter[frozenset[Grant]] = Counter()
    shown: dict[frozenset[Grant], _References] = {}
    for number, count in Counter(snapshot.role_places).items():
        references = snapshot.role_sets[number]
        if references:
            grants = frozenset(one.grant for one in references)
            counts[grants] += count
            shown[grants] = references
    hits = [
        Hit(f"{count:,} keys have the same roles: {_name_roles(shown[grants])}", about=_identify(grants))
        for grants, count in counts.items()
        if count >= fewest
    ]
    if not hits and UNSET in snapshot.role_sets.values():
        return Verdict((), 1, "the response did not tell the roles of every key")
    return conclude(sorted(hits, key=lambda hit: hit.about))


def judge_unused_and_powerful(snapshot: Snapshot, verdicts: Mapping[str, Verdict]) -> Verdict:
    """Find keys that AK001 or AK002 find, and AK031 or AK036 do, too; rules that are off find nothing."""
    unused = [verdicts[rule] for rule in UNUSED if rule in verdicts]
    powerful = [verdicts[rule] for rule in POWERFUL if rule in verdicts]
    if not unused or not powerful:
        return Verdict(
            (), len(snapshot.keys), "takes AK001 or AK002, and AK031 or AK036; turn one of each on"
        )
    idle, strong = _messages(unused), _messages(powerful)
    hits: list[Hit] = []
    if both := idle.keys() & strong.keys():
        hits = [
            make_hit(f"{idle[id(key)]}; {strong[id(key)]}", key) for key in snapshot.keys if id(key) in both
        ]
    return conclude(
        hits,
        _count_undecided(snapshot, idle, strong, verdicts),
        "the response did not tell when the key was last used, or what its roles are",
    )


def _messages(verdicts: Sequence[Verdict]) -> dict[int, str]:
    return {id(hit.key): hit.message for verdict in reversed(verdicts) for hit in verdict.hits}


def _count_undecided(
    snapshot: Snapshot, idle: Mapping[int, str], strong: Mapping[int, str], verdicts: Mapping[str, Verdict]
) -> int:
    """Count the keys that may be unused and may be powerful, and are not known to be both."""
    maybe_idle: set[int] = set()
    if snapshot.unset_used:
        maybe_idle = {id(key) for key in snapshot.keys if key.last_used_at is UNSET}
    maybe_strong: set[int] = set()
    if "AK031" in verdicts and verdicts["AK031"].not_evaluated:
        found = _look(snapshot, _find_managed)
        maybe_strong = {id(key) for key in snapshot.keys if found[id(key.role_refs)] is UNSET}
    if "AK036" in verdicts and snapshot.unread_roles is not None:
        maybe_strong |= {id(key) for key, _ in find_unevaluated(snapshot, take_full_access)}
    if not maybe_idle and not maybe_strong:
        return 0
    candidates = (idle.keys() | maybe_idle) & (strong.keys() | maybe_strong)
    return len(candidates - (idle.keys() & strong.keys()))


def _look(snapshot: Snapshot, find: _Find) -> dict[int, str | Unset | None]:
    """Return what is wrong with each distinct set of references; null stands for none of them."""
    return {
        number: UNSET if references is UNSET else find(references or ())
        for number, references in snapshot.role_sets.items()
    }


def _judge(
    snapshot: Snapshot,
    found: Mapping[int, str | Unset | None],
    reason: str,
    *,
    created_before: datetime | None = None,
) -> Verdict:
    wrong = {place: message for place, message in found.items() if message}
    unknown = 0
    if UNSET in found.values():
        unknown = [found[place] for place in snapshot.role_places].count(UNSET)
    if not wrong:
        return conclude((), unknown, reason)
    places = snapshot.role_places
    is_wrong = list(map(wrong.__contains__, places))
    hits = [
        make_hit(wrong[place], key)
        for key, place in zip(compress(snapshot.keys, is_wrong), compress(places, is_wrong), strict=True)
        if created_before is None or key.created_at < created_before
    ]
    return conclude(hits, unknown, reason)


def _find_managed(references: _References) -> str | Unset | None:
    known = _managed.get(id(references))
    if known is None or known[0] is not references:
        if len(_managed) >= MAX_REMEMBERED:
            _managed.clear()
        known = _managed[id(references)] = references, _tell_managed(references)
    return known[1]


_managed: dict[int, tuple[_References, str | Unset | None]] = {}
"""What was found of references that were judged before: organizations share them, as a response's keys do."""


def _tell_managed(references: _References) -> str | Unset | None:
    kinds = [one.type for one in references]
    if MANAGED in kinds:
        return f"has the managed {_name_roles([one for one in references if one.type == MANAGED])}"
    return UNSET if UNSET in kinds else None


def _name_roles(references: _References) -> str:
    ids = ", ".join(sorted({str(one.id) for one in references}))
    return f"role{'s' if len({one.id for one in references}) > 1 else ''} {ids}"


def _identify(grants: frozenset[Grant]) -> str:
    return ";".join(
        sorted(f"{role.int:x}@{','.join(sorted(str(one.int) for one in spaces))}" for role, spaces in grants)
    )


RULES: Final = (
    Rule(
        id="AK030",
        title="no roles",
        severity=Severity.LOW,
        condition="The key has no roles and is older than min_age_days.",
        remedy="Give the key the roles that it needs, or delete it.",
        judge=judge_no_roles,
        controls=("OWASP NHI5",),
        mind="The service denies by default: such a key can do nothing; its owner may wait for roles.",
        parameters=(Parameter("min_age_days", 1, "days since the key was created"),),
    ),
    Rule(
        id="AK031",
        title="managed role",
        severity=Severity.MEDIUM,
        condition="A role of the key is managed.",
        remedy="Give the key a narrower role of the organization's own: accesskeys update --role.",
        judge=judge_managed_role,
        controls=("OWASP NHI5", "NIST AC-6"),
        mind="Managed roles are broad by design; a role of the organization's own can be narrower.",
    ),
    Rule(
        id="AK032",
        title="many roles",
        severity=Severity.LOW,
        condition="The key has more than max_roles roles.",
        remedy="Take the roles away that the key does not use, or split its uses between several keys.",
        judge=judge_many_roles,
        controls=("OWASP NHI5", "NIST AC-6"),
        mind="Several narrow roles may be better than one that is broad.",
        parameters=(Parameter("max_roles", 3, "roles of a key"),),
    ),
    Rule(
        id="AK033",
        title="all workspaces",
        severity=Severity.MEDIUM,
        condition="A role of the key names no workspaces, and is granted in all of them.",
        remedy="Name the workspaces that the key works in: accesskeys update --role ROLE_ID:WORKSPACE_ID.",
        judge=judge_all_workspaces,
        controls=("OWASP NHI5", "NIST AC-6"),
        mind="The contract assumes that absent, null or empty workspaces stand for all.",
        is_on=False,
    ),
    Rule(
        id="AK034",
        title="unused and powerful",
        severity=Severity.CRITICAL,
        condition="AK001 or AK002 finds the key, and so does AK031 or AK036, each as the policy sets it.",
        remedy="Ask the owner today whether the key is needed. If not, delete it; if so, narrow its roles.",
        combine=judge_unused_and_powerful,
        controls=("OWASP NHI1", "OWASP NHI5"),
        mind="It stands beside their findings. AK036 judges only if roles are read (--roles).",
    ),
    Rule(
        id="AK035",
        title="several purposes",
        severity=Severity.INFO,
        condition="min_keys keys or more have the same set of roles.",
        remedy="Give each use a role of its own that allows no more than it needs.",
        judge=judge_shared_roles,
        scope=Scope.ORGANIZATION,
        controls=("NIST AC-6",),
        mind="Replicas of one service rightly have the same roles.",
        parameters=(Parameter("min_keys", 10, "keys with the same roles", minimum=2, maximum=1e9),),
        is_on=False,
    ),
)
