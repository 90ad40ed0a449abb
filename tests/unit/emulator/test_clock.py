from datetime import UTC, datetime, timedelta, timezone

import pytest

from accesskeys_async.emulator.clock import ManualClock, SystemClock, timestamp

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_manual_clock_stands_still_until_moved() -> None:
    clock = ManualClock(NOON)

    assert clock.now() == clock.now() == NOON


def test_a_manual_clock_moves_both_ways_and_goes_back_to_its_start() -> None:
    clock = ManualClock(NOON)

    clock.advance(90)
    assert clock.now() == NOON + timedelta(seconds=90)
    clock.advance(-100)
    assert clock.now() == NOON - timedelta(seconds=10)
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    assert clock.now().year == 2030
    clock.reset()
    assert clock.now() == NOON


def test_a_moment_without_a_time_zone_is_refused() -> None:
    naive = NOON.replace(tzinfo=None)

    with pytest.raises(ValueError, match="without a time zone"):
        ManualClock(naive)
    with pytest.raises(ValueError, match="without a time zone"):
        ManualClock(NOON).set(naive)


def test_the_system_clock_goes_on_and_ignores_a_reset() -> None:
    clock = SystemClock()
    before = clock.now()

    clock.reset()

    assert before <= clock.now()
    assert before.tzinfo is UTC


def test_a_timestamp_is_in_utc_to_the_millisecond() -> None:
    moment = datetime(2026, 3, 1, 12, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))

    assert timestamp(moment) == "2026-03-01T10:00:00.123Z"
