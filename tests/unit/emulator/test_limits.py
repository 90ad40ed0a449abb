from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.emulator.limits import RateLimit, RateLimiter

NOW = datetime(2026, 1, 1, tzinfo=UTC)


HEADERS: Any = {"retry_after": True, "rate_limit_headers": True}


def limited(*arguments: Any, **options: Any) -> RateLimiter:
    limiter = RateLimiter()
    limiter.limit = RateLimit(*arguments, **options)
    return limiter


def test_without_a_limit_everything_passes_and_nothing_is_said() -> None:
    verdict = RateLimiter().take("a", NOW)

    assert verdict.allowed
    assert verdict.headers == {}


def test_a_burst_passes_and_the_next_is_refused_without_a_header() -> None:
    limiter = limited(0.5, burst=2)

    verdicts = [limiter.take("a", NOW) for _ in range(3)]

    assert [verdict.allowed for verdict in verdicts] == [True, True, False]
    assert [verdict.headers for verdict in verdicts] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("option", "passed", "refused"),
    [
        ("retry_after", set(), {"Retry-After"}),
        (
            "rate_limit_headers",
            {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"},
            {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"},
        ),
    ],
)
def test_each_option_adds_its_own_headers(option: str, passed: set[str], refused: set[str]) -> None:
    limiter = limited(0.5, burst=1, **{option: True})

    assert set(limiter.take("a", NOW).headers) == passed
    assert set(limiter.take("a", NOW).headers) == refused


def test_a_burst_passes_and_the_next_is_told_when_to_come_back_if_that_is_wanted() -> None:
    limiter = limited(0.5, burst=2, **HEADERS)

    assert [limiter.take("a", NOW).allowed for _ in range(3)] == [True, True, False]
    refused = limiter.take("a", NOW)
    assert refused.headers == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "4",
        "Retry-After": "2",
    }


@given(st.floats(0.01, 1000), st.integers(1, 50))
def test_who_comes_back_after_retry_after_is_let_in(rate: float, burst: int) -> None:
    limiter = limited(rate, burst=burst, **HEADERS)
    while (verdict := limiter.take("a", NOW)).allowed:
        pass

    later = NOW + timedelta(seconds=int(verdict.headers["Retry-After"]))

    assert limiter.take("a", later).allowed


def test_organizations_are_counted_apart() -> None:
    limiter = limited(1, burst=1)

    assert limiter.take("a", NOW).allowed
    assert limiter.take("b", NOW).allowed
    assert not limiter.take("a", NOW).allowed


def test_a_clock_set_back_takes_nothing_away_and_a_long_rest_gives_no_more_than_a_burst() -> None:
    limiter = limited(1, burst=2, **HEADERS)
    limiter.take("a", NOW)

    assert limiter.take("a", NOW - timedelta(days=1)).headers["RateLimit-Remaining"] == "0"
    later = NOW + timedelta(days=1)
    assert [limiter.take("a", later).allowed for _ in range(3)] == [True, True, False]


def test_a_new_limit_begins_with_a_full_burst_and_reset_lifts_it() -> None:
    limiter = limited(1, burst=1)
    limiter.take("a", NOW)

    limiter.limit = RateLimit(1, burst=1)
    assert limiter.take("a", NOW).allowed
    limiter.reset()
    assert limiter.limit is None


def test_the_burst_is_what_a_second_allows_and_at_least_one() -> None:
    assert RateLimit(7.5).burst == 8
    assert RateLimit(0.1).burst == 1


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_makes_no_sense_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="requests_per_second"):
        RateLimit(rate)


def test_a_burst_under_one_is_refused() -> None:
    with pytest.raises(ValueError, match="burst"):
        RateLimit(1, burst=0)
