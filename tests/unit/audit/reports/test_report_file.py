from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path

import pytest

from accesskeys_async.audit.reports.report_file import ReportError, ReportFile


def test_a_file_has_its_name_only_once_it_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    destination = ReportFile(path)
    destination.open()
    destination.write(b"whole")
    assert not path.exists()
    destination.sync()
    destination.commit()
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_until_then_and_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("last night's")
    destination = ReportFile(path)
    destination.open()
    destination.write(b"half")
    destination.discard()
    assert path.read_text() == "last night's"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    destination = ReportFile(tmp_path / "missing" / "report.json")
    with pytest.raises(ReportError, match=r"report\.json could not be written: No such file or directory"):
        destination.open()
    destination.discard()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="is a folder; name a file in it"):
        ReportFile(tmp_path).open()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is there on Linux alone")
def test_a_full_disk_is_one_clear_line() -> None:
    destination = ReportFile(Path("/dev/full"))
    destination.open()
    destination.write(b"x")
    with pytest.raises(ReportError, match="could not be written: No space left on device") as caught:
        destination.sync()
    destination.discard()
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_pipe_is_written_to_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "pipe.ndjson"
    os.mkfifo(path)
    came: list[bytes] = []
    reader = threading.Thread(target=lambda: came.append(path.read_bytes()))
    reader.start()
    destination = ReportFile(path)
    destination.open()
    destination.write(b"line\n")
    destination.sync()
    destination.commit()
    reader.join(10)
    assert came == [b"line\n"]


def test_a_name_as_long_as_names_can_be_is_taken(tmp_path: Path) -> None:
    path = tmp_path / ("r" * 250 + ".json")
    destination = ReportFile(path)
    destination.open()
    destination.sync()
    destination.commit()
    assert path.exists()


def test_a_file_that_a_killed_run_left_is_removed_and_one_in_use_stays(tmp_path: Path) -> None:
    left = tmp_path / ".audit.json.0123456789ab.part"
    others = [tmp_path / ".audit.json.notes.part", tmp_path / ".other.json.0123456789ab.part"]
    for path in (left, *others):
        path.write_bytes(b"begun")
    first, second = ReportFile(tmp_path / "audit.json"), ReportFile(tmp_path / "audit.json")
    first.open()
    first.write(b"first")
    first.sync()

    second.open()

    assert not left.exists()
    assert all(path.exists() for path in others)
    first.commit()
    assert (tmp_path / "audit.json").read_bytes() == b"first"
    second.discard()
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "audit.json", *others])
