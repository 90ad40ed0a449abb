from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._throttle.token_bucket import Bucket

Steps = st.lists(st.floats(0, 5), min_size=1, max_size=80)


@pytest.mark.slow
@given(st.floats(0.1, 500), st.integers(1, 20), Steps)
def test_no_window_sees_more_than_its_rate_and_one_capacity(
    rate: float, capacity: int, steps: list[float]
) -> None:
    bucket = Bucket(rate, capacity, now=0.0)
    now, given_out = 0.0, []
    for step in steps:
        now += step
        while bucket.take(now) <= 0:
            given_out.append(now)
    for first, start in enumerate(given_out):
        for last in range(first, len(given_out)):
            assert last - first + 1 <= rate * (given_out[last] - start) + capacity + 1e-6


@given(st.floats(0.1, 500), st.integers(1, 20), st.integers(1, 50))
def test_the_wait_that_is_named_is_long_enough_and_not_longer(rate: float, capacity: int, many: int) -> None:
    bucket = Bucket(rate, capacity, now=0.0)
    now = 0.0
    for _ in range(many + capacity):
        seconds = bucket.take(now)
        if seconds > 0:
            now += seconds
            assert bucket.take(now) <= 1e-6
    assert now <= many / rate + 1e-6


def test_a_reserve_stays_in_the_bucket_but_never_all_of_it() -> None:
    deep, shallow = Bucket(1.0, 10, now=0.0), Bucket(1.0, 1, now=0.0)
    taken = 0
    while deep.take(0.0, reserve=3.0) <= 0:
        taken += 1
    assert taken == 7
    assert shallow.take(0.0, reserve=3.0) == 0.0


def test_a_frozen_bucket_gets_nothing_until_it_thaws() -> None:
    bucket = Bucket(10.0, 5, now=0.0)
    bucket.freeze(0.0, until=2.0)
    assert bucket.take(1.9) > 0
    assert bucket.take(2.05) > 0
    assert bucket.take(2.11) == 0.0


def test_a_bucket_that_nothing_flows_into_names_no_wait() -> None:
    bucket = Bucket(0.0, 1, now=0.0)
    assert bucket.take(0.0) == 0.0
    assert bucket.take(1e9) == math.inf


def test_a_permit_that_is_put_back_can_be_taken_again() -> None:
    bucket = Bucket(1.0, 1, now=0.0)
    assert bucket.take(0.0) == 0.0
    assert bucket.take(0.0) == pytest.approx(1.0)
    bucket.put_back()
    bucket.put_back()
    assert bucket.take(0.0) == 0.0
    assert bucket.take(0.0) > 0
