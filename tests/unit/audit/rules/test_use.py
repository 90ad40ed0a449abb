from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from accesskeys_async.audit import Severity
from accesskeys_async.records import UNSET
from tests.unit.audit.judged import AT, SECOND, ask, days, found, make_key, severities


def test_a_key_is_unused_a_second_after_its_days_and_not_before() -> None:
    late = make_key(age=days(100), last_used_at=AT - days(45) - SECOND)
    on_time = make_key(age=days(100), last_used_at=AT - days(45))
    verdict = ask("AK001", late, on_time)
    assert found(verdict) == [late]
    assert verdict.hits[0].message == "last used 45 days ago, on 2026-05-01; the limit is 45 days"
    assert verdict.not_evaluated == 0


def test_the_policy_sets_how_long_a_key_may_be_idle() -> None:
    key = make_key(age=days(100), last_used_at=AT - days(10) - SECOND)
    assert found(ask("AK001", key)) == []
    assert found(ask("AK001", key, max_idle_days=10)) == [key]


def test_a_key_never_used_is_no_unused_key() -> None:
    verdict = ask("AK001", make_key(age=days(100), last_used_at=None))
    assert (found(verdict), verdict.not_evaluated) == ([], 0)


def test_where_the_last_use_is_not_said_unused_and_never_used_are_not_evaluated() -> None:
    silent = make_key(age=days(100), last_used_at=UNSET)
    late = make_key(age=days(100), last_used_at=AT - days(50))
    for rule, expected in (("AK001", [late]), ("AK002", [])):
        verdict = ask(rule, silent, late, make_key())
        assert found(verdict) == expected
        assert verdict.not_evaluated == 1
        assert verdict.reason == "the response did not include when the key was last used"


def test_times_in_other_zones_are_compared_as_moments() -> None:
    zone = timezone(timedelta(hours=14))
    late = make_key(age=days(100), last_used_at=(AT - days(45) - SECOND).astimezone(zone))
    on_time = make_key(age=days(100), last_used_at=(AT - days(45)).astimezone(zone))
    assert found(ask("AK001", late, on_time)) == [late]
    old = make_key(created_at=(AT - days(90) - SECOND).astimezone(zone))
    young = make_key(created_at=(AT - days(90)).astimezone(zone))
    assert found(ask("AK003", old, young)) == [old]


def test_a_key_is_never_used_from_a_second_after_a_week_and_high_after_its_days() -> None:
    fresh = make_key(age=days(7), last_used_at=None)
    week = make_key(age=days(7) + SECOND, last_used_at=None)
    edge = make_key(age=days(45), last_used_at=None)
    old = make_key(age=days(45) + SECOND, last_used_at=None)
    verdict = ask("AK002", fresh, week, edge, old)
    assert found(verdict) == [week, edge, old]
    assert severities(verdict) == [None, None, Severity.HIGH]
    assert verdict.hits[0].message == "never used in the 7 days since it was created; the limit is 7 days"


def test_a_day_is_one_day() -> None:
    verdict = ask("AK002", make_key(age=days(1.5), last_used_at=None), min_age_days=1)
    assert verdict.hits[0].message == "never used in the 1 day since it was created; the limit is 1 day"


def test_an_organization_is_idle_when_no_key_was_used_for_its_days() -> None:
    keys = [make_key(age=days(200), last_used_at=AT - days(90) - SECOND) for _ in range(3)]
    verdict = ask("AK016", *keys)
    assert found(verdict) == [None]
    assert verdict.hits[0].message == (
        "none of its 3 keys was used in 90 days; the last use was on 2026-03-17"
    )
    assert found(ask("AK016", *keys, make_key(age=days(200), last_used_at=AT - days(90)))) == []


def test_one_key_that_was_never_used_makes_an_organization_idle() -> None:
    verdict = ask("AK016", make_key(age=days(91), last_used_at=None))
    assert verdict.hits[0].message == "its one key was not used in 90 days; none was ever used"


def test_a_new_or_empty_organization_is_not_idle() -> None:
    assert found(ask("AK016", make_key(age=days(90), last_used_at=None))) == []
    assert found(ask("AK016")) == []


def test_an_organization_is_not_called_idle_on_silence() -> None:
    verdict = ask("AK016", make_key(age=days(200), last_used_at=UNSET))
    assert (found(verdict), verdict.not_evaluated) == ([], 1)
    used = make_key(age=days(200))
    assert ask("AK016", make_key(age=days(200), last_used_at=UNSET), used).not_evaluated == 0


@pytest.mark.parametrize(
    ("rule_id", "parameters", "message"),
    [
        ("AK001", {"max_idle_days": 10}, "the limit is 10 days"),
        ("AK002", {"min_age_days": 5}, "the limit is 5 days"),
        ("AK016", {"max_idle_days": 30}, "was not used in 30 days"),
    ],
)
def test_a_message_shows_the_number_of_the_policy_in_force(
    rule_id: str, parameters: dict[str, float], message: str
) -> None:
    used = None if rule_id == "AK002" else AT - days(50)
    [hit] = ask(rule_id, make_key(age=days(100), last_used_at=used), **parameters).hits

    assert message in hit.message
