"""Rules about how many keys there are, and how many come at once."""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import Counter
from datetime import date, datetime, timedelta
from operator import sub
from typing import Final

from accesskeys_async.audit.records import Severity, Snapshot
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.rule import PASSED, Hit, Rule, Scope, Verdict

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


def judge_too_many(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find an organization with more than `max_keys` keys."""
    most = int(parameters.number("max_keys"))
    count = len(snapshot.keys)
    return PASSED if count <= most else Verdict((Hit(f"has {count:,} keys; the policy takes {most:,}"),))


def judge_creation_burst(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find hours and days in which unusually many keys were made, within `within_days`.

    An hour is any sixty minutes, both ends included, and has `per_hour` keys or more. A day is a UTC day,
    has at least as many, and more than the median and `deviations` median absolute deviations of all days
    on which the organization made keys.
    """
    fewest = max(2, int(parameters.number("per_hour")))
    created = snapshot.creations
    recent = created[bisect_left(created, snapshot.taken_at - parameters.days("within_days")) :]
    # What was made within a day stands in a row, and each row of so many has one of one less that begins at
    # an even place: where none of those is as short, there is no burst.
    if min(map(sub, recent[fewest - 2 :: 2], recent[::2]), default=DAY) >= DAY:
        return PASSED
    hits = [
        Hit(f"{count} keys were made in the hour from {start:%Y-%m-%d %H:%M:%S} UTC", about=f"{start}")
        for start, count in _find_hours(recent, fewest)
    ]
    in_hours = {f"{hit.about[:10]}" for hit in hits}
    for day, count, usual in _find_days(created, recent, fewest, parameters.number("deviations")):
        if day.isoformat() not in in_hours:
            message = f"{count} keys were made on {day}; up to {usual:g} a day are usual here"
            hits.append(Hit(message, about=day.isoformat()))
    return Verdict(hits)


def _find_hours(times: list[datetime], fewest: int) -> list[tuple[datetime, int]]:
    """Return the first moment and the number of each burst; hours that overlap are one."""
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
        mind="One key for each service is good; the number of services is what to set max_keys to.",
        parameters=(Parameter("max_keys", 10, "keys in an organization", maximum=1e9),),
    ),
    Rule(
        id="AK015",
        title="creation burst",
        severity=Severity.MEDIUM,
        condition=(
            "Within within_days, per_hour keys or more were made in an hour; or as many in a UTC day, and "
            "more than the median and deviations times the median absolute deviation of the days with new "
            "keys."
        ),
        remedy="Find out who created the keys and why, and delete those that are not needed.",
        judge=judge_creation_burst,
        scope=Scope.ORGANIZATION,
        controls=("NIST AC-2",),
        mind="Onboarding makes many keys at once.",
        parameters=(
            Parameter("per_hour", 5, "keys in an hour", minimum=2),
            Parameter("deviations", 6, "median absolute deviations above the median of a day"),
            Parameter("within_days", 30, "days to look back"),
        ),
    ),
)
