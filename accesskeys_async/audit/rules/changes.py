"""Rules about what changed since the last complete reading of an organization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.columns import count_unset
from accesskeys_async.audit.rules.key_changes import Changes
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.role_changes import (
    are_roles_edited,
    judge_roles_added,
    judge_roles_taken,
)
from accesskeys_async.audit.rules.rule import Hit, Rule, Scope, Verdict, tell_time
from accesskeys_async.records import UNSET, AccessKey

NOT_SAID: Final = "an answer did not say when the key was last used"
NOT_READ: Final = "an answer had no description or type"
NO_READING_BEFORE: Final = "takes a complete reading before the last one"

JudgeChanges: TypeAlias = Callable[[Changes, Parameters], Verdict]
"""A pure function over two readings."""


def judge_revived(changes: Changes, parameters: Parameters) -> Verdict:
    """Find keys that were used after more than `max_dormant_days` without use."""
    most = parameters.days("max_dormant_days")
    hits: list[Hit] = []
    for before, after in changes.changed:
        if before.last_used_at is UNSET or not after.last_used_at:
            continue
        dormant = after.last_used_at - (before.last_used_at or before.created_at)
        if dormant > most:
            last = "its last use" if before.last_used_at else "it was made"
            hits.append(Hit(f"used on {after.last_used_at.date()}, {_days(dormant)} after {last}", after))
    return Verdict(hits, _count_without_use(changes), NOT_SAID)


def judge_appeared(changes: Changes, _: Parameters) -> Verdict:
    """Find new keys that no rotation journal knows."""
    hits = [
        Hit(f"made on {key.created_at.date()}, and no rotation journal knows it", key)
        for key in changes.appeared
        if key.id not in changes.known
    ]
    return Verdict(hits)


def judge_gone(changes: Changes, _: Parameters) -> Verdict:
    """Find keys that are gone and that no rotation journal knows."""
    hits = [
        Hit(f"gone since {tell_time(changes.earlier_at)}, and no rotation journal knows it", key)
        for key in changes.gone
        if key.id not in changes.known
    ]
    return Verdict(hits)


def judge_identity_changed(changes: Changes, _: Parameters) -> Verdict:
    """Find keys whose suffix or time of creation is not what it was under the same id."""
    hits: list[Hit] = []
    for before, after in changes.changed:
        found: list[str] = []
        if before.suffix != after.suffix:
            found.append(f"the suffix was {before.suffix!a} and is {after.suffix!a}")
        if before.created_at != after.created_at:
            found.append(
                f"created_at was {tell_time(before.created_at)} and is {tell_time(after.created_at)}"
            )
        if found:
            hits.append(Hit("; ".join(found), after))
    return Verdict(hits)


def judge_use_went_back(changes: Changes, _: Parameters) -> Verdict:
    """Find keys whose last use is earlier than it was, or not known any more."""
    hits: list[Hit] = []
    for before, after in changes.changed:
        if not before.last_used_at or after.last_used_at is UNSET:
            continue
        if after.last_used_at is None or after.last_used_at < before.last_used_at:
            now = "never" if after.last_used_at is None else tell_time(after.last_used_at)
            hits.append(Hit(f"the last use was {tell_time(before.last_used_at)} and is {now}", after))
    return Verdict(hits, _count_without_use(changes), NOT_SAID)


def judge_edited(changes: Changes, _: Parameters) -> Verdict:
    """Find keys whose name, description, type or roles were edited; what they are is not repeated."""
    hits: list[Hit] = []
    for before, after in changes.changed:
        fields = _find_edits(before, after)
        if fields:
            hits.append(Hit(f"edited since {tell_time(changes.earlier_at)}: {', '.join(fields)}", after))
    return Verdict(hits, _count_without_texts(changes), NOT_READ)


def judge_short_lived(changes: Changes, _: Parameters) -> Verdict:
    """Find keys that were made after one complete reading, seen by the next, and are gone at this one."""
    if changes.before_at is None:
        return Verdict((), len(changes.gone), NO_READING_BEFORE)
    hits = [
        Hit(f"made on {key.created_at.date()} and gone again by {changes.now.taken_at.date()}", key)
        for key in changes.gone
        if key.created_at > changes.before_at and key.id not in changes.known
    ]
    return Verdict(hits)


def _find_edits(before: AccessKey, after: AccessKey) -> list[str]:
    pairs = {
        "name": (before.name, after.name),
        "description": (before.description, after.description),
        "type": (before.type, after.type),
        "roles": (before.role_ids, after.role_ids),
    }
    found = [field for field, (old, new) in pairs.items() if old != new and UNSET not in (old, new)]
    if "roles" not in found and are_roles_edited(before, after):
        found.append("roles")
    return found


def _count_without_use(changes: Changes) -> int:
    return changes.count_untold("last_used_at", changes.now.unset_used)


def _count_without_texts(changes: Changes) -> int:
    """Count the keys of both readings of which either left out a description or type, and no edit shows."""
    count = sum(
        (_is_bare(before) or _is_bare(after)) and not _find_edits(before, after)
        for before, after in changes.changed
    )
    keys = changes.now.keys
    if changes.now.unset_descriptions or count_unset([key.type for key in keys]):
        elsewhere = {key.id for key in (*changes.appeared, *(after for _, after in changes.changed))}
        count += sum(_is_bare(key) and key.id not in elsewhere for key in keys)
    return count


def _is_bare(key: AccessKey) -> bool:
    return key.description is UNSET or key.type is UNSET


def _days(length: timedelta) -> str:
    return "1 day" if length.days == 1 else f"{length.days} days"


RULES: Final = (
    Rule(
        id="AK101",
        title="dormant, then used",
        severity=Severity.HIGH,
        condition="The key was used after more than max_dormant_days without use.",
        remedy="Ask the owner whether the use was theirs. If not, rotate the key at once.",
        scope=Scope.HISTORY,
        controls=("NIST AC-2(12)", "OWASP NHI1"),
        mind="Seasonal jobs: a key that closes the books once a year wakes up for it.",
        parameters=(Parameter("max_dormant_days", 90, "days without use"),),
    ),
    Rule(
        id="AK102",
        title="new key, not by rotation",
        severity=Severity.MEDIUM,
        condition="The key is new since the last complete reading, and no rotation journal knows it.",
        remedy="Ask who created the key, and delete it if nobody knows.",
        scope=Scope.HISTORY,
        controls=("NIST AC-2", "CIS AWS v3 1.13"),
        mind="Whoever needs a first key makes it by hand; look who it was.",
    ),
    Rule(
        id="AK103",
        title="key gone, not by rotation",
        severity=Severity.MEDIUM,
        condition="The key is gone since the last complete reading, and no rotation journal knows it.",
        remedy="Ask who deleted the key, and check that nothing has stopped working.",
        scope=Scope.HISTORY,
        controls=("NIST AC-2",),
        mind="A person who tidies up, perhaps because of the last audit.",
    ),
    Rule(
        id="AK104",
        title="identity changed",
        severity=Severity.CRITICAL,
        condition="The suffix or created_at changed under one id.",
        remedy="Rotate the key, and ask the service's support what happened.",
        scope=Scope.HISTORY,
        controls=("integrity",),
        mind="There is no way to change either: the service was restored or tampered with.",
    ),
    Rule(
        id="AK105",
        title="last use went back",
        severity=Severity.HIGH,
        condition="last_used_at is earlier than it was at the last complete reading, or null again.",
        remedy="Ask the service's support whether it was restored from a backup, and audit again.",
        scope=Scope.HISTORY,
        controls=("integrity",),
        mind="A service restored from a backup forgets uses, and then every rule about use errs.",
    ),
    Rule(
        id="AK106",
        title="edited",
        severity=Severity.INFO,
        condition="The name, description, type or roles were edited since the last complete reading.",
        remedy="Ask who edited the key, and undo the edit if nobody knows.",
        scope=Scope.HISTORY,
        controls=("NIST AU-6",),
        mind="A rotation marks the description of the key it makes, for a while.",
    ),
    Rule(
        id="AK107",
        title="made and gone",
        severity=Severity.HIGH,
        condition="The key was made after the reading before the last one, and is gone already; no rotation "
        "journal knows it.",
        remedy="Ask who created and deleted the key, and what it was used for.",
        scope=Scope.HISTORY,
        controls=("NIST AC-2", "NIST AU-6"),
        mind="A trial run. A key made and gone between two successive readings leaves no trace in any.",
    ),
    Rule(
        id="AK108",
        title="open past its time to fix",
        severity=Severity.INFO,
        condition="A finding is open for longer than sla_days gives its severity, which is raised by one.",
        remedy="Fix the finding that is open.",
        scope=Scope.HISTORY,
        controls=("NIST RA-5",),
        mind="It makes no finding of its own: it raises those that are there.",
    ),
    Rule(
        id="AK109",
        title="can't be read any more",
        severity=Severity.HIGH,
        condition="The organization was read whole before, and can't be read now.",
        remedy=(
            "Renew the credential of the organization, or remove a closed organization from the inventory."
        ),
        scope=Scope.HISTORY,
        controls=("NIST AU-6",),
        mind="An organization that was closed, or a credential that was rotated away.",
    ),
)

JUDGES: Final[Mapping[str, JudgeChanges]] = {
    "AK101": judge_revived,
    "AK102": judge_appeared,
    "AK103": judge_gone,
    "AK104": judge_identity_changed,
    "AK105": judge_use_went_back,
    "AK106": judge_edited,
    "AK107": judge_short_lived,
    "AK110": judge_roles_added,
    "AK111": judge_roles_taken,
}
"""What judges each rule about two readings; AK108 is about findings, and AK109 about an unreadable one."""
