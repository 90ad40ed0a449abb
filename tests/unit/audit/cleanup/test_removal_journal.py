from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from accesskeys_async.audit.cleanup.plan import Candidate, Sight
from accesskeys_async.audit.cleanup.removal_journal import Act, RemovalJournal, RemovalJournalError
from accesskeys_async.records import AccessKey

T = datetime(2026, 6, 15, 12, tzinfo=UTC)
PLAN = "ab" * 16


@pytest.fixture
def make_candidate(make_key: Callable[..., AccessKey]) -> Callable[[int], Candidate]:
    def make(number: int) -> Candidate:
        key = make_key(number)
        return Candidate(
            organization_id=key.organization_id,
            key_id=key.id,
            name=key.name,
            suffix=key.suffix,
            created_at=key.created_at,
            last_used_at=None,
            reasons={"AK002": "never used"},
            sight=Sight.of(key),
        )

    return make


def test_what_was_settled_and_begun_is_there_again(
    tmp_path: Path, make_candidate: Callable[[int], Candidate]
) -> None:
    path = tmp_path / "journal"
    with RemovalJournal.open(path, plan_hash=PLAN) as journal:
        journal.begin(make_candidate(1), at=T)
        journal.settle(make_candidate(1), Act.DELETED, "", at=T)
        journal.begin(make_candidate(2), at=T)
        journal.settle(make_candidate(3), Act.USED, "used since", at=T)
        journal.settle(make_candidate(4), Act.FAILED, "503", at=T)

    with RemovalJournal.open(path, plan_hash=PLAN) as again:
        assert again.settled == {UUID(int=1): Act.DELETED, UUID(int=3): Act.USED}
        assert again.begun == {UUID(int=1), UUID(int=2)}


@pytest.mark.slow
@pytest.mark.parametrize("lost", range(1, 200, 7))
def test_a_line_that_was_torn_is_cut_off_and_the_rest_stands(
    tmp_path: Path, make_candidate: Callable[[int], Candidate], lost: int
) -> None:
    path = tmp_path / "journal"
    with RemovalJournal.open(path, plan_hash=PLAN) as journal:
        whole = path.stat().st_size
        journal.begin(make_candidate(1), at=T)
    torn = path.read_bytes()[:-lost]
    path.write_bytes(torn)

    with RemovalJournal.open(path, plan_hash=PLAN) as again:
        assert again.begun == set()
        again.begin(make_candidate(2), at=T)
    assert path.stat().st_size > whole

    with RemovalJournal.open(path, plan_hash=PLAN) as last:
        assert last.begun == {UUID(int=2)}


def test_a_journal_of_another_plan_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    RemovalJournal.open(path, plan_hash=PLAN).close()
    before = path.read_bytes()

    with pytest.raises(RemovalJournalError, match="is of another plan"):
        RemovalJournal.open(path, plan_hash="cd" * 16)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"my diary\n", b"my diary", b"{}\n"])
def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)

    with pytest.raises(RemovalJournalError, match="is no journal of removals"):
        RemovalJournal.open(path, plan_hash=PLAN)
    assert path.read_bytes() == content


@pytest.mark.parametrize("line", [b"{}\n", b'{"id":"x","act":"deleted"}\n', b"[]\n", b"\n"])
def test_a_damaged_line_is_told_with_its_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "journal"
    RemovalJournal.open(path, plan_hash=PLAN).close()
    with path.open("ab") as file:
        file.write(line)

    with pytest.raises(RemovalJournalError, match=r"journal:2: is damaged"):
        RemovalJournal.open(path, plan_hash=PLAN)


def test_two_calls_do_not_apply_one_plan_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with (
        RemovalJournal.open(path, plan_hash=PLAN),
        pytest.raises(RemovalJournalError, match="another call is applying this plan"),
    ):
        RemovalJournal.open(path, plan_hash=PLAN)


def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(RemovalJournalError, match="can't be opened"):
        RemovalJournal.open(tmp_path / "missing" / "journal", plan_hash=PLAN)


def test_what_is_no_regular_file_is_refused() -> None:
    with pytest.raises(RemovalJournalError, match="/dev/null: is no regular file"):
        RemovalJournal.open(Path("/dev/null"), plan_hash=PLAN)


def test_only_what_failed_or_was_left_is_tried_again() -> None:
    assert {act for act in Act if not act.is_final} == {Act.FAILED, Act.LEFT}
