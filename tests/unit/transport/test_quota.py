from __future__ import annotations

from itertools import pairwise

import pytest

from accesskeys_async.transport.quota import Picture, Probe
from accesskeys_async.transport.quota_headers import Reading


def work(probe: Probe, seconds: float, *, served: int = 0) -> None:
    for _ in range(round(seconds * 10)):
        probe.wait(0.1)
    for _ in range(served):
        probe.serve()


def test_a_probe_begins_slowly_and_doubles_while_requests_wait() -> None:
    probe = Probe()
    rates = []
    for _ in range(4):
        rates.append(probe.rate)
        work(probe, 1.0)
    assert rates == pytest.approx([8, 16, 32, 64], rel=0.01)


def test_a_rate_that_nobody_waits_for_does_not_grow() -> None:
    probe = Probe()
    for _ in range(100):
        probe.serve()
    assert probe.rate == 8


def test_after_a_refusal_what_was_served_between_two_is_held() -> None:
    probe = Probe()
    probe.refuse(0.0, pause=1.0)
    work(probe, 3.0, served=200)
    probe.refuse(4.0, pause=1.0)
    assert 50 <= probe.rate <= 75
    work(probe, 3.0, served=150)
    probe.refuse(7.0, pause=1.0)
    assert probe.rate == pytest.approx(50)
    work(probe, 2.0)
    assert probe.rate == pytest.approx(50)


def test_after_a_hold_the_rate_creeps_up_faster_and_faster() -> None:
    probe = Probe()
    probe.refuse(0.0, pause=1.0)
    work(probe, 1.0, served=50)
    probe.refuse(1.0, pause=1.0)
    held = probe.rate
    work(probe, 8.5)
    rates = []
    for _ in range(5):
        rates.append(probe.rate)
        work(probe, 1.0)
    steps = [later - earlier for earlier, later in pairwise(rates)]
    assert rates[0] > held
    assert steps == sorted(steps)


def test_a_quota_that_shrank_far_is_looked_for_from_below_again() -> None:
    probe = Probe()
    probe.refuse(0.0, pause=1.0)
    work(probe, 3.0, served=200)
    probe.refuse(4.0, pause=1.0)
    work(probe, 0.3, served=5)
    probe.refuse(5.3, pause=1.0)
    assert probe.rate == pytest.approx(5 / 1.3)
    work(probe, 1.0)
    assert probe.rate == pytest.approx(2 * 5 / 1.3, rel=0.01)


def follow(picture: Picture, remaining: float, now: float, sequence: int, limit: float = 50) -> float | None:
    return picture.follow(Reading(remaining, limit, 1), now, sequence=sequence, under_way=0)


def test_a_picture_measures_how_fast_the_bucket_fills() -> None:
    picture = Picture(Reading(20, 50, 1), 0.0)
    for second in range(1, 12):
        follow(picture, 20 - second, float(second), 50 * second)
    assert picture.rate == pytest.approx(49, rel=0.02)


def test_what_others_use_is_not_counted_on() -> None:
    picture = Picture(Reading(20, 50, 1), 0.0)
    for second in range(1, 12):
        follow(picture, 20, float(second), 10 * second)  # ten are ours; the rest of fifty are not
    assert picture.rate == pytest.approx(10, rel=0.05)


def test_a_bucket_that_runs_over_fills_at_least_as_fast_as_it_seems() -> None:
    picture = Picture(Reading(20, 50, 1), 0.0)
    before = picture.rate
    for second in range(1, 5):
        follow(picture, 50, float(second), 10 * second)
    assert picture.rate >= before


def test_a_window_that_is_filled_only_at_its_end_shows_a_rate_that_vanishes() -> None:
    picture = Picture(Reading(900, 1000, 60), 0.0)
    for second in range(1, 20):
        follow(picture, 900 - 30 * second, float(second), 30 * second, limit=1000)
    assert picture.rate < 0.1


def test_a_reading_that_was_overtaken_is_left_alone() -> None:
    picture = Picture(Reading(20, 50, 1), 0.0)
    assert follow(picture, 10, 0.1, 7) == 10
    assert follow(picture, 12, 0.2, 5) is None


def test_what_is_under_way_is_spent_already() -> None:
    picture = Picture(Reading(20, 50, 1), 0.0)
    assert picture.follow(Reading(10, 50, 1), 0.1, sequence=1, under_way=4) == 6


def test_another_limit_is_taken_over_at_once() -> None:
    picture = Picture(Reading(20, 50, 1), 0.0)
    rate = picture.rate
    follow(picture, 25, 0.1, 1, limit=25)
    assert picture.limit == 25
    assert picture.rate == pytest.approx(rate / 2)


def test_a_refusal_that_was_not_foreseen_keeps_more_in_reserve_for_a_time() -> None:
    picture = Picture(Reading(20, 50, 1), 0.0)
    assert picture.reserve == 2
    for reserve in (4, 8, 16, 25, 25):
        picture.refuse()
        assert picture.reserve == reserve
    for second in range(1, 300):
        follow(picture, 20, float(second), 50 * second)
    assert picture.reserve == 2


def test_a_rate_that_was_borne_for_long_is_lowered_only_a_little_by_a_pause_that_lost_much() -> None:
    probe = Probe()
    probe.refuse(0.0, pause=1.0)
    work(probe, 3.0, served=200)
    probe.refuse(4.0, pause=1.0)
    held = probe.rate
    work(probe, 2.0, served=10)
    probe.refuse(7.0, pause=1.0)
    assert probe.rate == pytest.approx(0.95 * held)


def test_a_reading_without_a_reset_is_taken_for_a_second_s_worth() -> None:
    assert Picture(Reading(20, 50), 0.0).rate == 50
