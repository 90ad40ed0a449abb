"""Rules about unexpected values in records: deprecated fields, types, and impossible times."""

from __future__ import annotations

from datetime import datetime, timedelta
from operator import le
from typing import Final

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.columns import count_unset
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.rule import Hit, Rule, Verdict, conclude
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.records import UNSET, AccessKey

SAME_MOMENT: Final = timedelta(minutes=1)
MIN_KEYS: Final = 5
DAY: Final = timedelta(days=1)


def judge_deprecated_roles(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys with role ids, which are deprecated, unless the response has the same roles as references."""
    roles = [key.role_ids for key in snapshot.keys]
    referred: dict[int, frozenset[str]] = {}  # by identity: keys share their references
    unknown = roles.count(UNSET)
    if unknown == len(roles):
        return Verdict((), unknown, "the response did not include role ids")
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
    return Verdict(hits, unknown, "the response did not include role ids")


def judge_unexpected_type(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys whose type is not one of `types`."""
    allowed = set(parameters.texts("types"))
    if not allowed:
        return Verdict((), len(snapshot.keys), "the policy has no types to expect")
    kinds = [key.type for key in snapshot.keys]
    expected = parameters.show("types")
    hits = [
        Hit(f"is of type {kind}; expected {expected}" if kind else f"has no type; expected {expected}", key)
        for key, kind in zip(snapshot.keys, kinds, strict=True)
        if kind is not UNSET and kind not in allowed
    ]
    return Verdict(hits, count_unset(kinds), "the response did not include a type")


def judge_updated_after_dormancy(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys updated in the last `within_days` that had not been used for `dormant_days` before.

    Keys are not evaluated if `updated_at` follows `last_used_at` within a minute for most of the keys of the
    organization that have both, and five keys or more have both.
    """
    recent = snapshot.taken_at - parameters.days("within_days")
    dormant = parameters.days("dormant_days")
    latest = snapshot.taken_at + DAY  # a later time is impossible, and reported by AK028
    long_ago = latest - dormant
    limit = parameters.show("dormant_days")
    hits: list[Hit] = []
    unknown = 0
    for key in _find_dormant(snapshot, long_ago):
        updated = key.updated_at
        if updated and recent <= updated <= latest:
            if key.last_used_at is UNSET:
                unknown += 1
            elif updated - (active := key.last_used_at or key.created_at) > dormant:
                days = (updated - active).days
                last = "last use" if key.last_used_at else "creation"
                message = f"updated on {updated.date()}, {days} days after its {last}; the limit is {limit}"
                hits.append(Hit(message, key))
    if (hits or unknown) and _follows_use(snapshot):
        return Verdict((), len(snapshot.keys), "updated_at follows last_used_at in this organization")
    reason = "the response did not include when the key was last updated or used"
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
    return len(apart) >= MIN_KEYS and sum(apart) * 2 > len(apart)


def judge_impossible_times(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys used or updated before they were created, or created, used or updated after the audit."""
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
    skew = parameters.show("skew_minutes")
    hits = [
        Hit(_describe(snapshot.keys[place], latest, skew), snapshot.keys[place]) for place in sorted(suspects)
    ]
    unknown = 0
    if snapshot.unset_used or snapshot.unset_updated:
        unknown = sum(
            (used is UNSET or updated is UNSET) and place not in suspects
            for place, (used, updated) in enumerate(zip(snapshot.used, snapshot.updated, strict=True))
        )
    return conclude(hits, unknown, "the response did not include when the key was last used and updated")


def _describe(key: AccessKey, latest: datetime, skew: str) -> str:
    times = {"used": key.last_used_at, "updated": key.updated_at}
    messages = [
        f"{what} {_when(time)}, before it was created"
        for what, time in times.items()
        if time and time < key.created_at
    ]
    messages += [
        f"{what} {_when(time)}, more than {skew} after the start of this audit"
        for what, time in {"created": key.created_at, **times}.items()
        if time and time > latest
    ]
    return "; ".join(messages)


def _when(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


RULES: Final = (
    Rule(
        id="AK025",
        title="deprecated roleIds",
        severity=Severity.INFO,
        condition="The key has deprecated role ids that its role references do not include.",
        remedy="Set the roles as role references: accesskeys update --role.",
        judge=judge_deprecated_roles,
        controls=("OWASP NHI5",),
        false_positives=(
            "A key that works as intended until the API drops role ids. Role ids that the API returns in "
            "addition to references are ignored."
        ),
    ),
    Rule(
        id="AK026",
        title="unexpected type",
        severity=Severity.INFO,
        condition="The type of the key is not one of: types.",
        remedy="Find out what created the key. If the type is expected, add it to the policy.",
        judge=judge_unexpected_type,
        controls=("NIST AC-2",),
        false_positives="A type that the service introduced recently: the contract does not limit the types.",
        parameters=(Parameter("types", (), "expected types"),),
        enabled=False,
    ),
    Rule(
        id="AK027",
        title="updated after dormancy",
        severity=Severity.MEDIUM,
        condition=(
            "The key was updated in the last within_days. Before, it had not been used for more than "
            "dormant_days since its last use or creation."
        ),
        remedy="Ask who updated the key, and check what it has been used for since.",
        judge=judge_updated_after_dormancy,
        controls=("NIST AU-6",),
        false_positives=(
            "A cleanup of names or descriptions. Keys are not evaluated in organizations where updated_at "
            "follows last_used_at."
        ),
        parameters=(
            Parameter("dormant_days", 90, "days between the last use and the update"),
            Parameter("within_days", 30, "days since the update"),
        ),
    ),
    Rule(
        id="AK028",
        title="impossible times",
        severity=Severity.MEDIUM,
        condition=(
            "The key was used or updated before it was created, or created, used or updated more than "
            "skew_minutes after the start of the audit."
        ),
        remedy="Report the contradiction to the support of the service.",
        judge=judge_impossible_times,
        controls=("integrity",),
        false_positives=(
            "A difference of more than skew_minutes between the clocks of the service and of the auditor."
        ),
        parameters=(
            Parameter("skew_minutes", 5, "minutes by which a time may be after the start of the audit"),
        ),
    ),
)
