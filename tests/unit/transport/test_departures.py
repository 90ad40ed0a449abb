from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.transport.departures import Departures
from tests.unit.transport.quota_simulation import make_request


def leave(
    departures: Departures, many: int, *, now: float = 0.0, not_before: float = -math.inf
) -> list[float]:
    """When each of so many requests goes, if each asks again exactly when it is told to."""
    requests = [make_request() for _ in range(many)]
    asking = [(now, index) for index in range(many)]
    gone = [0.0] * many
    while asking:
        asking.sort()
        moment, index = asking.pop(0)
        seconds = departures.depart(requests[index], moment, not_before=not_before)
        if seconds > 0:
            asking.append((moment + seconds, index))
        else:
            gone[index] = moment
    return gone


def test_those_who_come_together_leave_at_the_rate() -> None:
    gone = leave(Departures(10.0, 2.0), 6)
    assert gone == pytest.approx([0, 0, 0.1, 0.2, 0.3, 0.4], abs=1e-5)


@given(st.floats(0.5, 100), st.integers(1, 5), st.lists(st.floats(0, 1), max_size=40))
def test_no_window_sees_more_than_the_rate_and_the_slack(rate: float, slack: int, steps: list[float]) -> None:
    departures = Departures(rate, slack)
    now, gone = 0.0, []
    for step in steps:
        now += step
        request = make_request()
        if departures.depart(request, now) <= 0:
            gone.append(now)
        else:
            departures.forget(request)
    for first, start in enumerate(gone):
        for last in range(first, len(gone)):
            assert last - first + 1 <= rate * (gone[last] - start) + slack + 1e-4
    assert len(departures) == 0


def test_nobody_leaves_before_a_pause_is_over_and_then_not_all_at_once() -> None:
    gone = leave(Departures(10.0, 1.0), 4, not_before=5.0)
    assert min(gone) >= 5.0
    assert max(gone) - min(gone) >= 0.2


def test_who_waits_long_is_told_to_ask_again_sooner_since_the_rate_may_rise() -> None:
    departures = Departures(0.1, 1.0)
    first, second = make_request(), make_request()
    assert departures.depart(first, 0.0) == 0.0
    assert departures.depart(second, 0.0) == pytest.approx(5.0)
    departures.rate = 10.0
    assert departures.depart(second, 5.0) == 0.0


def test_with_no_bound_on_the_slack_everybody_goes() -> None:
    departures = Departures(1.0, math.inf)
    assert leave(departures, 50) == [0.0] * 50
    departures.slack = 1.0
    assert departures.depart(make_request(), 10.0) == 0.0
