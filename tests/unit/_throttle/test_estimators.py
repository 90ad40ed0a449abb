from __future__ import annotations

from itertools import pairwise

import pytest

from accesskeys_async._throttle.estimators import AdvertisedQuota, RateEstimator
from accesskeys_async._throttle.rate_limit_headers import Reading


def make_estimator(rate: float = 50.0) -> RateEstimator:
    """Make one that was served again at 0.0, and measured a rate from then to its first refusal at 10.0."""
    estimator = RateEstimator()
    estimator.resume(0.0, pause=0.0, is_window=False, told=False)
    refuse(estimator, 10.0, served=round(10 * rate))
    return estimator


def refuse(
    estimator: RateEstimator,
    now: float,
    *,
    served: int,
    gap: float = 0.0,
    is_window: bool = False,
    told: bool = False,
) -> None:
    """Serve, refuse, and serve again after a gap."""
    for _ in range(served):
        estimator.serve()
    estimator.refuse(now)
    estimator.resume(now + gap, pause=gap, is_window=is_window, told=told)


def find_hold(estimator: RateEstimator, since: float) -> float:
    """Return for how long a rate is held."""
    held = estimator.rate(since)
    return next(tenths / 10 for tenths in range(3000) if estimator.rate(since + tenths / 10) > held)


def test_an_estimator_begins_slowly_and_doubles_each_second_once_something_is_served() -> None:
    estimator = RateEstimator()
    assert [estimator.rate(float(second)) for second in range(3)] == [1, 1, 1]
    estimator.resume(10.0, pause=0.25, is_window=False, told=False)
    assert [estimator.rate(10.0 + second) for second in range(4)] == [8, 16, 32, 64]


def test_a_quota_of_many_organizations_begins_with_a_rate_for_each() -> None:
    estimator = RateEstimator(organizations=20)
    estimator.resume(10.0, pause=0.25, is_window=False, told=False)
    assert [estimator.rate(10.0 + second) for second in range(3)] == [160, 320, 640]


def test_one_request_a_second_is_tried_while_nothing_is_served() -> None:
    estimator = make_estimator()
    assert estimator.refuse(12.0) == pytest.approx(52.5)
    assert estimator.rate(12.0) == estimator.rate(100.0) == 1


def test_about_what_was_served_between_two_refusals_is_held() -> None:
    estimator = make_estimator()
    assert estimator.rate(10.0) == estimator.rate(11.9) == pytest.approx(50 * RateEstimator.CLIMB)
    refuse(estimator, 20.0, served=500, told=True)
    assert estimator.rate(20.0) == pytest.approx(50 * RateEstimator.CLIMB_TOLD)


def test_a_first_pause_is_not_counted_unless_the_quota_is_a_window() -> None:
    rates = []
    for is_window in (False, True):
        estimator = make_estimator()
        refuse(estimator, 19.0, served=450, gap=1.0, is_window=is_window, told=True)
        rates.append(estimator.rate(20.0))
    assert rates == pytest.approx([50 * RateEstimator.CLIMB_TOLD, 50 * RateEstimator.CLIMB_TOLD], rel=0.1)
    assert rates[1] < rates[0]


def test_a_rate_that_was_refused_is_never_held() -> None:
    estimator = make_estimator()
    for now in (12.0, 14.0, 16.0):
        before = estimator.rate(now)
        refuse(estimator, now, served=100)
        assert estimator.rate(now) < before


def test_after_a_hold_the_rate_grows_faster_and_faster() -> None:
    estimator = make_estimator()
    rates = [estimator.rate(10.0 + RateEstimator.HOLD + second / 2) for second in range(12)]
    steps = [later - earlier for earlier, later in pairwise(rates)]
    assert steps == sorted(steps)
    assert rates[0] < rates[1] < 1.02 * rates[0]
    assert rates[-1] > 2 * rates[0]


def test_too_little_to_measure_halves_the_rate_at_the_start_and_lowers_it_a_little_later() -> None:
    estimator = RateEstimator()
    estimator.resume(0.0, pause=0.0, is_window=False, told=False)
    refuse(estimator, 0.5, served=2)
    assert estimator.rate(0.5) == pytest.approx(8 * 2**0.5 / 2)
    later = make_estimator()
    refuse(later, 10.1, served=2)
    assert later.rate(10.1) == pytest.approx(50 * RateEstimator.CLIMB * RateEstimator.BACK_OFF_SOON)


def test_a_quota_that_fell_is_followed_by_its_first_measurement() -> None:
    estimator = make_estimator()
    refuse(estimator, 20.0, served=200)
    assert estimator.rate(20.0) == pytest.approx(20 * RateEstimator.CLIMB)


def test_a_quota_that_rose_is_believed_at_its_first_refusal() -> None:
    estimator = make_estimator()
    for now in (20.0, 30.0):
        refuse(estimator, now, served=500, told=True)
    # It grew from 51 to over 100; the measurement of 80 is of a time that is past.
    refused = estimator.rate(41.0)
    refuse(estimator, 41.0, served=880, told=True)
    assert refused > 100
    assert estimator.rate(41.0) == pytest.approx(
        RateEstimator.BACK_OFF_GROWN * refused * RateEstimator.CLIMB_TOLD
    )


def test_a_slow_rate_is_held_for_longer_and_one_that_was_told_for_longest() -> None:
    holds = []
    for rate, told in ((50, False), (10, False), (10, True)):
        estimator = make_estimator(rate)
        refuse(estimator, 20.0, served=rate * 10, told=told)
        holds.append(find_hold(estimator, 20.0))
    assert holds == sorted(holds)
    assert len(set(holds)) == 3


@pytest.mark.parametrize(("length", "hold"), [(10.0, 10.0), (60.0, 60.0), (300.0, 60.0)])
def test_a_window_is_held_for_its_length_and_grows_slowly_then(length: float, hold: float) -> None:
    estimator = make_estimator()
    refuse(estimator, 5 + length, served=round(50 * length), gap=5.0, is_window=True)
    assert find_hold(estimator, 10 + length) == pytest.approx(hold, abs=0.2)
    held = estimator.rate(10 + length)
    assert estimator.rate(10 + length + 1.5 * hold) < 1.1 * held


def test_the_end_of_a_window_is_no_measure_of_all_of_it() -> None:
    estimator = make_estimator()
    refuse(estimator, 14.0, served=16, gap=2.0, is_window=True)
    assert estimator.rate(16.0) > 30


def test_the_slowest_rate_is_one_that_still_moves() -> None:
    estimator = RateEstimator()
    estimator.resume(0.0, pause=0.0, is_window=False, told=False)
    for second in range(100):
        refuse(estimator, second / 100, served=0)
    assert estimator.rate(0.99) == RateEstimator.SLOWEST


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


def test_a_window_is_recognized_once_half_of_it_is_back_after_a_wait() -> None:
    quota = AdvertisedQuota(Reading(20, 50, 10), 0.0)
    quota.count_use(Reading(0, 50, 10), 0.0)
    follow(quota, 0, 0.1, 1)
    rate = quota.rate
    assert rate > 0
    assert not quota.take_resets(9.9)
    assert quota.take_resets(10.0)
    follow(quota, 49, 10.1, 2)
    assert quota.rate == 0


def test_the_earliest_reset_that_was_told_holds_for_all_that_was_used_before() -> None:
    quota = AdvertisedQuota(Reading(50, 50, 10), 0.0)
    for remaining, used_at, reset in ((49, 0.4, 10), (48, 0.9, 10), (47, 1.1, 9)):
        quota.count_use(Reading(remaining, 50, reset), used_at)
    assert list(quota.resets) == pytest.approx([10.1, 10.1, 10.1])
    assert quota.take_resets(10.2)
    assert not quota.resets


def test_what_the_service_counts_no_longer_is_not_waited_for() -> None:
    quota = AdvertisedQuota(Reading(50, 50, 10), 0.0)
    for number in range(1, 6):
        quota.count_use(Reading(50 - number, 50, 10), float(number))
    assert list(quota.resets) == [11, 12, 13, 14, 15]
    quota.count_use(Reading(49, 50, 10), 6.0)
    assert list(quota.resets) == [16]


def test_a_huge_limit_takes_no_more_memory() -> None:
    quota = AdvertisedQuota(Reading(10**9, 10**9, 3600), 0.0)
    for number in range(2 * AdvertisedQuota.MOST_RESETS):
        quota.count_use(Reading(0, 10**9, 3600), number / 100)
    assert len(quota.resets) == AdvertisedQuota.MOST_RESETS


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
    assert quota.reserve == 1
    for reserve in (2, 4, 8, 16, 25, 25):
        quota.refuse()
        assert quota.reserve == reserve
    for second in range(1, 300):
        follow(quota, 20, float(second), 50 * second)
    assert quota.reserve == 1


def test_a_reading_without_a_reset_is_taken_for_a_second_s_worth() -> None:
    assert AdvertisedQuota(Reading(20, 50), 0.0).rate == 50
