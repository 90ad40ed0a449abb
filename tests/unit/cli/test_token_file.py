from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.token_file import TokenFile, is_open_to_others, read_token
from accesskeys_async.records import Token

TOKEN = Token("s3cret-token-AbCdEf")


def test_the_token_is_written_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with TokenFile.create(path) as file:
        file.write(TOKEN)
    assert path.read_text() == "s3cret-token-AbCdEf\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_has_no_syncing_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", sync)
    with TokenFile.create(tmp_path / "token") as file:
        file.write(TOKEN)
    assert (tmp_path / "token").read_text() == "s3cret-token-AbCdEf\n"


@pytest.mark.parametrize("umask", [0o000, 0o277, 0o777])
def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "token"
    earlier = os.umask(umask)
    try:
        file = TokenFile.create(path)
    finally:
        os.umask(earlier)
    with file:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_existing_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("mine")
    with pytest.raises(CommandError, match=r"exists already and is never written over") as caught:
        TokenFile.create(path)
    assert caught.value.code is ExitCode.USAGE
    assert path.read_text() == "mine"


def test_a_link_is_refused_even_where_it_points_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandError, match="exists already"):
        TokenFile.create(path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot make the token file .*/none/token: No such file"):
        TokenFile.create(tmp_path / "none" / "token")


def test_a_file_that_never_got_its_token_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with TokenFile.create(path):
        assert path.exists()
    assert not path.exists()


def test_a_file_that_took_its_place_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with TokenFile.create(path):
        path.unlink()
        path.write_text("another's")
    assert path.read_text() == "another's"


def test_a_token_is_read_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret-token-AbCdEf\r\n")
    assert read_token(path) == TOKEN


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"one\ntwo\n", "something else"),
        (b"two words", "something else"),
        (b"caf\xc3\xa9", "something else"),
        (b"\x00", "something else"),
        (b"x" * 5000, "over 4096 bytes"),
    ],
)
def test_what_is_no_token_is_refused_without_showing_it(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=problem) as caught:
        read_token(path)
    assert caught.value.code is ExitCode.AUTHENTICATION
    assert "two" not in str(caught.value).replace(str(path), "")


def test_a_credential_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot read the credential file .*none: No such file"):
        read_token(tmp_path / "none")


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_can_read_is_known(tmp_path: Path, mode: int, is_open: bool) -> None:
    path = tmp_path / "token"
    path.write_text("x")
    path.chmod(mode)
    assert is_open_to_others(path) is is_open


def test_a_file_that_is_not_there_is_open_to_nobody(tmp_path: Path) -> None:
    assert not is_open_to_others(tmp_path / "none")
