"""Rules about similar keys: the same name, the same suffix, or a predecessor and its successor."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Final

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.rule import PASSED, Hit, Rule, Verdict
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.records import UNSET, AccessKey

OVERLAP: Final = Parameter("overlap_days", 14, "days for which a rotation may have both keys")


def judge_duplicate_name(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find all keys of a name except the newest.

    The second newest passes while the newest is younger than `overlap_days`: it is being rotated.
    """
    names = snapshot.folded_names
    if len(snapshot.folded_name_set) == len(names):
        return PASSED
    youngest = snapshot.taken_at - parameters.days("overlap_days")
    same: dict[str, list[AccessKey]] = {}
    for name, key in zip(names, snapshot.keys, strict=True):
        same.setdefault(name, []).append(key)
    hits: list[Hit] = []
    for keys in same.values():
        if len(keys) > 1:
            *older, newest = sorted(keys, key=_by_age)
            if newest.created_at >= youngest:
                older.pop()
            hits += [Hit(f"has the same name as a newer key, {newest.id}", key) for key in older]
    return Verdict(hits)


def judge_suffix_collision(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys of the organization that have the same suffix and different ids."""
    suffixes = snapshot.suffixes
    if len(snapshot.suffix_set) == len(suffixes):
        return PASSED
    shared = {suffix: count for suffix, count in Counter(suffixes).items() if count > 1}
    hits = [
        Hit(f"has the same suffix as {_others(shared[key.suffix])} of the organization", key)
        for key in snapshot.keys
        if key.suffix in shared
    ]
    return Verdict(hits)


def judge_predecessor_kept(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys whose successor has the same base name, is in use, and is older than `overlap_days`."""
    if not snapshot.families:
        return PASSED
    cutoff = snapshot.taken_at - parameters.days("overlap_days")
    limit = parameters.show("overlap_days")
    hits: list[Hit] = []
    unknown = 0
    for keys in snapshot.families:
        for place, key in enumerate(keys[:-1]):
            old_enough = [one for one in keys[place + 1 :] if one.created_at < cutoff]
            in_use = next((one for one in reversed(old_enough) if one.last_used_at), None)
            if in_use is not None:
                message = (
                    f"its successor {in_use.id}, created on {in_use.created_at.date()}, is in use; "
                    f"the limit for both is {limit}"
                )
                hits.append(Hit(message, key))
            else:
                unknown += any(one.last_used_at is UNSET for one in old_enough)
    return Verdict(hits, unknown, "the response did not include whether the newer key is in use")


def judge_rotation_stalled(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys that were not used in `unused_days`, but whose predecessor was used after their creation."""
    if not snapshot.families:
        return PASSED
    cutoff = snapshot.taken_at - parameters.days("unused_days")
    limit = parameters.show("unused_days")
    hits: list[Hit] = []
    unknown = 0
    for keys in snapshot.families:
        for older, newer in pairwise(keys):
            if newer.created_at >= cutoff or newer.last_used_at:
                continue
            if newer.last_used_at is UNSET or older.last_used_at is UNSET:
                unknown += 1
            elif older.last_used_at and older.last_used_at > newer.created_at:
                age = (snapshot.taken_at - newer.created_at).days
                message = (
                    f"not used in the {age} days since it was created (limit: {limit}), but its predecessor "
                    f"{older.id} was"
                )
                hits.append(Hit(message, newer))
    return Verdict(hits, unknown, "the response did not include when the keys were last used")


def _by_age(key: AccessKey) -> tuple[object, int]:
    return key.created_at, key.id.int


def _others(count: int) -> str:
    return "another key" if count == 2 else f"{count - 1} other keys"


RULES: Final = (
    Rule(
        id="AK011",
        title="duplicate name",
        severity=Severity.LOW,
        condition=(
            "A newer key of the organization has the same name, ignoring case and Unicode form (NFKC). The "
            "second newest key is reported once the newest is overlap_days old."
        ),
        remedy=(
            "Delete the older key if the newer key has replaced it. Otherwise give each key a name of its "
            "own: accesskeys update --name."
        ),
        judge=judge_duplicate_name,
        controls=("OWASP NHI9",),
        false_positives=(
            "A rotation that takes longer than overlap_days, or replicas that share a name on purpose."
        ),
        parameters=(OVERLAP,),
    ),
    Rule(
        id="AK012",
        title="suffix collision",
        severity=Severity.HIGH,
        condition=(
            "Another key has the same suffix. The severity is high in one organization, and info across "
            "organizations."
        ),
        remedy="Rotate one of the keys, so that logs and reports identify a key by its suffix.",
        judge=judge_suffix_collision,
        controls=("integrity",),
        false_positives="Coincidence: 0.09 pairs with the same suffix are expected among 100,000 keys.",
        parameters=(
            Parameter("across", True, "whether to compare suffixes across organizations"),
            Parameter(
                "max_remembered",
                2_000_000,
                "suffixes to keep in memory across organizations, 100 bytes each",
                maximum=1e9,
            ),
        ),
    ),
    Rule(
        id="AK013",
        title="predecessor not deleted",
        severity=Severity.HIGH,
        condition="A newer key with the same base name is in use and was created more than overlap_days ago.",
        remedy=(
            "Check that no service uses the older key, and delete it: accesskeys audit plan --rules AK013."
        ),
        judge=judge_predecessor_kept,
        controls=("OWASP NHI1", "CIS AWS v3 1.13"),
        false_positives=(
            "Pairs that are kept on purpose. A base name is a name without an ending such as -v2, (2), "
            "-2026-11 or -new."
        ),
        parameters=(OVERLAP,),
    ),
    Rule(
        id="AK014",
        title="rotation stalled",
        severity=Severity.MEDIUM,
        condition=(
            "The key was created more than unused_days ago and was never used. Its predecessor, a key with "
            "the same base name, was used after that."
        ),
        remedy=(
            "Replace the older key's token with the newer key's where it is used, then delete the older "
            "key. Or delete the newer key."
        ),
        judge=judge_rotation_stalled,
        controls=("OWASP NHI7",),
        false_positives="A rollout that takes longer than unused_days.",
        parameters=(Parameter("unused_days", 7, "days since the newer key was created"),),
    ),
)
