from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from accesskeys_async.audit import Parameters, Scope, Severity, Snapshot, Subject, Verdict, find_rules
from accesskeys_async.audit.rules import role_changes
from accesskeys_async.audit.rules.changes import (
    JUDGES,
    RULES,
    judge_appeared,
    judge_edited,
    judge_gone,
    judge_identity_changed,
    judge_revived,
    judge_short_lived,
    judge_use_went_back,
)
from accesskeys_async.audit.rules.key_changes import Changes, compare_keys
from accesskeys_async.records import UNSET, AccessKey, RoleRef

T = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
ORGANIZATION = UUID(int=0xACE)
RULE = {rule.id: rule for rule in (*RULES, *role_changes.RULES)}


def _key(number: int = 1, **fields: Any) -> AccessKey:
    values: dict[str, Any] = {
        "id": UUID(int=number),
        "organization_id": ORGANIZATION,
        "name": f"service {number}",
        "suffix": "AbCdEf",
        "created_at": T - 400 * DAY,
        "type": "organization",
        "description": "signs",
        "last_used_at": T - 2 * DAY,
        "updated_at": T - 400 * DAY,
    }
    return AccessKey(**{**values, **fields})


def _changes(earlier: list[AccessKey], now: list[AccessKey], **fields: Any) -> Changes:
    appeared, gone, changed = compare_keys(earlier, now)
    snapshot = Snapshot(Subject(ORGANIZATION), T, tuple(now))
    return Changes(snapshot, T - DAY, len(earlier), appeared, gone, changed, **fields)


def _judge(rule_id: str, changes: Changes) -> Verdict:
    return JUDGES[rule_id](changes, RULE[rule_id].defaults)


def _told(verdict: Verdict) -> list[str]:
    return [hit.message for hit in verdict.hits]


def test_an_unchanged_organization_has_no_finding_of_any_rule() -> None:
    keys = [_key(1), _key(2, last_used_at=None), _key(3, role_ids=(), role_refs=(RoleRef(UUID(int=1)),))]
    keys[:2] = [evolve(key, role_refs=()) for key in keys[:2]]
    for rule_id in JUDGES:
        verdict = _judge(rule_id, _changes(keys, keys))
        assert (list(verdict.hits), verdict.not_evaluated) == ([], 0)


def test_the_rules_are_those_of_the_table_and_in_every_registry() -> None:
    assert {rule.id: rule.severity for rule in RULE.values()} == {
        "AK101": Severity.HIGH,
        "AK102": Severity.MEDIUM,
        "AK103": Severity.MEDIUM,
        "AK104": Severity.CRITICAL,
        "AK105": Severity.HIGH,
        "AK106": Severity.INFO,
        "AK107": Severity.HIGH,
        "AK108": Severity.INFO,
        "AK109": Severity.HIGH,
        "AK110": Severity.HIGH,
        "AK111": Severity.INFO,
    }
    assert {rule.scope for rule in RULE.values()} == {Scope.HISTORY}
    assert set(JUDGES) == set(RULE) - {"AK108", "AK109"}
    assert set(RULE) <= set(find_rules(installed=()))


@pytest.mark.parametrize(("dormant", "expected"), [(90 * DAY, 0), (90 * DAY + SECOND, 1)])
def test_a_key_used_after_more_than_90_days_was_revived(dormant: timedelta, expected: int) -> None:
    before = _key(last_used_at=T - dormant)
    verdict = judge_revived(_changes([before], [evolve(before, last_used_at=T)]), RULE["AK101"].defaults)
    assert len(verdict.hits) == expected
    assert verdict.not_evaluated == 0


def test_a_first_use_counts_from_when_the_key_was_made() -> None:
    before = _key(last_used_at=None, created_at=T - 91 * DAY)
    verdict = judge_revived(_changes([before], [evolve(before, last_used_at=T)]), RULE["AK101"].defaults)
    assert _told(verdict) == ["used on 2026-11-02, 91 days after its creation; the limit is 90 days"]


def test_a_policy_says_how_long_is_dormant() -> None:
    before = _key(last_used_at=T - 3 * DAY)
    changes = _changes([before], [evolve(before, last_used_at=T)])
    assert len(judge_revived(changes, Parameters({"max_dormant_days": 2})).hits) == 1


def test_dormancy_is_the_same_in_every_time_zone() -> None:
    there = timezone(timedelta(hours=-9, minutes=-30))
    before = _key(last_used_at=(T - 90 * DAY).astimezone(there))
    verdict = judge_revived(_changes([before], [evolve(before, last_used_at=T)]), RULE["AK101"].defaults)
    assert verdict.hits == []


@pytest.mark.parametrize("rule_id", ["AK101", "AK105"])
def test_keys_whose_use_is_not_said_in_either_reading_are_not_evaluated(rule_id: str) -> None:
    unset = {"last_used_at": UNSET}
    earlier = [_key(1, **unset), _key(2), _key(3, **unset), _key(4), _key(5, **unset)]
    now = [_key(1, **unset), _key(2, **unset), _key(3), _key(4), _key(6, **unset)]
    verdict = _judge(rule_id, _changes(earlier, now))
    assert (verdict.not_evaluated, len(verdict.hits)) == (3, 0)
    assert verdict.reason == "a response did not include when the key was last used"


def test_only_a_use_of_one_reading_unsaid_is_counted_where_all_say_it_now() -> None:
    verdict = _judge("AK101", _changes([_key(1, last_used_at=UNSET), _key(2)], [_key(1), _key(2)]))
    assert verdict.not_evaluated == 1


def test_a_new_key_is_found_unless_a_rotation_knows_it() -> None:
    new = _key(2, created_at=T - DAY / 2)
    verdict = judge_appeared(_changes([_key(1)], [_key(1), new]), Parameters())
    assert [hit.key for hit in verdict.hits] == [new]
    assert _told(verdict) == ["created on 2026-11-01, and not in a rotation journal"]
    known = _changes([], [new], known=frozenset({new.id}))
    assert judge_appeared(known, Parameters()).hits == []


def test_a_key_that_is_gone_is_found_unless_a_rotation_knows_it() -> None:
    verdict = judge_gone(_changes([_key(1)], []), Parameters())
    assert [hit.key for hit in verdict.hits] == [_key(1)]
    assert _told(verdict) == ["deleted since 2026-11-01 02:00:00 UTC, and not in a rotation journal"]
    known = _changes([_key(1)], [], known=frozenset({UUID(int=1)}))
    assert judge_gone(known, Parameters()).hits == []


def test_a_suffix_or_birth_that_changed_is_found() -> None:
    made = T - 400 * DAY
    after = _key(1, suffix="GhIjKl", created_at=made + SECOND)
    verdict = judge_identity_changed(_changes([_key(1), _key(2)], [after, _key(2, name="x")]), Parameters())
    [told] = _told(verdict)
    assert told.split("; ") == [
        "the suffix was 'AbCdEf' and is 'GhIjKl'",
        "created_at was 2025-09-28 02:00:00 UTC and is 2025-09-28 02:00:01 UTC",
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (T, T - SECOND, ["the last use was 2026-11-02 02:00:00 UTC and is 2026-11-02 01:59:59 UTC"]),
        (T, None, ["the last use was 2026-11-02 02:00:00 UTC and is never"]),
        (T - SECOND, T, []),
        (None, T, []),
        (T, UNSET, []),
        (UNSET, T, []),
        (UNSET, None, []),
    ],
)
def test_a_last_use_that_went_back_is_found(before: Any, after: Any, expected: list[str]) -> None:
    changes = _changes([_key(last_used_at=before)], [_key(last_used_at=after)])
    assert _told(judge_use_went_back(changes, Parameters())) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"name": "a"}, {"name": "b"}, "name"),
        ({"description": "a"}, {"description": None}, "description"),
        ({"type": "a"}, {"type": "b"}, "type"),
        ({"role_ids": ("a",)}, {"role_ids": ()}, "roles"),
        ({"role_refs": ()}, {"role_refs": (RoleRef(UUID(int=1)),)}, "roles"),
        (
            {"role_refs": (RoleRef(UUID(int=1), "x"),)},
            {"role_refs": (RoleRef(UUID(int=1), "managed"),)},
            "roles",
        ),
        (
            {"role_refs": None, "role_ids": None},
            {"role_refs": (RoleRef(UUID(int=1)),), "role_ids": ("a",)},
            "roles",
        ),
        ({"name": "a", "role_ids": None}, {"name": "b", "role_ids": ("a",)}, "name, roles"),
    ],
)
def test_an_edit_is_named_and_its_text_is_not_repeated(
    before: dict[str, Any], after: dict[str, Any], expected: str
) -> None:
    verdict = judge_edited(_changes([_key(**before)], [_key(**after)]), Parameters())
    assert _told(verdict) == [f"edited since 2026-11-01 02:00:00 UTC: {expected}"]


def test_a_field_that_only_one_reading_has_is_no_edit() -> None:
    earlier = [_key(1, role_ids=UNSET), _key(2, description=UNSET), _key(3, type=UNSET), _key(4, type=UNSET)]
    now = [_key(1, role_ids=("a",)), _key(2), _key(3), _key(4, type=UNSET), _key(5, type=UNSET)]
    verdict = judge_edited(_changes(earlier, now), Parameters())
    assert (verdict.hits, verdict.not_evaluated) == ([], 3)


def test_an_edit_counts_as_evaluated_where_another_field_was_not_said() -> None:
    changes = _changes([_key(description=UNSET)], [_key(name="another")])
    verdict = judge_edited(changes, Parameters())
    assert (len(verdict.hits), verdict.not_evaluated) == (1, 0)


@pytest.mark.parametrize(("made", "expected"), [(T - 2 * DAY, 0), (T - 2 * DAY + SECOND, 1)])
def test_a_key_made_after_the_reading_before_the_last_and_gone_was_short_lived(
    made: datetime, expected: int
) -> None:
    changes = _changes([_key(created_at=made)], [], before_at=T - 2 * DAY)
    assert len(judge_short_lived(changes, Parameters()).hits) == expected


def test_a_short_life_can_not_be_told_from_two_readings() -> None:
    verdict = judge_short_lived(_changes([_key(1), _key(2)], []), Parameters())
    assert (verdict.hits, verdict.not_evaluated) == ((), 2)


def test_a_short_life_that_a_rotation_knows_is_no_finding() -> None:
    changes = _changes([_key(1, created_at=T)], [], before_at=T - DAY, known=frozenset({UUID(int=1)}))
    assert judge_short_lived(changes, Parameters()).hits == []
