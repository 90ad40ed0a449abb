"""Rules about use: unused keys and idle organizations."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.rule import PASSED, Hit, Rule, Scope, Verdict, conclude, make_hit
from accesskeys_async.audit.rules.snapshot import Snapshot

NOT_SAID: Final = "the response did not include when the key was last used"


def judge_unused(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys that were last used more than `max_idle_days` ago."""
    cutoff = snapshot.taken_at - parameters.days("max_idle_days")
    if snapshot.first_use is None or snapshot.first_use >= cutoff:
        return conclude((), snapshot.unset_used, NOT_SAID)
    limit = parameters.show("max_idle_days")
    hits = [
        make_hit(
            f"last used {_days(snapshot.taken_at - used)} ago, on {used.date().isoformat()}; "
            f"the limit is {limit}",
            snapshot.keys[index],
        )
        for index, used in enumerate(snapshot.used)
        if used and used < cutoff
    ]
    return conclude(hits, snapshot.unset_used, NOT_SAID)


def judge_never_used(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys that were never used and are older than `min_age_days`."""
    cutoff = snapshot.taken_at - parameters.days("min_age_days")
    long_ago = snapshot.taken_at - parameters.days("high_after_days")
    limit = parameters.show("min_age_days")
    hits = [
        make_hit(
            f"never used in the {_days(snapshot.taken_at - key.created_at)} since it was created; "
            f"the limit is {limit}",
            key,
            Severity.HIGH if key.created_at < long_ago else None,
        )
        for key in [snapshot.keys[place] for place in snapshot.never_used]
        if key.created_at < cutoff
    ]
    return conclude(hits, snapshot.unset_used, NOT_SAID)


def judge_idle_organization(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find an organization of which no key was used within `max_idle_days`.

    An organization without keys, or with younger keys only, passes.
    """
    cutoff = snapshot.taken_at - parameters.days("max_idle_days")
    latest = snapshot.last_use
    if latest is not None and latest >= cutoff:
        return PASSED
    if not snapshot.keys or snapshot.creations[0] >= cutoff:
        return PASSED
    if snapshot.unset_used:
        return Verdict(not_evaluated=1, reason="the response did not include when every key was last used")
    when = "none was ever used" if latest is None else f"the last use was on {latest.date()}"
    count = len(snapshot.keys)
    what = "its one key was not" if count == 1 else f"none of its {count:,} keys was"
    return Verdict((Hit(f"{what} used in {parameters.show('max_idle_days')}; {when}"),))


def _days(length: timedelta) -> str:
    return "1 day" if length.days == 1 else f"{length.days} days"


RULES: Final = (
    Rule(
        id="AK001",
        title="unused",
        severity=Severity.HIGH,
        condition="The key was last used more than max_idle_days ago.",
        remedy=(
            "Ask the owner whether the key is still needed. If not, delete it: accesskeys audit plan --rules "
            "AK001."
        ),
        judge=judge_unused,
        controls=("CIS AWS v3 1.12", "NIST AC-2(3)", "OWASP NHI1"),
        false_positives=(
            "Seasonal jobs: a key that is used once a year, to close the books, is unused most of the time."
        ),
        parameters=(Parameter("max_idle_days", 45, "days since the last use"),),
    ),
    Rule(
        id="AK002",
        title="never used",
        severity=Severity.MEDIUM,
        condition=(
            "The key was never used and was created more than min_age_days ago. The severity is high after "
            "high_after_days."
        ),
        remedy="Delete the key, or start to use it: accesskeys audit plan --rules AK002.",
        judge=judge_never_used,
        controls=("CIS AWS v3 1.12", "OWASP NHI1"),
        false_positives=(
            "A key that was prepared for a service that is launched later than min_age_days after its "
            "creation."
        ),
        parameters=(
            Parameter("min_age_days", 7, "days since the key was created"),
            Parameter("high_after_days", 45, "age in days from which the severity is high"),
        ),
    ),
    Rule(
        id="AK016",
        title="idle organization",
        severity=Severity.MEDIUM,
        condition="No key of the organization was used in the last max_idle_days.",
        remedy=(
            "Ask the owner whether the organization still needs its keys, and delete the keys that are not "
            "needed."
        ),
        judge=judge_idle_organization,
        scope=Scope.ORGANIZATION,
        controls=("OWASP NHI1",),
        false_positives=(
            "A seasonal organization. A new organization is not reported before its oldest key is "
            "max_idle_days old."
        ),
        parameters=(Parameter("max_idle_days", 90, "days since the last use of any key"),),
    ),
)
