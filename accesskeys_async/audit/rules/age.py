"""Rules about the age of keys: rotation is overdue, or due soon."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.rule import PASSED, Hit, Rule, Verdict, conclude, make_hit
from accesskeys_async.audit.rules.snapshot import Snapshot


def judge_rotation_overdue(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys older than `max_age_days`; `high_after_days` and `critical_after_days` raise the severity."""
    at = snapshot.taken_at
    cutoff = at - parameters.days("max_age_days")
    high = at - parameters.days("high_after_days")
    critical = at - parameters.days("critical_after_days")
    if not snapshot.keys or snapshot.creations[0] >= cutoff:
        return PASSED
    limit = parameters.show("max_age_days")
    hits: list[Hit] = []
    for key in [snapshot.keys[place] for place, created in enumerate(snapshot.created) if created < cutoff]:
        created = key.created_at
        severity = Severity.CRITICAL if created < critical else Severity.HIGH if created < high else None
        message = (
            f"created {(at - created).days} days ago, on {created.date().isoformat()}; the limit is {limit}"
        )
        hits.append(make_hit(message, key, severity))
    return conclude(hits)


def judge_rotation_due(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys between `from_age_days` and `max_age_days` old."""
    at = snapshot.taken_at
    longest = parameters.days("max_age_days")
    oldest = at - longest
    youngest = at - parameters.days("from_age_days")
    if bisect_left(snapshot.creations, oldest) == bisect_right(snapshot.creations, youngest):
        return PASSED
    limit = parameters.show("max_age_days")
    hits = [
        make_hit(
            f"{(at - created).days} days old; rotate it by {(created + longest).date()}, at {limit}",
            snapshot.keys[place],
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
            "The key was created more than max_age_days ago. The severity is high after high_after_days, and "
            "critical after critical_after_days."
        ),
        remedy="Rotate the key, so that its token is at most max_age_days old: accesskeys rotate plan.",
        judge=judge_rotation_overdue,
        controls=("CIS AWS v3 1.14", "NIST IA-5(f)", "PCI DSS 8.6.3", "OWASP NHI7"),
        false_positives=(
            "A rotation in progress: the old key is deleted after the new one is in use. An update is not a "
            "rotation, because it keeps the token."
        ),
        parameters=(
            Parameter("max_age_days", 90, "days since the key was created"),
            Parameter("high_after_days", 180, "age in days from which the severity is high"),
            Parameter("critical_after_days", 365, "age in days from which the severity is critical"),
        ),
    ),
    Rule(
        id="AK004",
        title="rotation due",
        severity=Severity.INFO,
        condition="The key is between from_age_days and max_age_days old.",
        remedy="Plan the rotation now, before the key is max_age_days old: accesskeys rotate plan.",
        judge=judge_rotation_due,
        controls=("CIS AWS v3 1.14",),
        false_positives=(
            "The finding is a reminder, not a problem. Use the same maximum age here and in AK003."
        ),
        parameters=(
            Parameter("from_age_days", 75, "days since the key was created"),
            Parameter("max_age_days", 90, "age in days from which AK003 reports the key instead"),
        ),
    ),
)
