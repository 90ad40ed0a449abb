"""Rules about changes since the last complete reading of an organization."""

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
    judge_roles_removed,
)
from accesskeys_async.audit.rules.rule import Hit, Rule, Scope, Verdict, format_time
from accesskeys_async.records import UNSET, AccessKey

NOT_SAID: Final = "a response did not include when the key was last used"
NOT_READ: Final = "a response did not include the description or type"
NO_READING_BEFORE: Final = "needs a complete reading before the last one"

JudgeChanges: TypeAlias = Callable[[Changes, Parameters], Verdict]
"""A pure function of the changes between two readings."""


def judge_revived(changes: Changes, parameters: Parameters) -> Verdict:
    """Find keys that were used after more than `max_dormant_days` without use."""
    most = parameters.days("max_dormant_days")
    limit = parameters.show("max_dormant_days")
    hits: list[Hit] = []
    for before, after in changes.changed:
        if before.last_used_at is UNSET or not after.last_used_at:
            continue
        dormant = after.last_used_at - (before.last_used_at or before.created_at)
        if dormant > most:
            last = "its last use" if before.last_used_at else "its creation"
            used = after.last_used_at.date()
            hits.append(Hit(f"used on {used}, {_days(dormant)} after {last}; the limit is {limit}", after))
    return Verdict(hits, _count_without_use(changes), NOT_SAID)


def judge_appeared(changes: Changes, _: Parameters) -> Verdict:
    """Find new keys that no rotation journal contains."""
    hits = [
        Hit(f"created on {key.created_at.date()}, and not in a rotation journal", key)
        for key in changes.appeared
        if key.id not in changes.known
    ]
    return Verdict(hits)


def judge_gone(changes: Changes, _: Parameters) -> Verdict:
    """Find deleted keys that no rotation journal contains."""
    hits = [
        Hit(f"deleted since {format_time(changes.earlier_at)}, and not in a rotation journal", key)
        for key in changes.gone
        if key.id not in changes.known
    ]
    return Verdict(hits)


def judge_identity_changed(changes: Changes, _: Parameters) -> Verdict:
    """Find keys whose suffix or time of creation changed."""
    hits: list[Hit] = []
    for before, after in changes.changed:
        found: list[str] = []
        if before.suffix != after.suffix:
            found.append(f"the suffix was {before.suffix!a} and is {after.suffix!a}")
        if before.created_at != after.created_at:
            found.append(
                f"created_at was {format_time(before.created_at)} and is {format_time(after.created_at)}"
            )
        if found:
            hits.append(Hit("; ".join(found), after))
    return Verdict(hits)


def judge_use_went_back(changes: Changes, _: Parameters) -> Verdict:
    """Find keys whose last use is earlier than before, or null again."""
    hits: list[Hit] = []
    for before, after in changes.changed:
        if not before.last_used_at or after.last_used_at is UNSET:
            continue
        if after.last_used_at is None or after.last_used_at < before.last_used_at:
            now = "never" if after.last_used_at is None else format_time(after.last_used_at)
            hits.append(Hit(f"the last use was {format_time(before.last_used_at)} and is {now}", after))
    return Verdict(hits, _count_without_use(changes), NOT_SAID)


def judge_edited(changes: Changes, _: Parameters) -> Verdict:
    """Find keys whose name, description, type or roles were edited. Messages do not repeat the values."""
    hits: list[Hit] = []
    for before, after in changes.changed:
        fields = _find_edits(before, after)
        if fields:
            hits.append(Hit(f"edited since {format_time(changes.earlier_at)}: {', '.join(fields)}", after))
    return Verdict(hits, _count_without_texts(changes), NOT_READ)


def judge_short_lived(changes: Changes, _: Parameters) -> Verdict:
    """Find keys created after one complete reading, found by the next, and missing now."""
    if changes.before_at is None:
        return Verdict((), len(changes.gone), NO_READING_BEFORE)
    hits = [
        Hit(f"created on {key.created_at.date()} and deleted by {changes.now.taken_at.date()}", key)
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
    return changes.count_unset("last_used_at", changes.now.unset_used)


def _count_without_texts(changes: Changes) -> int:
    """Count the unedited keys of both readings with a description or type UNSET in either."""
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
        title="dormant key used",
        severity=Severity.HIGH,
        condition="The key was used after more than max_dormant_days without use.",
        remedy=(
            "Ask the owner whether the use was intended. If not, rotate the key immediately: accesskeys "
            "rotate plan."
        ),
        scope=Scope.HISTORY,
        controls=("NIST AC-2(12)", "OWASP NHI1"),
        false_positives="Seasonal jobs: a key that is used once a year, to close the books.",
        parameters=(Parameter("max_dormant_days", 90, "days without use"),),
    ),
    Rule(
        id="AK102",
        title="key created outside rotation",
        severity=Severity.MEDIUM,
        condition="The key was created since the last complete reading, and no rotation journal contains it.",
        remedy="Find out who created the key, and delete it if it has no owner.",
        scope=Scope.HISTORY,
        controls=("NIST AC-2", "CIS AWS v3 1.13"),
        false_positives="The first key of a new service, which no rotation creates.",
    ),
    Rule(
        id="AK103",
        title="key deleted outside rotation",
        severity=Severity.MEDIUM,
        condition="The key was deleted since the last complete reading, and no rotation journal contains it.",
        remedy="Ask who deleted the key, and check that what used the key still works.",
        scope=Scope.HISTORY,
        controls=("NIST AC-2",),
        false_positives="A cleanup, perhaps because of the last audit.",
    ),
    Rule(
        id="AK104",
        title="identity changed",
        severity=Severity.CRITICAL,
        condition="The suffix or created_at of the key changed, but its id did not.",
        remedy="Rotate the key, and ask the support of the service what happened.",
        scope=Scope.HISTORY,
        controls=("integrity",),
        false_positives=(
            "A restored backup of the service. The API has no operation that changes either field."
        ),
    ),
    Rule(
        id="AK105",
        title="last use moved backward",
        severity=Severity.HIGH,
        condition="last_used_at is earlier than at the last complete reading, or null again.",
        remedy="Ask the support of the service whether a backup was restored, and audit again.",
        scope=Scope.HISTORY,
        controls=("integrity",),
        false_positives=(
            "A restored backup of the service. Findings of all rules about use are unreliable then."
        ),
    ),
    Rule(
        id="AK106",
        title="key edited",
        severity=Severity.INFO,
        condition="The name, description, type or roles changed since the last complete reading.",
        remedy="Find out who edited the key, and undo the edit if it had no reason.",
        scope=Scope.HISTORY,
        controls=("NIST AU-6",),
        false_positives=(
            "A rotation, which adds a marker to the description of the new key while it creates it."
        ),
    ),
    Rule(
        id="AK107",
        title="short-lived key",
        severity=Severity.HIGH,
        condition=(
            "The key was created after the complete reading before the last one and has been deleted. No "
            "rotation journal contains it."
        ),
        remedy="Ask who created and deleted the key, and what it was used for.",
        scope=Scope.HISTORY,
        controls=("NIST AC-2", "NIST AU-6"),
        false_positives=(
            "A test. A key that is created and deleted between two successive readings can't be found."
        ),
    ),
    Rule(
        id="AK108",
        title="finding overdue",
        severity=Severity.INFO,
        condition=(
            "A finding has been open for longer than the policy's sla_days for its severity. Its severity is "
            "raised by one step."
        ),
        remedy="Fix the finding, or suppress it with a reason in the policy.",
        scope=Scope.HISTORY,
        controls=("NIST RA-5",),
        false_positives=(
            "A fix that is already planned. The rule has no findings of its own: it raises existing ones."
        ),
    ),
    Rule(
        id="AK109",
        title="organization no longer readable",
        severity=Severity.HIGH,
        condition="The organization was read completely before, and can't be read now.",
        remedy=(
            "Renew the credential of the organization. If the organization was closed, remove it from the "
            "inventory."
        ),
        scope=Scope.HISTORY,
        controls=("NIST AU-6",),
        false_positives="An organization that was closed, or a credential that was replaced.",
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
    "AK111": judge_roles_removed,
}
"""The rules about two readings. AK108 is about findings, and AK109 about an unreadable organization."""
