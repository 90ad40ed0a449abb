from __future__ import annotations

import random

import pytest

from accesskeys_async.transport.congestion import Congestion


class Watch:
    """A clock, and the bound that is learned by it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.draw = random.Random(1)
        self.congestion = Congestion(clock=lambda: self.now)

    def feed(
        self,
        latencies: list[float],
        *,
        under_way: int = 64,
        failing: float = 0.0,
        operation: str = "getAccessKey",
    ) -> int | None:
        """Note outcomes as they come while so many requests are under way, and return the bound."""
        for elapsed in latencies:
            self.now += elapsed / under_way
            self.congestion.note(operation, elapsed, failed=self.draw.random() < failing)
        return self.congestion.limit


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mean", [0.0002, 0.02, 0.3])
def test_latency_that_is_only_noisy_bounds_nothing(mean: float, seed: int) -> None:
    draw = random.Random(seed)
    watch = Watch()
    for _ in range(100):
        assert watch.feed([mean * draw.lognormvariate(-0.5, 1.0) for _ in range(400)]) is None


def test_a_machine_that_is_slow_itself_bounds_nothing() -> None:
    watch = Watch()
    watch.feed([0.001] * 2000)
    assert watch.feed([0.09] * 20_000) is None


def test_a_queue_at_the_service_bounds_what_is_under_way() -> None:
    watch = Watch()
    watch.feed([0.05] * 2000)
    limit = watch.feed([0.6] * 1000)
    assert limit is not None
    assert 1 <= limit < 64


def test_operations_of_different_weight_are_not_mistaken_for_a_queue() -> None:
    watch = Watch()
    watch.feed([0.02] * 2000)
    assert watch.feed([0.8] * 8000, operation="listAccessKeys") is None


@pytest.mark.parametrize(("failing", "is_bounded"), [(0.02, False), (0.3, True), (1.0, True)])
def test_more_than_a_tenth_of_failures_bounds_what_is_under_way(failing: float, is_bounded: bool) -> None:
    assert (Watch().feed([0.05] * 2000, failing=failing) is not None) is is_bounded


def test_the_bound_falls_to_one_and_no_further_while_everything_fails() -> None:
    assert Watch().feed([0.05] * 5000, failing=1.0) == 1


def test_a_service_that_recovers_gets_all_of_it_again() -> None:
    watch = Watch()
    watch.feed([0.05] * 1500, failing=1.0)
    limits = []
    while (limit := watch.congestion.limit) is not None:
        limits.append(limit)
        watch.feed([0.05] * 100, under_way=limit)
        assert watch.now < 1000
    assert limits
    assert limits == sorted(limits)


def test_a_lasting_change_of_latency_becomes_the_new_normal() -> None:
    watch = Watch()
    watch.feed([0.05] * 2000)
    for _ in range(200):
        watch.feed([0.4] * 200, under_way=watch.congestion.limit or 64)
    assert watch.congestion.limit is None
