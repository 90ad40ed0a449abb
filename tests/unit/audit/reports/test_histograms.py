from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.audit.reports.histograms import AGE_STEP, WEEKS, Histograms
from accesskeys_async.records import UNSET, AccessKey, Unset
from tests.unit.audit.fleet import AT


def make_key(age: float, idle: float | Unset | None) -> AccessKey:
    used: datetime | Unset | None = AT - timedelta(days=idle) if isinstance(idle, int | float) else idle
    return AccessKey(
        UUID(int=1), UUID(int=2), "ci", "AbCdEf", created_at=AT - timedelta(days=age), last_used_at=used
    )


def count(*keys: AccessKey, idle_days: float = 45) -> Histograms:
    histograms = Histograms(idle_days)
    histograms.add(keys, at=AT)
    return histograms


AGES = st.integers(-3, 5000)
IDLE = st.integers(-3, 5000) | st.none() | st.just(UNSET)


@given(st.lists(st.tuples(AGES, IDLE), max_size=30))
def test_no_key_is_lost_in_any_histogram(pairs: list[tuple[int, int | Unset | None]]) -> None:
    histograms = count(*(make_key(age, idle) for age, idle in pairs))
    assert sum(bar.count for bar in histograms.ages(rotation_days=90)) == len(pairs)
    assert sum(bar.count for bar in histograms.idle()) == len(pairs)
    assert sum(cell.count for cell in histograms.cells()) == len(pairs)


def test_a_key_stands_in_the_bar_of_its_age() -> None:
    bars = count(make_key(0, 0), make_key(89, 0), make_key(90, 0), make_key(4000, 0)).ages(rotation_days=90)
    assert [(bar.name, bar.is_late) for bar in bars if bar.count] == [
        ("0 to 29 days", False),
        ("60 to 89 days", False),
        ("90 to 119 days", True),
        ("1080 days and more", True),
    ]
    assert {later.start - bar.start for bar, later in itertools.pairwise(bars)} == {AGE_STEP}


def test_never_used_is_a_bar_of_its_own_and_past_the_line() -> None:
    bars = {bar.name: bar for bar in count(make_key(50, None), make_key(50, 45), make_key(50, 46)).idle()}
    assert (bars["never used"].count, bars["never used"].is_late) == (1, True)
    assert (bars["31–45 d"].count, bars["31–45 d"].is_late) == (1, False)
    assert (bars["46–90 d"].count, bars["46–90 d"].is_late) == (1, True)


def test_a_use_that_is_not_known_is_shown_only_where_there_is_one() -> None:
    assert "not known" not in [bar.name for bar in count(make_key(50, 1)).idle()]
    (bar,) = (bar for bar in count(make_key(50, UNSET)).idle() if bar.count)
    assert (bar.name, bar.is_late) == ("not known", False)


def test_the_idle_classes_have_the_policys_own_bound() -> None:
    names = [bar.name for bar in count(idle_days=60).idle()]
    assert names[3:7] == ["31–60 d", "61–90 d", "91–180 d", "181–365 d"]


def test_weeks_begin_on_mondays_and_end_with_the_scans_own() -> None:
    weeks = count(make_key(0, 0), make_key(7, 0), make_key(8, 0)).weeks()
    assert len(weeks) == WEEKS
    assert {week.weekday() for week, _ in weeks} == {0}
    assert [made for _, made in weeks[-3:]] == [1, 1, 1]
    assert weeks[-1][0] <= AT.date() < weeks[-1][0] + timedelta(days=7)


def test_without_keys_there_are_no_weeks() -> None:
    assert Histograms().weeks() == []
