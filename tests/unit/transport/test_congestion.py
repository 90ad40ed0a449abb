from __future__ import annotations

import random

import pytest

from accesskeys_async.transport.congestion import Congestion


def feed(
    congestion: Congestion,
    latencies: list[float],
    *,
    under_way: int = 64,
    failing: float = 0.0,
    now: float = 100.0,
    operation: str = "getAccessKey",
) -> float:
    """Outcomes as they come while so many requests are under way; returns when the last one did."""
    for index, elapsed in enumerate(latencies):
        now += elapsed / under_way
        failed = failing > 0 and index % round(1 / failing) == 0
        congestion.note(operation, elapsed, failed=failed, now=now)
    return now


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mean", [0.0002, 0.02, 0.3])
def test_latency_that_is_only_noisy_bounds_nothing(mean: float, seed: int) -> None:
    draw = random.Random(seed)
    congestion = Congestion()
    now = 100.0
    for _ in range(100):
        now = feed(congestion, [mean * draw.lognormvariate(-0.5, 1.0) for _ in range(100)], now=now)
        assert congestion.limit is None


def test_a_machine_that_is_slow_itself_bounds_nothing() -> None:
    congestion = Congestion()
    now = feed(congestion, [0.001] * 500)
    feed(congestion, [0.09] * 5000, now=now)
    assert congestion.limit is None


def test_a_queue_at_the_service_bounds_what_is_under_way() -> None:
    congestion = Congestion()
    now = feed(congestion, [0.05] * 500)
    feed(congestion, [0.6] * 400, now=now)
    assert congestion.limit is not None
    assert 1 <= congestion.limit < 64


def test_operations_of_different_weight_are_not_mistaken_for_a_queue() -> None:
    congestion = Congestion()
    now = feed(congestion, [0.02] * 500)
    feed(congestion, [0.8] * 2000, now=now, operation="listAccessKeys")
    assert congestion.limit is None


@pytest.mark.parametrize(("failing", "is_bounded"), [(0.05, False), (0.25, True), (1.0, True)])
def test_more_than_a_tenth_of_failures_bounds_what_is_under_way(failing: float, is_bounded: bool) -> None:
    congestion = Congestion()
    feed(congestion, [0.05] * 1000, failing=failing)
    assert (congestion.limit is not None) is is_bounded


def test_the_bound_falls_to_one_and_no_further_while_everything_fails() -> None:
    congestion = Congestion()
    feed(congestion, [0.05] * 5000, failing=1.0)
    assert congestion.limit == 1


def test_a_service_that_recovers_gets_all_of_it_again() -> None:
    congestion = Congestion()
    now = feed(congestion, [0.05] * 400, failing=1.0)
    limits = []
    while congestion.limit is not None:
        limits.append(congestion.limit)
        now = feed(congestion, [0.05] * 100, under_way=congestion.limit, now=now)
        assert now < 1000
    assert limits == sorted(limits)


def test_a_lasting_change_of_latency_becomes_the_new_normal() -> None:
    congestion = Congestion()
    now = feed(congestion, [0.05] * 500)
    for _ in range(200):
        now = feed(congestion, [0.4] * 100, under_way=congestion.limit or 64, now=now)
    assert congestion.limit is None
