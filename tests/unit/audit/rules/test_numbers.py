from __future__ import annotations

import statistics
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.audit.judged import AT, SECOND, ask, days, found, make_key


def test_an_organization_may_have_ten_keys_and_no_more() -> None:
    keys = [make_key() for _ in range(11)]
    assert found(ask("AK010", *keys[:10])) == []
    verdict = ask("AK010", *keys)
    assert found(verdict) == [None]
    assert verdict.hits[0].message == "has 11 keys; the limit is 10"
    assert found(ask("AK010", *keys, max_keys=11)) == []


@pytest.mark.parametrize("offset", range(4))
def test_five_keys_within_an_hour_are_a_burst_wherever_they_stand(offset: int) -> None:
    apart = [make_key(age=days(20) + days(number)) for number in range(offset)]
    burst = [make_key(age=days(5) + timedelta(minutes=15 * number)) for number in range(5)]
    verdict = ask("AK015", *apart, *burst)
    assert found(verdict) == [None]
    assert (
        verdict.hits[0].message
        == "5 keys were created in the hour from 2026-06-10 11:00:00 UTC; the limit is 4"
    )


def test_five_keys_in_a_second_more_than_an_hour_are_none() -> None:
    # Over midnight, so that the day's count does not say the same.
    at = AT - days(5) - timedelta(hours=12)
    moments = [at, at + SECOND, at - 2 * SECOND, at - 3 * SECOND, at + timedelta(hours=1) - 2 * SECOND]
    assert found(ask("AK015", *(make_key(created_at=moment) for moment in moments))) == []
    moments[-1] -= SECOND
    assert len(ask("AK015", *(make_key(created_at=moment) for moment in moments)).hits) == 1


def test_bursts_that_overlap_are_one_and_others_are_told_apart() -> None:
    one = [make_key(age=days(5) + timedelta(minutes=10 * number)) for number in range(9)]
    other = [make_key(age=days(9) + timedelta(minutes=number)) for number in range(6)]
    verdict = ask("AK015", *one, *other)
    assert [hit.message.split()[0] for hit in verdict.hits] == ["6", "9"]
    assert len({hit.about for hit in verdict.hits}) == 2


def test_a_burst_of_long_ago_is_over() -> None:
    keys = [make_key(age=days(40)) for _ in range(9)]
    assert found(ask("AK015", *keys)) == []
    assert len(ask("AK015", *keys, within_days=41).hits) == 1


def test_a_day_far_above_the_others_is_a_burst() -> None:
    usual = [make_key(age=days(day) + timedelta(hours=2 * n)) for day in range(5, 25) for n in range(2)]
    busy = [make_key(age=days(3) - timedelta(hours=11) + timedelta(hours=2 * n)) for n in range(9)]
    verdict = ask("AK015", *usual, *busy)
    assert [hit.message for hit in verdict.hits] == [
        "9 keys were created on 2026-06-12; up to 2 a day are usual here"
    ]
    assert found(ask("AK015", *usual, *busy, per_hour=10)) == []


def test_days_that_differ_much_have_room() -> None:
    keys = [
        make_key(age=days(day) + timedelta(minutes=70 * n))
        for day, count in ((20, 1), (19, 3), (18, 5), (17, 2), (16, 6), (15, 4))
        for n in range(count)
    ]
    assert found(ask("AK015", *keys)) == []
    assert len(ask("AK015", *keys, deviations=0).hits) == 2


@given(
    st.lists(st.one_of(st.integers(0, 20 * 86_400), st.integers(0, 2 * 86_400)), max_size=14),
    st.integers(2, 6),
)
def test_bursts_are_where_looking_at_every_hour_and_day_finds_them(seconds: list[int], fewest: int) -> None:
    moments = [AT - timedelta(seconds=second) for second in seconds]
    starts = {
        f"{moment}"
        for moment in moments
        if sum(moment <= other <= moment + timedelta(hours=1) for other in moments) >= fewest
    }
    counts = Counter(f"{moment.date()}" for moment in moments)
    usual = statistics.median(counts.values()) if counts else 0
    busy = {day for day, count in counts.items() if count >= fewest and count > usual}
    keys = [make_key(created_at=moment) for moment in moments]
    told = {hit.about for hit in ask("AK015", *keys, per_hour=fewest, deviations=0).hits}
    hours = {about for about in told if " " in about}
    assert hours <= starts
    assert bool(hours) == bool(starts)
    assert told - hours <= busy <= {about[:10] for about in told}
