from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._append_file import AppendFile

lines = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=8)


@given(lines=lines, torn=st.binary(min_size=1, max_size=9).map(lambda rest: rest.replace(b"\n", b"x")))
def test_lines_are_read_at_their_offsets_and_a_torn_one_is_cut_off(
    lines: list[bytes], torn: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("append") / "file"
    path.write_bytes(b"".join(lines) + torn)
    with AppendFile(path) as file:
        found = list(file.read())
        assert [line for _, _, line in found] == [*lines, torn]
        assert [number for number, _, _ in found] == list(range(1, len(lines) + 2))
        for _, offset, line in found[:-1]:
            assert file.read_at(offset, len(line)) == line
        assert file.size == len(b"".join(lines)) == path.stat().st_size
        file.append(b"next\n")
    assert path.read_bytes() == b"".join(lines) + b"next\n"


def test_a_file_that_turns_out_to_be_another_one_keeps_its_torn_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a letter\nwithout an end")
    with AppendFile(path) as file:
        for _ in file.read():
            break
    assert path.read_bytes() == b"a letter\nwithout an end"


def test_one_process_locks_it_until_it_is_closed(tmp_path: Path) -> None:
    with AppendFile(tmp_path / "file") as first, AppendFile(tmp_path / "file") as second:
        first.lock()
        with pytest.raises(BlockingIOError):
            second.lock()
        first.close()
        first.close()
        second.lock()


def test_an_exclusive_file_must_be_new(tmp_path: Path) -> None:
    AppendFile(tmp_path / "file", exclusive=True).close()
    with pytest.raises(FileExistsError):
        AppendFile(tmp_path / "file", exclusive=True)


def test_a_write_that_fails_leaves_nothing_of_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "file"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with AppendFile(path) as file:
        file.append(b"first\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                file.append(b"x" * 2048 + b"\n")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == b"first\n"
        file.append(b"second\n")
    assert path.read_bytes() == b"first\nsecond\n"


def test_a_pipe_is_not_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with AppendFile(tmp_path / "pipe") as file:
        assert not file.is_regular
    with AppendFile(tmp_path / "file") as file:
        assert file.is_regular
