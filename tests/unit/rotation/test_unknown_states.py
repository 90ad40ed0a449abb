from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from attrs import evolve
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from accesskeys_async.rotation import Journal, JournalError, Rotation, State
from tests.unit.rotation.yard import NOW

LEASE = timedelta(minutes=5)
MakeRotation = Callable[..., Rotation]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An SQLite file's URL, then an empty PostgreSQL database's."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.sqlite"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def journal(place: str) -> AsyncIterator[Journal]:
    async with Journal(place) as journal:
        yield journal


async def _spoil(place: str, rotation_id: UUID, column: str) -> None:
    url = place.replace("sqlite:", "sqlite+aiosqlite:").replace("postgresql:", "postgresql+asyncpg:")
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        statement = f"UPDATE accesskeys_rotations SET {column} = 'hovering' WHERE id = :id"
        await connection.execute(text(statement), {"id": str(rotation_id)})
    await engine.dispose()


@pytest.mark.parametrize("column", ["state", "stuck_at"])
async def test_a_state_that_is_not_known_names_its_rotation_and_leaves_the_others(
    journal: Journal, place: str, make_rotation: MakeRotation, column: str
) -> None:
    good, bad = await journal.add(make_rotation(1)), await journal.add(make_rotation(2))
    await _spoil(place, bad.id, column)
    problem = "its state 'hovering' is not known to this release; use the release that wrote it"

    first, second = await journal.find()
    assert first == good
    assert (second.id, second.key_id, second.state) == (bad.id, bad.key_id, State.NEEDS_HUMAN)
    assert (second.unknown_state, second.problem) == ("'hovering'", problem)
    assert await journal.get(good.id) == good
    assert await journal.claim(good, "me", now=NOW, lease=LEASE) is not None
    for act in (
        journal.get(bad.id),
        journal.flag(bad.id, "look"),
        journal.claim(second, "me", now=NOW, lease=LEASE),
        journal.write(evolve(second, state=State.ABORTED), before=second),
    ):
        with pytest.raises(JournalError, match=f"^rotation {bad.id}: {problem}$"):
            await act


async def test_a_key_whose_rotation_is_in_an_unknown_state_is_not_rotated_once_more(
    journal: Journal, place: str, make_rotation: MakeRotation
) -> None:
    bad = await journal.add(make_rotation(1))
    await _spoil(place, bad.id, "state")

    again = await journal.add(make_rotation(2, key_id=bad.key_id))

    assert (again.id, again.state) == (bad.id, State.NEEDS_HUMAN)
