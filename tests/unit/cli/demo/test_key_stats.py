from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from attrs import evolve

from accesskeys_async.cli.demo.key_stats import Tally, tabulate
from accesskeys_async.records import UNSET, AccessKey

DAY = timedelta(days=1)
NOW = datetime(2026, 5, 6, tzinfo=UTC)


def tally(key: AccessKey, *used: object) -> Tally:
    counted = Tally("org")
    for age, last_used_at in enumerate(used):
        counted.add(evolve(key, created_at=NOW - age * DAY, last_used_at=last_used_at))
    return counted


def test_keys_are_counted_and_the_extremes_kept(make_key: Callable[..., AccessKey]) -> None:
    counted = tally(make_key(), NOW - 3 * DAY, None, NOW - DAY, UNSET, None)
    assert (counted.keys, counted.never_used) == (5, 2)
    assert counted.oldest == NOW - 4 * DAY
    assert counted.last_used == NOW - DAY


def test_a_key_of_which_nothing_is_known_is_not_called_never_used(make_key: Callable[..., AccessKey]) -> None:
    counted = tally(make_key(), UNSET)
    assert (counted.never_used, counted.last_used) == (0, None)


def test_the_table_has_a_line_an_organization_and_the_sum(
    make_desk: Callable, make_key: Callable[..., AccessKey]
) -> None:
    rows = [tally(make_key(), NOW, None), tally(make_key(), None)]
    lines = make_desk().screen.draw(tabulate(rows), width=100).splitlines()
    shown = [line.split() for line in lines if line.strip() and "─" not in line]
    assert shown[1:] == [
        ["org", "2", "1", "2026-05-05", "2026-05-06"],
        ["org", "1", "1", "2026-05-06", "–"],
        ["all", "3", "2", "2026-05-05", "2026-05-06"],
    ]


def test_the_table_of_nothing_is_empty_and_whole(make_desk: Callable) -> None:
    text = make_desk().screen.draw(tabulate([]), width=100)
    assert text.split()[-5:] == ["all", "0", "0", "–", "–"]
