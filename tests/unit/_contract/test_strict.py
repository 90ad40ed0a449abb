from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from accesskeys_async._contract import strict
from accesskeys_async.errors import APIResponseError
from accesskeys_async.records import AccessKey


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02t03:04:05z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2026-01-01T23:04:05-04:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T08:34:05+05:30", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_a_time_of_any_zone_is_turned_to_utc(
    text: str, time: datetime, make_row: Callable[..., dict[str, Any]]
) -> None:
    key = strict.structure(make_row(createdAt=text, updatedAt=text, lastUsedAt=text), AccessKey)
    assert key.created_at == key.updated_at == key.last_used_at == time
    assert key.created_at.tzinfo is UTC


def test_the_first_of_several_mistakes_is_named(make_row: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(APIResponseError, match=r"^\$\.(id|name|suffix): expected"):
        strict.structure(make_row(id=1, name=2, suffix=3), AccessKey)


def test_any_json_is_parsed() -> None:
    for value in (None, 1, 1.5, "a", [1, {"a": None}], {}):
        assert strict.parse(json.dumps(value).encode()) == value
