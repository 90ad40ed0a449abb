from datetime import UTC, datetime

import pytest

from accesskeys_async.emulator.journal import Journal, JournalEntry, without_secrets
from accesskeys_async.emulator.routes import Operation


def entry(path: str = "/", operation: Operation | None = None) -> JournalEntry:
    return JournalEntry(
        at=datetime(2026, 1, 1, tzinfo=UTC),
        method="GET",
        path=path,
        query="",
        operation=operation,
        organization_id=None,
        headers={},
    )


def test_the_oldest_entries_make_room() -> None:
    journal = Journal(2)
    for path in "abc":
        journal.open(entry(path))

    assert [noted.path for noted in journal] == ["b", "c"]
    assert len(journal) == 2


def test_an_entry_has_no_status_until_it_is_answered() -> None:
    journal = Journal(10)
    line = journal.open(entry(operation="list"))
    journal.open(entry(operation="get"))
    assert [noted.status for noted in journal] == [None, None]

    journal.close(line, 200)

    assert [noted.status for noted in journal] == [200, None]
    assert journal.count() == 2
    assert journal.count(operation="list") == journal.count(status=200) == 1
    assert journal.count(operation="get", status=200) == 0


def test_a_journal_can_be_read_while_it_grows() -> None:
    journal = Journal(10)
    journal.open(entry())

    for _ in journal:
        journal.open(entry())

    assert len(journal) == 2


def test_clear_forgets() -> None:
    journal = Journal(10)
    journal.open(entry())
    journal.clear()

    assert list(journal) == []


def test_headers_that_carry_secrets_are_left_out() -> None:
    headers = [("AUTHORIZATION", "AccessKey s"), ("Proxy-Authorization", "s"), ("Cookie", "s"), ("X-A", "1")]

    assert without_secrets(headers) == {"x-a": "1"}


def test_a_journal_of_no_size_is_refused() -> None:
    with pytest.raises(ValueError, match="journal_size is 0; it takes 1 or more"):
        Journal(0)
