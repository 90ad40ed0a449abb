"""Rules about the roles of a key: none, too many, or too broad.

Equal references of a response are one object, so each rule evaluates every distinct set of them once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import compress
from typing import Final, TypeAlias

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.role_policies import find_unevaluated, take_full_access
from accesskeys_async.audit.rules.rule import Hit, Rule, Scope, Verdict, conclude, make_hit
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.records import UNSET, Grant, RoleRef, Unset

MANAGED: Final = "managed"
MAX_REMEMBERED: Final = 1024
"""Sets of references whose managed roles are cached across organizations."""
NOT_TOLD: Final = "the response did not include the roles of the key"
TYPE_NOT_TOLD: Final = "the response did not include the roles of the key, or the type of a role"
UNUSED: Final = ("AK001", "AK002")
POWERFUL: Final = ("AK031", "AK036")

_References: TypeAlias = Sequence[RoleRef]
_Find: TypeAlias = Callable[[_References], str | Unset | None]
"""Returns a message if the references are a finding, None if not, UNSET if it is not known."""


def judge_no_roles(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys without roles that are older than `min_age_days`."""
    cutoff = snapshot.taken_at - parameters.days("min_age_days")
    message = f"has no roles after more than {parameters.show('min_age_days')}; all its requests are denied"
    found = _check_each_set(snapshot, lambda references: None if references else message)
    return _judge(snapshot, found, NOT_TOLD, created_before=cutoff)


def judge_managed_role(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys with a managed role."""
    return _judge(snapshot, _check_each_set(snapshot, _find_managed), TYPE_NOT_TOLD)


def judge_many_roles(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys with more than `max_roles` roles."""
    most = int(parameters.number("max_roles"))

    def find(references: _References) -> str | None:
        count = len(references)
        return f"has {count} roles; the limit is {most}" if count > most else None

    return _judge(snapshot, _check_each_set(snapshot, find), NOT_TOLD)


def judge_all_workspaces(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys with a role in all workspaces: its workspaces are absent, null or empty."""

    def find(references: _References) -> str | None:
        wide = [one for one in references if not one.workspaces]
        return f"has {_name_roles(wide)} in all workspaces" if wide else None

    return _judge(snapshot, _check_each_set(snapshot, find), NOT_TOLD)


def judge_shared_roles(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find sets of roles and workspaces that `min_keys` keys or more have."""
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
        Hit(
            f"{count:,} keys have the same roles (limit: {fewest - 1:,}): {_name_roles(shown[grants])}",
            about=_identify(grants),
        )
        for grants, count in counts.items()
        if count >= fewest
    ]
    if not hits and UNSET in snapshot.role_sets.values():
        return Verdict((), 1, "the response did not include the roles of every key")
    return conclude(sorted(hits, key=lambda hit: hit.about))


def judge_unused_and_powerful(snapshot: Snapshot, verdicts: Mapping[str, Verdict]) -> Verdict:
    """Find keys with a finding of AK001 or AK002 and one of AK031 or AK036. Disabled rules find nothing."""
    unused = [verdicts[rule] for rule in UNUSED if rule in verdicts]
    powerful = [verdicts[rule] for rule in POWERFUL if rule in verdicts]
    if not unused or not powerful:
        return Verdict((), len(snapshot.keys), "needs AK001 or AK002, and AK031 or AK036; enable one of each")
    idle, strong = _messages(unused), _messages(powerful)
    hits: list[Hit] = []
    if both := idle.keys() & strong.keys():
        hits = [
            make_hit(f"{idle[id(key)]}; {strong[id(key)]}", key) for key in snapshot.keys if id(key) in both
        ]
    return conclude(
        hits,
        _count_undecided(snapshot, idle, strong, verdicts),
        "the response did not include when the key was last used, or its roles",
    )


def _messages(verdicts: Sequence[Verdict]) -> dict[int, str]:
    return {id(hit.key): hit.message for verdict in reversed(verdicts) for hit in verdict.hits}


def _count_undecided(
    snapshot: Snapshot, idle: Mapping[int, str], strong: Mapping[int, str], verdicts: Mapping[str, Verdict]
) -> int:
    """Count the keys that may be unused and powerful, but are not known to be both."""
    maybe_idle: set[int] = set()
    if snapshot.unset_used:
        maybe_idle = {id(key) for key in snapshot.keys if key.last_used_at is UNSET}
    maybe_strong: set[int] = set()
    if "AK031" in verdicts and verdicts["AK031"].not_evaluated:
        found = _check_each_set(snapshot, _find_managed)
        maybe_strong = {id(key) for key in snapshot.keys if found[id(key.role_refs)] is UNSET}
    if "AK036" in verdicts and snapshot.unread_roles is not None:
        maybe_strong |= {id(key) for key, _ in find_unevaluated(snapshot, take_full_access)}
    if not maybe_idle and not maybe_strong:
        return 0
    candidates = (idle.keys() | maybe_idle) & (strong.keys() | maybe_strong)
    return len(candidates - (idle.keys() & strong.keys()))


def _check_each_set(snapshot: Snapshot, find: _Find) -> dict[int, str | Unset | None]:
    """Return the result of each distinct set of references, by its `id`. Null means no references."""
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
        known = _managed[id(references)] = references, _describe_managed(references)
    return known[1]


_managed: dict[int, tuple[_References, str | Unset | None]] = {}
"""Results of references that were evaluated before: organizations share them, as keys of a response do."""


def _describe_managed(references: _References) -> str | Unset | None:
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
        condition="The key has no roles and was created more than min_age_days ago.",
        remedy="Give the key the roles that it needs, or delete it.",
        judge=judge_no_roles,
        controls=("OWASP NHI5",),
        false_positives=(
            "A key whose owner still waits for roles. The service denies all requests of a key without roles."
        ),
        parameters=(Parameter("min_age_days", 1, "days since the key was created"),),
    ),
    Rule(
        id="AK031",
        title="managed role",
        severity=Severity.MEDIUM,
        condition="The key has a managed role.",
        remedy="Replace the managed role by a narrower role of the organization: accesskeys update --role.",
        judge=judge_managed_role,
        controls=("OWASP NHI5", "NIST AC-6"),
        false_positives=(
            "A key that needs most of what the managed role permits. Managed roles are broad by design."
        ),
    ),
    Rule(
        id="AK032",
        title="many roles",
        severity=Severity.LOW,
        condition="The key has more than max_roles roles.",
        remedy="Remove roles that the key does not need, or use several keys with max_roles roles or fewer.",
        judge=judge_many_roles,
        controls=("OWASP NHI5", "NIST AC-6"),
        false_positives="Several narrow roles, which can be better than one broad role.",
        parameters=(Parameter("max_roles", 3, "roles of a key"),),
    ),
    Rule(
        id="AK033",
        title="all workspaces",
        severity=Severity.MEDIUM,
        condition="The key has a role without workspaces, which applies to all workspaces.",
        remedy="Set the workspaces that the key needs: accesskeys update --role ROLE_ID:WORKSPACE_ID.",
        judge=judge_all_workspaces,
        controls=("OWASP NHI5", "NIST AC-6"),
        false_positives=(
            "A key that works in every workspace. The meaning of absent, null or empty workspaces is an "
            "assumption of the contract."
        ),
        enabled=False,
    ),
    Rule(
        id="AK034",
        title="unused and powerful",
        severity=Severity.CRITICAL,
        condition=(
            "AK001 or AK002 reports the key, and AK031 or AK036 reports it as well, as the policy sets them."
        ),
        remedy="Ask the owner today whether the key is needed. If not, delete it. If so, narrow its roles.",
        combine=judge_unused_and_powerful,
        controls=("OWASP NHI1", "OWASP NHI5"),
        false_positives=(
            "A seasonal job that needs a broad role. The finding is in addition to those of the other rules. "
            "AK036 is evaluated only if roles are read (--roles)."
        ),
    ),
    Rule(
        id="AK035",
        title="same roles on many keys",
        severity=Severity.INFO,
        condition="At least min_keys keys of the organization have the same set of roles.",
        remedy="Give each use of the keys a role of its own that permits only what it needs.",
        judge=judge_shared_roles,
        scope=Scope.ORGANIZATION,
        controls=("NIST AC-6",),
        false_positives="Replicas of one service, which need the same roles.",
        parameters=(Parameter("min_keys", 10, "keys with the same roles", minimum=2, maximum=1e9),),
        enabled=False,
    ),
)
