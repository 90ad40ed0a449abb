"""Rules about age: keys that should have been rotated, or soon should be."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

from accesskeys_async.audit.records import Severity, Snapshot
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.rule import PASSED, Hit, Rule, Verdict, conclude, make_hit


def judge_rotation_overdue(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys older than `max_age_days`: high past `high_after_days`, critical past another bound."""
    at = snapshot.taken_at
    cutoff = at - parameters.days("max_age_days")
    high = at - parameters.days("high_after_days")
    critical = at - parameters.days("critical_after_days")
    bound = f"{parameters.number('max_age_days'):g}"
    if not snapshot.keys or snapshot.creations[0] >= cutoff:
        return PASSED
    hits: list[Hit] = []
    for key in [snapshot.keys[place] for place, created in enumerate(snapshot.created) if created < cutoff]:
        created = key.created_at
        severity = Severity.CRITICAL if created < critical else Severity.HIGH if created < high else None
        message = (
            f"made {(at - created).days} days ago, on {created.date().isoformat()}; rotate every {bound} days"
        )
        hits.append(make_hit(message, key, severity))
    return conclude(hits)


def judge_rotation_due(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys from `from_age_days` to `max_age_days` old."""
    at = snapshot.taken_at
    longest = parameters.days("max_age_days")
    oldest = at - longest
    youngest = at - parameters.days("from_age_days")
    if bisect_left(snapshot.creations, oldest) == bisect_right(snapshot.creations, youngest):
        return PASSED
    hits = [
        make_hit(
            f"{(at - created).days} days old; rotate by {(created + longest).date()}", snapshot.keys[place]
        )
        for place, created in enumerate(snapshot.created)
        if youngest >= created >= oldest
    ]
    return conclude(hits)


RULES: Final = (
    Rule(
        id="AK003",
        title="rotation overdue",
        severity=Severity.MEDIUM,
        condition=(
            "The key was made more than max_age_days ago; high past high_after_days, "
            "critical past critical_after_days."
        ),
        remedy="Rotate the key: accesskeys rotate plan.",
        judge=judge_rotation_overdue,
        controls=("CIS AWS v3 1.14", "NIST IA-5(f)", "PCI DSS 8.6.3", "OWASP NHI7"),
        mind="That a key was updated is no rotation: its token is as old as the key.",
        parameters=(
            Parameter("max_age_days", 90, "days since the key was made"),
            Parameter("high_after_days", 180, "days after which the finding is high"),
            Parameter("critical_after_days", 365, "days after which the finding is critical"),
        ),
    ),
    Rule(
        id="AK004",
        title="rotation due",
        severity=Severity.INFO,
        condition="The key is from_age_days to max_age_days old.",
        remedy="Plan the rotation now, before the key is max_age_days old: accesskeys rotate plan.",
        judge=judge_rotation_due,
        controls=("CIS AWS v3 1.14",),
        mind="Set max_age_days as in AK003, so that a key goes from one to the other.",
        parameters=(
            Parameter("from_age_days", 75, "days since the key was made"),
            Parameter("max_age_days", 90, "days after which AK003 takes over"),
        ),
    ),
)
