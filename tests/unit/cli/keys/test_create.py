from __future__ import annotations

import errno
import io
import json
import os
import re
import resource
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from accesskeys_async.cli.app import run
from accesskeys_async.cli.output.screen import Screen
from accesskeys_async.emulator import Emulator, Fault

pytestmark = pytest.mark.slow

NO_ROLES = "the key gets no roles, and the service denies everything to such a key; give it some with --role"
NEW = ("create", "--name", "deploy", "--description", "for the pipeline")


def living(service: Emulator, token: str) -> str | None:
    return service.verify(service.organization_id, token)


def test_the_token_is_shown_where_that_is_asked_for(call: Callable, service: Emulator) -> None:
    done = call(*NEW, "--show-token")
    made = json.loads(done.out)
    assert done.code == 0
    assert living(service, made["token"]) == made["id"]
    assert made["token"].endswith(made["suffix"])


def test_the_token_is_shown_whole_on_a_terminal(call: Callable, service: Emulator) -> None:
    done = call(*NEW, "--show-token", terminal=True)
    assert any(living(service, word) for word in re.sub("\x1b\\[[0-9;]*m", " ", done.out).split())


def test_the_token_is_written_where_that_is_asked_for(
    call: Callable, service: Emulator, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    done = call(*NEW, "--token-file", path)
    assert done.code == 0
    assert living(service, path.read_text().strip()) == json.loads(done.out)["id"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() not in done.out + done.err
    assert done.err == f"{NO_ROLES}\nwrote the token to {path}\n"


def test_a_token_may_be_both_shown_and_written(call: Callable, service: Emulator, tmp_path: Path) -> None:
    path = tmp_path / "token"
    done = call(*NEW, "--token-file", path, "--show-token")
    assert json.loads(done.out)["token"] == path.read_text().strip()


def test_a_key_without_roles_is_warned_of_and_one_with_a_role_is_not(
    call: Callable, service: Emulator
) -> None:
    assert call(*NEW, "--show-token").err == f"{NO_ROLES}\n"
    assert call(*NEW, "--show-token", "--quiet").err == ""
    role = "11111111-2222-4333-8444-555555555555"
    assert NO_ROLES not in call(*NEW, "--show-token", "--role", role).err
    assert NO_ROLES not in call(*NEW, "--show-token", "--role-id", role).err


def test_what_is_refused_is_not_warned_of(call: Callable, service: Emulator, tmp_path: Path) -> None:
    taken = tmp_path / "token"
    taken.touch()
    long_name = ("create", "--name", "n" * 257, "--description", "for the pipeline", "--show-token")

    for refused in (call(*NEW, "--token-file", taken), call(*long_name)):
        assert refused.code == 2
        assert NO_ROLES not in refused.err
    assert service.journal.count() == 0


def test_with_neither_nothing_is_made(call: Callable, service: Emulator) -> None:
    done = call(*NEW)
    assert done.code == 2
    assert "--show-token" in done.err
    assert "--token-file" in done.err
    assert service.journal.count() == 0


def test_a_file_that_exists_is_refused_before_anything_is_made(
    call: Callable, service: Emulator, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("mine")
    done = call(*NEW, "--token-file", path)
    assert done.code == 2
    assert path.read_text() == "mine"
    assert service.journal.count() == 0


@pytest.mark.parametrize(("status", "code"), [(422, 1), (401, 3)])
def test_a_create_that_is_refused_leaves_no_file(
    call: Callable, service: Emulator, tmp_path: Path, status: int, code: int
) -> None:
    service.faults.add(Fault.status(status, operation="create"))
    done = call(*NEW, "--token-file", tmp_path / "token")
    assert done.code == code
    assert list(tmp_path.iterdir()) == []


def test_a_create_whose_answer_is_lost_says_that_a_key_may_exist(
    call: Callable, service: Emulator, tmp_path: Path
) -> None:
    service.faults.add(Fault.reset_after(operation="create"))
    done = call(*NEW, "--token-file", tmp_path / "token")
    assert done.code == 4
    assert service.journal.count(operation="create") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPIPE])
def test_a_token_that_cannot_be_shown_costs_no_key(
    make_desk: Callable, service: Emulator, number: int
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(number, os.strerror(number))

    desk, before = make_desk(), len(service.keys(service.organization_id))
    assert run([*NEW, "--show-token"], screen=Screen(desk.stdin, Full(), desk.stderr)) == 4
    assert desk.err.endswith("; deleted the key again\n")
    assert len(service.keys(service.organization_id)) == before


def test_a_token_file_on_a_full_disk_costs_no_key(call: Callable, service: Emulator, tmp_path: Path) -> None:
    before = len(service.keys(service.organization_id))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        done = call(*NEW, "--token-file", tmp_path / "token")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert done.code == 4
    assert done.err.endswith("(File too large); deleted the key again\n")
    assert len(service.keys(service.organization_id)) == before
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_cannot_be_deleted_again_is_named(make_desk: Callable, service: Emulator) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = {key.id for key in service.keys(service.organization_id)}
    service.faults.add(Fault.status(403, operation="delete"))
    desk = make_desk()
    assert run([*NEW, "--show-token"], screen=Screen(desk.stdin, Full(), desk.stderr)) == 4
    (made,) = {key.id for key in service.keys(service.organization_id)} - before
    assert f"the token of key {made} was not written (" in desk.err
    assert "); deleting the key failed: " in desk.err
    command = f"accesskeys delete {service.organization_id} {made}"
    assert desk.err.endswith(f"; delete {made} with: {command}\n")


def test_ctrl_c_does_not_keep_the_key_from_being_deleted_again(
    make_desk: Callable, service: Emulator
) -> None:
    class Interrupted(io.StringIO):
        def write(self, text: str) -> int:
            signal.raise_signal(signal.SIGINT)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    desk, before = make_desk(), len(service.keys(service.organization_id))
    assert run([*NEW, "--show-token"], screen=Screen(desk.stdin, Interrupted(), desk.stderr)) == 4
    assert desk.err.endswith("; deleted the key again\n")
    assert len(service.keys(service.organization_id)) == before


def test_a_written_token_outlives_an_output_that_fails(
    make_desk: Callable, service: Emulator, tmp_path: Path
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path, desk = tmp_path / "token", make_desk()
    assert run([*NEW, "--token-file", str(path)], screen=Screen(desk.stdin, Full(), desk.stderr)) == 4
    assert living(service, path.read_text().strip())


def test_role_ids_are_passed_on(call: Callable, service: Emulator) -> None:
    role = service.roles(service.organization_id)[0].id
    done = call(*NEW, "--show-token", "--role-id", role)
    assert done.code == 0
    assert "deprecated" in done.err
