from __future__ import annotations

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


def test_closing_twice_is_fine() -> None:
    database = Database()
    database.close()
    database.close()
