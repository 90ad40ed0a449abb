"""Rules about what a record should not say: deprecated fields, strange types, impossible times."""

from __future__ import annotations

from datetime import datetime, timedelta
from operator import le
from typing import Final

from accesskeys_async.audit.records import Severity, Snapshot
from accesskeys_async.audit.rules.columns import count_unset
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.rule import Hit, Rule, Verdict, conclude
from accesskeys_async.records import UNSET, AccessKey

SAME_MOMENT: Final = timedelta(minutes=1)
ENOUGH: Final = 5
DAY: Final = timedelta(days=1)


def judge_deprecated_roles(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys with role ids, which the API deprecates, unless it tells the same roles as references."""
    roles = [key.role_ids for key in snapshot.keys]
    referred: dict[int, frozenset[str]] = {}  # by identity: keys share their references
    unknown = roles.count(UNSET)
    if unknown == len(roles):
        return Verdict((), unknown, "the answer did not name role ids")
    hits: list[Hit] = []
    for key, ids in zip(snapshot.keys, roles, strict=True):
        if not ids:
            continue
        refs = key.role_refs or ()
        known = referred.get(id(refs))
        if known is None:
            known = referred[id(refs)] = frozenset(str(ref.id) for ref in refs)
        if count := sum(text.lower() not in known for text in ids):
            hits.append(Hit(f"has {count} deprecated role id{'s' if count > 1 else ''}", key))
    return Verdict(hits, unknown, "the answer did not name role ids")


def judge_unexpected_type(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys of another type than the policy's `types`."""
    allowed = set(parameters.texts("types"))
    if not allowed:
        return Verdict((), len(snapshot.keys), "the policy names no types")
    kinds = [key.type for key in snapshot.keys]
    hits = [
        Hit(f"is of type {kind}" if kind else "has no type", key)
        for key, kind in zip(snapshot.keys, kinds, strict=True)
        if kind is not UNSET and kind not in allowed
    ]
    return Verdict(hits, count_unset(kinds), "the answer did not name a type")


def judge_updated_after_dormancy(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys lately updated that had not been used, or made, for `dormant_days` before that.

    It judges nothing where `updated_at` follows `last_used_at`: within a minute, in most of the
    organization's keys that have both, if those are five or more.
    """
    recent = snapshot.taken_at - parameters.days("within_days")
    dormant = parameters.days("dormant_days")
    latest = snapshot.taken_at + DAY  # what is later is impossible, and another rule's
    long_ago = latest - dormant
    hits: list[Hit] = []
    unknown = 0
    for key in _find_dormant(snapshot, long_ago):
        updated = key.updated_at
        if updated and recent <= updated <= latest:
            if key.last_used_at is UNSET:
                unknown += 1
            elif updated - (active := key.last_used_at or key.created_at) > dormant:
                hits.append(Hit(f"updated on {updated.date()}, dormant since {active.date()}", key))
    if (hits or unknown) and _follows_use(snapshot):
        return Verdict((), len(snapshot.keys), "updated_at follows last_used_at here")
    reason = "the answer did not say when the key was last updated or used"
    return conclude(hits, unknown + snapshot.unset_updated, reason)


def _find_dormant(snapshot: Snapshot, long_ago: datetime) -> list[AccessKey]:
    if not snapshot.unset_used and (snapshot.first_use is None or snapshot.first_use >= long_ago):
        return [snapshot.keys[place] for place in snapshot.never_used]
    return [snapshot.keys[place] for place, used in enumerate(snapshot.used) if not used or used < long_ago]


def _follows_use(snapshot: Snapshot) -> bool:
    apart = [
        abs(updated - used) <= SAME_MOMENT
        for updated, used in zip(snapshot.updated, snapshot.used, strict=True)
        if updated and used
    ]
    return len(apart) >= ENOUGH and sum(apart) * 2 > len(apart)


def judge_impossible_times(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys used or updated before they were made, or made, used or updated after T."""
    latest = snapshot.taken_at + timedelta(minutes=parameters.number("skew_minutes"))
    suspects: set[int] = set()
    for column, last in (
        (snapshot.used_or_created, snapshot.last_use),
        (snapshot.updated_or_created, snapshot.last_update),
    ):
        if not all(map(le, snapshot.created, column)) or (last or latest) > latest:
            suspects.update(
                place
                for place, (created, time) in enumerate(zip(snapshot.created, column, strict=True))
                if not created <= time <= latest
            )
    hits = [Hit(_tell(snapshot.keys[place], latest), snapshot.keys[place]) for place in sorted(suspects)]
    unknown = 0
    if snapshot.unset_used or snapshot.unset_updated:
        unknown = sum(
            (used is UNSET or updated is UNSET) and place not in suspects
            for place, (used, updated) in enumerate(zip(snapshot.used, snapshot.updated, strict=True))
        )
    return conclude(hits, unknown, "the answer did not say when the key was last used and updated")


def _tell(key: AccessKey, latest: datetime) -> str:
    times = {"used": key.last_used_at, "updated": key.updated_at}
    said = [
        f"{what} {_when(time)}, before it was made"
        for what, time in times.items()
        if time and time < key.created_at
    ]
    said += [
        f"{what} {_when(time)}, after this audit began"
        for what, time in {"made": key.created_at, **times}.items()
        if time and time > latest
    ]
    return "; ".join(said)


def _when(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


RULES: Final = (
    Rule(
        id="AK025",
        title="deprecated roleIds",
        severity=Severity.INFO,
        condition="The key has role ids that its role references do not name.",
        remedy="Set the roles again in the current form: accesskeys update --role.",
        judge=judge_deprecated_roles,
        controls=("OWASP NHI5",),
        mind="The API tells role ids beside references: those are no finding. Absent is not evaluated.",
    ),
    Rule(
        id="AK026",
        title="unexpected type",
        severity=Severity.INFO,
        condition="The key's type is not one of types.",
        remedy="Find out what created the key; add the type to the policy if it is expected.",
        judge=judge_unexpected_type,
        controls=("NIST AC-2",),
        mind="The contract leaves the types open: list those that you know.",
        parameters=(Parameter("types", (), "the types that are expected"),),
        is_on=False,
    ),
    Rule(
        id="AK027",
        title="updated after dormancy",
        severity=Severity.MEDIUM,
        condition=(
            "The key was updated within within_days, dormant_days or more after its last use, or after it "
            "was made where it was never used."
        ),
        remedy="Ask who updated the key, and check what it was used for since.",
        judge=judge_updated_after_dormancy,
        controls=("NIST AU-6",),
        mind="Where updated_at follows last_used_at, the rule judges nothing.",
        parameters=(
            Parameter("dormant_days", 90, "days between the last use and the update"),
            Parameter("within_days", 30, "days since the update"),
        ),
    ),
    Rule(
        id="AK028",
        title="impossible times",
        severity=Severity.MEDIUM,
        condition="The key was used or updated before it was made, or something happened after the audit.",
        remedy="Report it to the service's support: its records contradict each other.",
        judge=judge_impossible_times,
        controls=("integrity",),
        mind="Clock skew: skew_minutes are allowed.",
        parameters=(Parameter("skew_minutes", 5, "minutes that a time may be after T"),),
    ),
)
