from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from attrs import evolve
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from accesskeys_async.errors import ConfigurationError
from accesskeys_async.rotation import (
    Candidate,
    Journal,
    JournalError,
    LeaseLostError,
    Rotation,
    RotationRefusedError,
    State,
    UnknownRotationError,
)
from accesskeys_async.rotation.schema import MIGRATIONS
from tests.unit.rotation.yard import NOW

pytestmark = pytest.mark.slow

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


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _candidate(nonce: str = "0123456789abcdef", **fields: object) -> Candidate:
    return Candidate(nonce=nonce, begun_at=NOW, settle_until=NOW + timedelta(seconds=30), **fields)


async def test_a_long_problem_is_cut_to_what_the_journal_takes(
    journal: Journal, make_rotation: MakeRotation
) -> None:
    added = await journal.add(make_rotation())

    written = await journal.write(evolve(added, problem="it hurts\n" * 200), before=added)

    found = await journal.get(added.id)
    assert found == written
    assert found.problem is not None
    assert len(found.problem) == 1000
    assert found.problem.startswith("it hurts it hurts ")


async def test_a_rotation_reads_back_as_it_was_written(journal: Journal, make_rotation: MakeRotation) -> None:
    rotation = make_rotation(
        name="näme '; DROP TABLE",
        grace=timedelta(days=3, microseconds=7),
        due_at=NOW + timedelta(microseconds=1),
    )

    await journal.add(rotation)

    assert await journal.get(rotation.id) == rotation


async def test_every_field_of_a_step_reads_back(journal: Journal, make_rotation: MakeRotation) -> None:
    planned = await journal.add(make_rotation())
    changed = evolve(
        planned,
        state=State.NEEDS_HUMAN,
        stuck_at=State.CREATED,
        aborting=True,
        due_at=None,
        cutover_at=NOW,
        grace_until=NOW + LEASE,
        failures=3,
        problem="it hurts",
        candidates=(_candidate(), _candidate("b" * 16, key_id=UUID(int=9), suffix="abcdef", given=True)),
        owner="me",
        lease_until=NOW + LEASE,
    )

    written = await journal.write(changed, before=planned)

    assert written == evolve(changed, version=1)
    assert await journal.get(planned.id) == written


async def test_a_candidate_changes_in_its_place(journal: Journal, make_rotation: MakeRotation) -> None:
    planned = await journal.add(make_rotation())
    one, two = _candidate(), _candidate("b" * 16)
    both = await journal.write(evolve(planned, candidates=(one, two)), before=planned)

    await journal.write(both.with_candidates(evolve(one, gone=True)), before=both)

    assert (await journal.get(planned.id)).candidates == (evolve(one, gone=True), two)


async def test_a_write_on_an_old_version_is_refused_whole(
    journal: Journal, make_rotation: MakeRotation
) -> None:
    planned = await journal.add(make_rotation())
    written = await journal.write(evolve(planned, state=State.CREATING), before=planned)

    with pytest.raises(LeaseLostError, match="another worker"):
        await journal.write(evolve(planned, candidates=(_candidate(),)), before=planned)

    assert await journal.get(planned.id) == written


async def test_of_many_claims_at_once_one_wins(journal: Journal, make_rotation: MakeRotation) -> None:
    planned = await journal.add(make_rotation())

    claims = await asyncio.gather(
        *(journal.claim(planned, f"worker-{n}", now=NOW, lease=LEASE) for n in range(8))
    )

    [won] = [claim for claim in claims if claim is not None]
    assert (await journal.get(planned.id)).owner == won.owner


async def test_a_lease_keeps_others_away_until_it_ends(journal: Journal, make_rotation: MakeRotation) -> None:
    planned = await journal.add(make_rotation())
    held = await journal.claim(planned, "first", now=NOW, lease=LEASE)
    assert held is not None

    assert await journal.claim(held, "second", now=NOW + LEASE - timedelta(seconds=1), lease=LEASE) is None
    taken = await journal.claim(held, "second", now=NOW + LEASE, lease=LEASE)

    assert taken is not None
    assert taken.owner == "second"
    with pytest.raises(LeaseLostError):
        await journal.write(held, before=held)


async def test_what_is_due_comes_back_longest_waiting_first(
    journal: Journal, make_rotation: MakeRotation
) -> None:
    for number, due_at in enumerate((NOW, NOW - LEASE, NOW + LEASE, None), 1):
        await journal.add(make_rotation(number, due_at=due_at))

    assert [rotation.id.int for rotation in await journal.find_due(NOW)] == [2, 1]
    assert [rotation.id.int for rotation in await journal.find()] == [1, 2, 3, 4]


async def test_a_key_has_one_living_rotation(journal: Journal, make_rotation: MakeRotation) -> None:
    first = await journal.add(make_rotation(1))

    again = await journal.add(make_rotation(2, key_id=first.key_id))

    assert again == first
    with pytest.raises(RotationRefusedError, match=f"by {first.id} on other terms"):
        await journal.add(make_rotation(3, key_id=first.key_id, require_idle=False))


async def test_a_rotation_that_ends_while_its_key_is_planned_again_makes_room(
    journal: Journal, place: str, make_rotation: MakeRotation
) -> None:
    first = await journal.add(make_rotation(1))

    class Late(Journal):
        """Looks for the living rotation only after it has ended."""

        async def find(self, *, key_id: UUID | None = None) -> tuple[Rotation, ...]:
            current = await journal.get(first.id)
            if not current.is_over:
                await journal.write(evolve(current, state=State.ABORTED), before=current)
            return await super().find(key_id=key_id)

    async with Late(place) as late:
        assert (await late.add(make_rotation(2, key_id=first.key_id))).id == UUID(int=2)


async def test_a_journal_that_lost_its_tables_is_an_error(
    tmp_path: Path, make_rotation: MakeRotation
) -> None:
    async with Journal(tmp_path / "journal.sqlite") as journal:
        with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection:
            connection.execute("DROP TABLE accesskeys_rotations")

        with pytest.raises(JournalError, match="no such table: accesskeys_rotations"):
            await journal.add(make_rotation())


async def test_a_key_may_be_rotated_again_once_its_rotation_is_over(
    journal: Journal, make_rotation: MakeRotation
) -> None:
    first = await journal.add(make_rotation(1))
    await journal.write(evolve(first, state=State.ABORTED), before=first)

    assert (await journal.add(make_rotation(2, key_id=first.key_id))).id == UUID(int=2)


async def test_two_that_plan_one_key_at_once_get_one_rotation(
    journal: Journal, make_rotation: MakeRotation
) -> None:
    key_id = UUID(int=5)

    added = await asyncio.gather(*(journal.add(make_rotation(n, key_id=key_id)) for n in range(1, 7)))

    assert len({rotation.id for rotation in added}) == 1


async def test_a_flag_reaches_a_rotation_in_other_hands(
    journal: Journal, make_rotation: MakeRotation
) -> None:
    planned = await journal.add(make_rotation())
    held = await journal.claim(planned, "other", now=NOW, lease=LEASE)
    assert held is not None

    await journal.flag(planned.id, "look at the sink")

    flagged = await journal.get(planned.id)
    assert (flagged.state, flagged.stuck_at, flagged.problem) == (
        State.NEEDS_HUMAN,
        State.PLANNED,
        "look at the sink",
    )
    with pytest.raises(LeaseLostError):
        await journal.write(held, before=held)


async def test_a_flag_does_not_wake_what_is_over(journal: Journal, make_rotation: MakeRotation) -> None:
    planned = await journal.add(make_rotation())
    await journal.write(evolve(planned, state=State.ABORTED, due_at=None), before=planned)

    await journal.flag(planned.id, "look at the sink")

    flagged = await journal.get(planned.id)
    assert (flagged.state, flagged.problem) == (State.ABORTED, "look at the sink")


async def test_an_unknown_rotation_is_named(journal: Journal) -> None:
    with pytest.raises(UnknownRotationError, match=str(UUID(int=404))):
        await journal.get(UUID(int=404))


async def test_a_journal_survives_its_process(place: str, make_rotation: MakeRotation) -> None:
    async with Journal(place) as first:
        await first.add(make_rotation())

    async with Journal(place) as second:
        assert await second.get(make_rotation().id) == make_rotation()


async def test_many_that_open_an_empty_journal_at_once_make_its_tables_once(
    place: str, make_rotation: MakeRotation
) -> None:
    async def open_and_add(number: int) -> None:
        async with Journal(place) as journal:
            await journal.add(make_rotation(number))

    await asyncio.gather(*(open_and_add(number) for number in range(1, 6)))

    async with Journal(place) as journal:
        assert len(await journal.find()) == 5


async def test_a_journal_of_the_first_version_is_brought_to_this_one(
    place: str, make_rotation: MakeRotation
) -> None:
    rotation = make_rotation(candidates=(_candidate(),))
    url = place.replace("sqlite:", "sqlite+aiosqlite:").replace("postgresql:", "postgresql+asyncpg:")
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await MIGRATIONS.apply(connection, to=1)
        await connection.execute(
            text(
                "INSERT INTO accesskeys_rotations (id, organization_id, key_id, suffix, name, description, "
                "grace, require_idle, planned_at, state, due_at, failures, version) VALUES (:id, :org, :key, "
                "'AbCdEf', 'ci', 'deploys', 604800000000, TRUE, :planned, 'creating', :due, 0, 4)"
            ),
            {
                "id": str(rotation.id),
                "org": str(rotation.organization_id),
                "key": str(rotation.key_id),
                "planned": int(rotation.planned_at.timestamp()) * 1_000_000,
                "due": int(NOW.timestamp()) * 1_000_000,
            },
        )
        await connection.execute(
            text(
                "INSERT INTO accesskeys_candidates (rotation_id, number, nonce, begun_at, settle_until, "
                "given, gone) VALUES (:id, 1, '0123456789abcdef', :begun, :settled, FALSE, FALSE)"
            ),
            {
                "id": str(rotation.id),
                "begun": int(NOW.timestamp()) * 1_000_000,
                "settled": int(NOW.timestamp() + 30) * 1_000_000,
            },
        )
    await engine.dispose()

    async with Journal(place) as journal:
        assert await journal.get(rotation.id) == evolve(rotation, state=State.CREATING, version=4)
        with pytest.raises(RotationRefusedError):
            await journal.add(make_rotation(2, key_id=rotation.key_id, require_idle=False))


async def test_a_journal_of_a_later_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    async with Journal(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE accesskeys_journal SET version = 99")
    connection.close()

    with pytest.raises(
        JournalError, match=f"version 99, this release knows up to {len(MIGRATIONS.steps)}; use a newer"
    ):
        async with Journal(path):
            raise AssertionError("unreachable: it does not open")


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_text("not a database, but long enough to look like one to a hasty reader" * 20)

    with pytest.raises(JournalError, match="not a database"):
        async with Journal(path):
            raise AssertionError("unreachable: it does not open")


async def test_a_journal_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"

    async with Journal(path):
        assert _mode(path) == 0o600


async def test_a_journal_in_memory_lasts_as_long_as_it_is_open(make_rotation: MakeRotation) -> None:
    async with Journal("sqlite://") as journal:
        await journal.add(make_rotation())

        assert len(await journal.find()) == 1


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="can't be opened: No such file or directory"):
        async with Journal(tmp_path / "none" / "journal.sqlite"):
            raise AssertionError("unreachable: it does not open")


async def test_a_flag_waits_for_nobody(journal: Journal, make_rotation: MakeRotation) -> None:
    planned = await journal.add(make_rotation())

    async def go_on(rotation: Rotation) -> None:
        for _ in range(5):
            try:
                rotation = await journal.write(
                    evolve(rotation, failures=rotation.failures + 1), before=rotation
                )
            except LeaseLostError:
                return

    await asyncio.gather(go_on(planned), journal.flag(planned.id, "look"))

    assert (await journal.get(planned.id)).state is State.NEEDS_HUMAN


async def test_a_database_that_is_not_there_is_an_error_without_its_password() -> None:
    with pytest.raises(JournalError) as caught:
        async with Journal("postgresql://me:hunter2@127.0.0.1:1/none"):
            raise AssertionError("unreachable: it does not open")

    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_a_url_of_another_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'mongodb' and can't be read; give a file, sqlite:"):
        Journal("mongodb://host/db")


async def test_a_journal_that_is_not_open_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="is not open; use `async with`"):
        await Journal(tmp_path / "journal.sqlite").find()


async def test_closing_twice_is_fine(journal: Journal) -> None:
    await journal.aclose()
    await journal.aclose()
