from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from accesskeys_async.audit.history import History
from tests.unit.audit.history.fleet import Fleet


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An SQLite file's URL, then an empty PostgreSQL database's."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.sqlite"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def history(place: str) -> AsyncIterator[History]:
    async with History(place) as history:
        yield history


@pytest.fixture
def fleet(history: History) -> Fleet:
    return Fleet(history)
