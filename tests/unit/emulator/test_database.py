from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from accesskeys_async.emulator.database import Database


def test_a_file_is_written_through_to_the_disk_at_every_commit_and_read_meanwhile(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "keys.db")) as database, database.writing() as writer:
        assert writer.execute("PRAGMA synchronous").fetchone() == (2,)
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        writer.execute("INSERT INTO organizations (id) VALUES ('a')")
        with database.reading() as reader:
            assert reader.execute("SELECT count(*) FROM organizations").fetchone() == (0,)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_text("not a database, but long enough to be looked at " * 20)

    with pytest.raises(ValueError, match=r"cannot open the database .*keys\.db.*give another file"):
        Database(tmp_path / "keys.db")


def test_a_file_in_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot open the database .*nowhere"):
        Database(tmp_path / "nowhere" / "keys.db")


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_database_of_another_version_or_program_is_refused_and_left_as_it_is(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "keys.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA user_version = {version}")
        other.execute("CREATE TABLE keys (id)")

    with pytest.raises(ValueError, match="created by another version or another program; give another file"):
        Database(path)

    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("keys",)]


def test_closing_twice_is_fine() -> None:
    database = Database()
    database.close()
    database.close()
