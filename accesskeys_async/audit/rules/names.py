"""Rules about keys that look like each other: the same name, the same suffix, the one's successor."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Final

from accesskeys_async.audit.records import Severity, Snapshot
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.rule import PASSED, Hit, Rule, Verdict
from accesskeys_async.records import UNSET, AccessKey

OVERLAP: Final = Parameter("overlap_days", 14, "days that a rotation may have both keys")


def judge_duplicate_name(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys that a newer key has the name of; each but the newest.

    While the newest is younger than `overlap_days`, the one before it passes: it is being rotated.
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
            hits += [Hit(f"has the name of a newer key, {newest.id}", key) for key in older]
    return Verdict(hits)


def judge_suffix_collision(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys of the organization whose suffixes are equal and whose ids are not."""
    suffixes = snapshot.suffixes
    if len(snapshot.suffix_set) == len(suffixes):
        return PASSED
    often = {suffix: count for suffix, count in Counter(suffixes).items() if count > 1}
    hits = [
        Hit(f"the suffix is that of {_others(often[key.suffix])} here, too", key)
        for key in snapshot.keys
        if key.suffix in often
    ]
    return Verdict(hits)


def judge_predecessor_kept(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys whose successor, of the same base name, is in use and older than `overlap_days`."""
    if not snapshot.families:
        return PASSED
    cutoff = snapshot.taken_at - parameters.days("overlap_days")
    hits: list[Hit] = []
    unknown = 0
    for keys in snapshot.families:
        for place, key in enumerate(keys[:-1]):
            grown = [one for one in keys[place + 1 :] if one.created_at < cutoff]
            in_use = next((one for one in reversed(grown) if one.last_used_at), None)
            if in_use is not None:
                hits.append(Hit(f"its successor {in_use.id}, of {in_use.created_at.date()}, is in use", key))
            else:
                unknown += any(one.last_used_at is UNSET for one in grown)
    return Verdict(hits, unknown, "the answer did not say whether the newer key is in use")


def judge_rotation_stalled(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys never used for `unused_days` while their predecessor was used after they were made."""
    if not snapshot.families:
        return PASSED
    cutoff = snapshot.taken_at - parameters.days("unused_days")
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
                message = f"not used in its {age} days, while its predecessor {older.id} was"
                hits.append(Hit(message, newer))
    return Verdict(hits, unknown, "the answer did not say when the keys were last used")


def _by_age(key: AccessKey) -> tuple[object, int]:
    return key.created_at, key.id.int


def _others(count: int) -> str:
    return "another key" if count == 2 else f"{count - 1} other keys"


RULES: Final = (
    Rule(
        id="AK011",
        title="duplicate name",
        severity=Severity.LOW,
        condition="A newer key of the organization has the same name, after NFKC and case folding.",
        remedy=(
            "Delete the older key if the newer one has replaced it; otherwise give each key a name of "
            "its own."
        ),
        judge=judge_duplicate_name,
        controls=("OWASP NHI9",),
        mind="An overlap of overlap_days is a rotation.",
        parameters=(OVERLAP,),
    ),
    Rule(
        id="AK012",
        title="suffix collision",
        severity=Severity.HIGH,
        condition="Another key has the same suffix: high in an organization, info across organizations.",
        remedy="Rotate one of the keys, so that logs and reports can tell them apart by the suffix.",
        judge=judge_suffix_collision,
        controls=("integrity",),
        mind="Chance: among 100,000 keys 0.09 such pairs are expected.",
        parameters=(
            Parameter("across", True, "whether to look across organizations, too"),
            Parameter(
                "max_remembered",
                2_000_000,
                "suffixes to remember across organizations, 100 bytes each",
                maximum=1e9,
            ),
        ),
    ),
    Rule(
        id="AK013",
        title="predecessor kept",
        severity=Severity.HIGH,
        condition="A newer key of the same base name is in use and older than overlap_days.",
        remedy="Delete the older key: its successor is in use.",
        judge=judge_predecessor_kept,
        controls=("OWASP NHI1", "CIS AWS v3 1.13"),
        mind="Deliberate pairs. A base name is a name without a mark such as -v2, (2), -2026-11 or -new.",
        parameters=(OVERLAP,),
    ),
    Rule(
        id="AK014",
        title="rotation stalled",
        severity=Severity.MEDIUM,
        condition=(
            "The key was never used in unused_days, and its predecessor, of the same base name, was used "
            "after it was made."
        ),
        remedy=(
            "Give the newer key's token to the users of the older key, then delete the older key; or "
            "delete the newer key."
        ),
        judge=judge_rotation_stalled,
        controls=("OWASP NHI7",),
        mind="A slow rollout.",
        parameters=(Parameter("unused_days", 7, "days since the newer key was made"),),
    ),
)
