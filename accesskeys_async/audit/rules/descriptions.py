"""Rules about the text of names and descriptions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.rule import PASSED, Hit, Rule, Verdict, conclude, make_hit
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.audit.rules.text_patterns import (
    find_dates,
    has_secret,
    has_temporary_word,
    is_meaningless,
)
from accesskeys_async.records import UNSET

NOT_SAID: Final = "the response did not include a description"


def judge_naming(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find names that the `pattern` of the policy does not match completely."""
    pattern = re.compile(parameters.text("pattern"))
    return Verdict(
        [
            make_hit(f"the name does not match {pattern.pattern}", key)
            for key, name in zip(snapshot.keys, snapshot.names, strict=True)
            if pattern.fullmatch(name) is None
        ]
    )


def judge_description_meaning(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find keys without a description, with one equal to the name, or with one without meaning.

    The API leaves the field out if a key has no description. So an absent field is a finding here.
    """
    keys, descriptions = snapshot.keys, snapshot.descriptions
    places: Iterable[int] = snapshot.undescribed
    if not snapshot.description_set.isdisjoint(snapshot.names):
        places = range(len(keys))
    hits = [
        make_hit(
            "the description repeats the name" if descriptions[place] else "has no description", keys[place]
        )
        for place in places
        if not descriptions[place] or descriptions[place] == keys[place].name
    ]
    for place in snapshot.suspicious_descriptions:
        text = descriptions[place]
        if text and text != keys[place].name and is_meaningless(text):
            hits.append(make_hit("the description has no meaning", keys[place]))
    return conclude(hits)


def judge_description_out_of_date(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find descriptions with an "until" or "expires" date in the past. Days are in UTC."""
    today = snapshot.taken_at.date()
    hits: list[Hit] = []
    for place in snapshot.suspicious_descriptions:
        dates = find_dates(snapshot.descriptions[place] or "")
        if dates and max(dates) < today:
            hits.append(make_hit(f"the description ends on {max(dates)}", snapshot.keys[place]))
    return conclude(hits, snapshot.unset_descriptions, NOT_SAID)


def judge_temporary_outlived(snapshot: Snapshot, parameters: Parameters) -> Verdict:
    """Find keys older than `max_age_days` with a word such as "temp" in name or description."""
    if not _is_suspicious(snapshot):
        return PASSED
    cutoff = snapshot.taken_at - parameters.days("max_age_days")
    named = {place for place in snapshot.suspicious_names if has_temporary_word(snapshot.names[place])}
    described = {
        place
        for place in snapshot.suspicious_descriptions
        if has_temporary_word(snapshot.descriptions[place] or "")
    }
    limit = parameters.show("max_age_days")
    hits = [
        make_hit(
            f"named temporary and {(snapshot.taken_at - snapshot.created[place]).days} days old; "
            f"the limit is {limit}",
            snapshot.keys[place],
        )
        for place in sorted(named | described)
        if snapshot.created[place] < cutoff
    ]
    unknown = 0
    if snapshot.unset_descriptions:
        unknown = sum(
            place not in named and snapshot.created[place] < cutoff for place in _find_unset(snapshot)
        )
    return conclude(hits, unknown, NOT_SAID)


def judge_secret_in_metadata(snapshot: Snapshot, _: Parameters) -> Verdict:
    """Find names and descriptions with text that looks like a token or a private key, without showing it."""
    if not _is_suspicious(snapshot):
        return PASSED
    named = {place for place in snapshot.suspicious_names if has_secret(snapshot.names[place])}
    described = {
        place for place in snapshot.suspicious_descriptions if has_secret(snapshot.descriptions[place] or "")
    }
    hits = [
        make_hit(
            f"the {'name' if place in named else 'description'} has text that looks like a secret",
            snapshot.keys[place],
        )
        for place in sorted(named | described)
    ]
    unknown = 0
    if snapshot.unset_descriptions:
        unknown = sum(place not in named for place in _find_unset(snapshot))
    return conclude(hits, unknown, NOT_SAID)


def _is_suspicious(snapshot: Snapshot) -> bool:
    """Return whether a name or description needs a closer look, or a description is UNSET."""
    return bool(snapshot.suspicious_names or snapshot.suspicious_descriptions or snapshot.unset_descriptions)


def _find_unset(snapshot: Snapshot) -> Iterator[int]:
    return (place for place in snapshot.undescribed if snapshot.descriptions[place] is UNSET)


RULES: Final = (
    Rule(
        id="AK020",
        title="naming violation",
        severity=Severity.LOW,
        condition="The name does not match pattern completely.",
        remedy="Rename the key so that it matches pattern: accesskeys update --name.",
        judge=judge_naming,
        controls=("ISO 27001 A.5.16",),
        false_positives=(
            "Keys that were named before the convention, or by a tool with a convention of its own."
        ),
        parameters=(
            Parameter(
                "pattern",
                "[a-z0-9]+(-[a-z0-9]+)*",
                "a regular expression for the whole name",
                is_pattern=True,
            ),
        ),
        enabled=False,
    ),
    Rule(
        id="AK021",
        title="description missing or meaningless",
        severity=Severity.LOW,
        condition='The description is missing, repeats the name, or has no meaning, such as "test".',
        remedy="Describe which service uses the key and who owns it: accesskeys update --description.",
        judge=judge_description_meaning,
        controls=("ISO 27001 A.5.16",),
        false_positives="A key whose owner and purpose are recorded elsewhere, such as in a secret manager.",
    ),
    Rule(
        id="AK022",
        title="description out of date",
        severity=Severity.MEDIUM,
        condition='The description has an "until" or "expires" date in the past.',
        remedy="Delete the key, or set a new date: accesskeys update --description.",
        judge=judge_description_out_of_date,
        controls=("OWASP NHI1",),
        false_positives=(
            "A key that was extended without a new description. Dates are days in UTC. Ambiguous dates, such "
            "as 03/04/2026, are ignored."
        ),
    ),
    Rule(
        id="AK023",
        title="temporary key too old",
        severity=Severity.MEDIUM,
        condition=(
            "The name or description has one of the words temp, tmp, test and poc, and the key was created "
            "more than max_age_days ago."
        ),
        remedy="Delete the key. If it is still needed, rename it and describe its purpose.",
        judge=judge_temporary_outlived,
        controls=("OWASP NHI1",),
        false_positives=(
            'A permanent key of a test environment. Words are compared whole: "template" does not match.'
        ),
        parameters=(Parameter("max_age_days", 30, "days since the key was created"),),
    ),
    Rule(
        id="AK024",
        title="secret in metadata",
        severity=Severity.HIGH,
        condition="The name or description has text that looks like a token or a private key.",
        remedy="Revoke the secret where it was issued, then remove it from the name and description.",
        judge=judge_secret_in_metadata,
        controls=("OWASP NHI2",),
        false_positives=(
            "A random identifier. UUIDs and hashes are ignored. The finding never shows the text."
        ),
    ),
)
