from __future__ import annotations

from accesskeys_async.audit import Severity
from tests.unit.audit.judged import AT, SECOND, ask, days, found, make_key, severities


def test_rotation_is_overdue_a_second_after_its_days_and_graver_with_age() -> None:
    ages = [days(90), days(90) + SECOND, days(180), days(180) + SECOND, days(365), days(365) + SECOND]
    keys = [make_key(age=age) for age in ages]
    verdict = ask("AK003", *keys)
    assert found(verdict) == keys[1:]
    assert severities(verdict) == [None, None, Severity.HIGH, Severity.HIGH, Severity.CRITICAL]
    assert verdict.hits[0].message == "created 90 days ago, on 2026-03-17; the limit is 90 days"


def test_an_update_is_no_rotation() -> None:
    key = make_key(age=days(100), updated_at=AT)
    assert found(ask("AK003", key)) == [key]


def test_the_policy_sets_the_ages() -> None:
    key = make_key(age=days(31))
    verdict = ask("AK003", key, max_age_days=30, high_after_days=30.5, critical_after_days=31)
    assert severities(verdict) == [Severity.HIGH]


def test_rotation_is_due_from_its_first_to_its_last_day_and_then_overdue() -> None:
    early = make_key(age=days(75) - SECOND)
    first, last = make_key(age=days(75)), make_key(age=days(90))
    over = make_key(age=days(90) + SECOND)
    verdict = ask("AK004", early, first, last, over)
    assert found(verdict) == [first, last]
    assert verdict.hits[0].message == "75 days old; rotate it by 2026-06-30, at 90 days"
    assert found(ask("AK003", early, first, last, over)) == [over]


def test_no_keys_are_neither_due_nor_overdue() -> None:
    assert found(ask("AK003")) == []
    assert found(ask("AK004")) == []
