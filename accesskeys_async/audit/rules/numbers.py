"""Rules about the number of keys, and of keys created at the same time."""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import Counter
from datetime import date, datetime, timedelta
from operator import sub
from typing import Final

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.rule import PASSED, Hit, Rule, Scope, Verdict
from accesskeys_async.audit.rules.snapshot import Snapshot

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


def judge_too_many(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find an organization with more than `max_keys` keys."""
    most = int(parameters.number("max_keys"))
    count = len(snapshot.keys)
    return PASSED if count <= most else Verdict((Hit(f"has {count:,} keys; the limit is {most:,}"),))


def judge_creation_burst(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find hours and days of the last `within_days` in which unusually many keys were created.

    An hour is any 60 minutes, both ends included, with `per_hour` keys or more. A day is a day in UTC, with
    `per_hour` keys or more, and more than the median plus `deviations` median absolute deviations of all days
    on which the organization created keys.
    """
    fewest = max(2, int(parameters.number("per_hour")))
    created = snapshot.creations
    recent = created[bisect_left(created, snapshot.taken_at - parameters.days("within_days")) :]
    # `fewest` keys created within a day are consecutive here, and contain `fewest - 1` consecutive keys that
    # start at an even index. If no such run of keys is shorter than a day, there is no burst.
    if min(map(sub, recent[fewest - 2 :: 2], recent[::2]), default=DAY) >= DAY:
        return PASSED
    hits = [
        Hit(
            f"{count} keys were created in the hour from {start:%Y-%m-%d %H:%M:%S} UTC; "
            f"the limit is {fewest - 1}",
            about=f"{start}",
        )
        for start, count in _find_hours(recent, fewest)
    ]
    in_hours = {f"{hit.about[:10]}" for hit in hits}
    for day, count, usual in _find_days(created, recent, fewest, parameters.number("deviations")):
        if day.isoformat() not in in_hours:
            message = f"{count} keys were created on {day}; up to {usual:g} a day are usual here"
            hits.append(Hit(message, about=day.isoformat()))
    return Verdict(hits)


def _find_hours(times: list[datetime], fewest: int) -> list[tuple[datetime, int]]:
    """Return the start and the number of keys of each burst; overlapping hours are one burst."""
    bursts: list[tuple[int, int]] = []
    for first in range(len(times) - fewest + 1):
        last = first + fewest - 1
        if times[last] - times[first] <= HOUR:
            if bursts and bursts[-1][1] >= first:
                bursts[-1] = (bursts[-1][0], last)
            else:
                bursts.append((first, last))
    return [(times[first], last - first + 1) for first, last in bursts]


def _find_days(
    created: list[datetime], recent: list[datetime], fewest: int, deviations: float
) -> list[tuple[date, int, float]]:
    busy = [
        date.fromordinal(day)
        for day, count in Counter(map(datetime.toordinal, recent)).items()
        if count >= fewest
    ]
    if not busy:
        return []
    counts = Counter(map(datetime.toordinal, created))
    median = statistics.median(counts.values())
    spread = statistics.median(abs(count - median) for count in counts.values())
    usual = median + deviations * spread
    found = ((day, counts[day.toordinal()], usual) for day in busy)
    return [one for one in found if one[1] > usual]


RULES: Final = (
    Rule(
        id="AK010",
        title="too many keys",
        severity=Severity.MEDIUM,
        condition="The organization has more than max_keys keys.",
        remedy="Delete the keys that no service uses, and give each service one key.",
        judge=judge_too_many,
        scope=Scope.ORGANIZATION,
        controls=("CIS AWS v3 1.13",),
        false_positives=(
            "An organization with more than max_keys services: one key for each service is good practice. "
            "Set the limit to the number of services."
        ),
        parameters=(Parameter("max_keys", 10, "keys of an organization", maximum=1e9),),
    ),
    Rule(
        id="AK015",
        title="creation burst",
        severity=Severity.MEDIUM,
        condition=(
            "In the last within_days, per_hour keys or more were created within an hour. Or that many were "
            "created on a day in UTC, and more than the median plus deviations times the median absolute "
            "deviation of all days on which keys were created."
        ),
        remedy="Find out who created the keys and why, and delete those that are not needed.",
        judge=judge_creation_burst,
        scope=Scope.ORGANIZATION,
        controls=("NIST AC-2",),
        false_positives="Onboarding, or a migration: both create many keys at the same time.",
        parameters=(
            Parameter("per_hour", 5, "keys created in an hour", minimum=2),
            Parameter("deviations", 6, "median absolute deviations above the median of a day"),
            Parameter("within_days", 30, "days before the audit that are searched"),
        ),
    ),
)
