from __future__ import annotations

from itertools import pairwise

import pytest

from accesskeys_async.transport.estimators import AdvertisedQuota, RateEstimator
from accesskeys_async.transport.quota_headers import Reading


def refuse(estimator: RateEstimator, now: float, *, served: int, told: bool = False) -> None:
    """Serve, refuse at once, and serve again at once."""
    for _ in range(served):
        estimator.serve()
    estimator.refuse(now, pause=0.0)
    estimator.resume(now, told=told)


def find_growth(estimator: RateEstimator, since: float) -> float:
    """Return for how long a rate is held."""
    held = estimator.rate(since)
    return next(tenths / 10 for tenths in range(2000) if estimator.rate(since + tenths / 10) > held)


def test_an_estimator_begins_slowly_and_doubles_each_second() -> None:
    estimator = RateEstimator()
    assert [estimator.rate(float(second)) for second in range(4)] == [8, 16, 32, 64]


def test_about_what_was_served_between_two_refusals_is_held() -> None:
    estimator = RateEstimator()
    refuse(estimator, 4.0, served=200)
    assert estimator.rate(4.0) == pytest.approx(50 * RateEstimator.CLIMB)
    assert estimator.rate(5.9) == estimator.rate(4.0)


def test_a_rate_that_was_refused_is_never_held() -> None:
    estimator = RateEstimator()
    refuse(estimator, 4.0, served=200)
    for now in (5.5, 7.0, 8.5):
        before = estimator.rate(now)
        refuse(estimator, now, served=200)
        assert estimator.rate(now) < before


def test_after_a_hold_the_rate_grows_faster_and_faster() -> None:
    estimator = RateEstimator()
    refuse(estimator, 4.0, served=200)
    rates = [estimator.rate(4.0 + RateEstimator.HOLD + second) for second in range(12)]
    steps = [later - earlier for earlier, later in pairwise(rates)]
    assert steps == sorted(steps)
    assert rates[0] < rates[1] < 1.02 * rates[0]
    assert rates[-1] > 2 * rates[0]


def test_too_little_to_measure_halves_the_rate() -> None:
    estimator = RateEstimator()
    refuse(estimator, 4.0, served=200)
    before = estimator.rate(4.1)
    refuse(estimator, 4.1, served=2)
    # The measurement goes on from the refusal before, which is long enough ago.
    assert 0.5 * before <= estimator.rate(4.1) < before
    alone = RateEstimator()
    refuse(alone, 0.5, served=2)
    assert alone.rate(0.5) == pytest.approx(8 * 2**0.5 / 2 * RateEstimator.CLIMB)


def test_a_quota_that_doubled_is_believed_at_its_first_refusal() -> None:
    estimator = RateEstimator()
    for now in (10.0, 20.0, 30.0):
        refuse(estimator, now, served=500)
    refuse(estimator, 40.0, served=1000)
    assert estimator.rate(40.0) == pytest.approx(min(100, estimator.rate(40.0)))
    assert estimator.rate(40.0) > 80


def test_a_slow_rate_is_held_for_longer_and_one_whose_refusals_cost_a_pause_for_longest() -> None:
    holds = []
    for rate, told in ((50, False), (10, False), (10, True)):
        estimator = RateEstimator()
        refuse(estimator, 10.0, served=rate * 10, told=told)
        holds.append(find_growth(estimator, 10.0))
    assert holds == sorted(holds)
    assert len(set(holds)) == 3


def test_a_rate_is_held_for_longer_after_a_window_that_was_used_up_long_before_its_end() -> None:
    holds = []
    for pause in (1.0, 10.0, 100.0):
        estimator = RateEstimator()
        for _ in range(500):
            estimator.serve()
        estimator.refuse(10.0, pause=1.0)
        estimator.resume(10.0 + pause, told=False)
        holds.append(find_growth(estimator, 10.0 + pause))
    assert holds[0] < holds[1] < holds[2] <= RateEstimator.LONGEST_HOLD + 0.1


def test_the_slowest_rate_is_one_that_still_moves() -> None:
    estimator = RateEstimator()
    for second in range(100):
        refuse(estimator, 1 + second / 100, served=0)
    assert estimator.rate(1.99) == RateEstimator.SLOWEST


def follow(
    quota: AdvertisedQuota, remaining: float, now: float, sequence: int, limit: float = 50
) -> float | None:
    return quota.follow(Reading(remaining, limit, 1), now, sequence=sequence, under_way=0)


def test_an_advertised_quota_measures_how_fast_the_bucket_fills() -> None:
    quota = AdvertisedQuota(Reading(20, 50, 1), 0.0)
    for second in range(1, 12):
        follow(quota, 20 - second, float(second), 50 * second)
    assert quota.rate == pytest.approx(49, rel=0.02)


def test_what_others_use_is_not_counted_on() -> None:
    quota = AdvertisedQuota(Reading(20, 50, 1), 0.0)
    for second in range(1, 12):
        follow(quota, 20, float(second), 10 * second)  # ten are ours; the rest of fifty are not
    assert quota.rate == pytest.approx(10, rel=0.05)


def test_a_bucket_that_runs_over_fills_at_least_as_fast_as_it_seems() -> None:
    quota = AdvertisedQuota(Reading(20, 50, 1), 0.0)
    before = quota.rate
    for second in range(1, 5):
        follow(quota, 50, float(second), 10 * second)
    assert quota.rate >= before


def test_a_window_that_is_filled_only_at_its_end_shows_a_rate_that_vanishes() -> None:
    quota = AdvertisedQuota(Reading(900, 1000, 60), 0.0)
    for second in range(1, 20):
        follow(quota, 900 - 30 * second, float(second), 30 * second, limit=1000)
    assert quota.rate < 0.1


def test_a_reading_that_was_overtaken_is_left_alone() -> None:
    quota = AdvertisedQuota(Reading(20, 50, 1), 0.0)
    assert follow(quota, 10, 0.1, 7) == 10
    assert follow(quota, 12, 0.2, 5) is None


def test_what_is_under_way_is_spent_already() -> None:
    quota = AdvertisedQuota(Reading(20, 50, 1), 0.0)
    assert quota.follow(Reading(10, 50, 1), 0.1, sequence=1, under_way=4) == 6


def test_another_limit_is_taken_over_at_once() -> None:
    quota = AdvertisedQuota(Reading(20, 50, 1), 0.0)
    rate = quota.rate
    follow(quota, 25, 0.1, 1, limit=25)
    assert quota.limit == 25
    assert quota.rate == pytest.approx(rate / 2)


def test_a_refusal_that_was_not_foreseen_keeps_more_in_reserve_for_a_time() -> None:
    quota = AdvertisedQuota(Reading(20, 50, 1), 0.0)
    assert quota.reserve == 2
    for reserve in (4, 8, 16, 25, 25):
        quota.refuse()
        assert quota.reserve == reserve
    for second in range(1, 300):
        follow(quota, 20, float(second), 50 * second)
    assert quota.reserve == 2


def test_a_reading_without_a_reset_is_taken_for_a_second_s_worth() -> None:
    assert AdvertisedQuota(Reading(20, 50), 0.0).rate == 50
