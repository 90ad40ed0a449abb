from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from accesskeys_async import ConfigurationError
from accesskeys_async.audit.scope.credentials import read_credential

TOKEN = "audit-credential-Zq8vT2"


async def test_a_token_comes_from_a_variable() -> None:
    credential = read_credential("env:TOKEN_OF_ONE")
    token = await credential.resolve(environment={"TOKEN_OF_ONE": f" {TOKEN}\n"})
    assert token.reveal() == TOKEN
    assert str(credential) == "env:TOKEN_OF_ONE"


async def test_a_token_comes_from_a_file_beside_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    assert (await read_credential("file:token", directory=tmp_path).resolve()).reveal() == TOKEN
    assert (await read_credential(f"file:{tmp_path}/token").resolve()).reveal() == TOKEN


async def test_a_token_comes_from_a_programs_one_line() -> None:
    credential = read_credential(f"cmd:{sys.executable} -c 'print(\"{TOKEN}\")'")
    assert (await credential.resolve()).reveal() == TOKEN
    assert str(credential) == f"cmd:{sys.executable}"


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("env:NO_SUCH_VARIABLE", "env:NO_SUCH_VARIABLE gives no token; it should give one line"),
        ("file:/no/such", "file:/no/such can't be read: No such file or directory"),
        ("cmd:/no/such a", "cmd:/no/such can't be run: No such file or directory"),
        (f"cmd:{sys.executable} -c ''", f"cmd:{sys.executable} gives no token; it should give one line"),
        (f"cmd:{sys.executable} -c 'exit(3)'", f"cmd:{sys.executable} ended with exit code 3"),
        (
            f"cmd:{sys.executable} -c 'print(\"a b\")'",
            f"cmd:{sys.executable} gives something else than one line of a token",
        ),
        (
            f"cmd:{sys.executable} -c 'print(\"x\" * 100000)'",
            f"cmd:{sys.executable} gives something else than one line of a token",
        ),
    ],
)
async def test_where_there_is_no_token_the_reference_is_named(reference: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await read_credential(reference).resolve(environment={})
    assert str(caught.value) == problem


async def test_a_program_that_hangs_is_killed() -> None:
    credential = read_credential(f"cmd:{sys.executable} -c 'import time; time.sleep(60)'")
    with pytest.raises(ConfigurationError, match=r"took longer than 0\.05 s and was killed$"):
        await credential.resolve(seconds=0.05)


async def test_a_token_that_is_written_in_two_parts_is_one_token() -> None:
    credential = read_credential(f"cmd:sh -c 'printf {TOKEN[:9]}; sleep 0.1; echo {TOKEN[9:]}'")
    assert (await credential.resolve()).reveal() == TOKEN


async def test_a_program_that_fails_after_it_wrote_a_token_gives_none() -> None:
    credential = read_credential(f"cmd:sh -c 'echo {TOKEN}; sleep 0.1; exit 3'")
    with pytest.raises(ConfigurationError, match="ended with exit code 3"):
        await credential.resolve()


async def test_a_program_may_leave_a_daemon_behind(tmp_path: Path) -> None:
    credential = read_credential(f"cmd:sh -c 'sleep 600 & echo $! > pid; echo {TOKEN}'", directory=tmp_path)
    try:
        assert (await credential.resolve(seconds=20)).reveal() == TOKEN
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("text", ["", "env", "env:", "env: ", "vault:x", TOKEN, "cmd:'", "cmd:''x'"])
def test_what_is_no_reference_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected env:NAME, file:PATH or cmd:PROGRAM; ") as caught:
        read_credential(text)
    assert TOKEN not in str(caught.value)
