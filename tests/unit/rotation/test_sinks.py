from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psutil
import pytest
import uvloop
from attrs import evolve

from accesskeys_async import Token
from accesskeys_async.errors import ConfigurationError
from accesskeys_async.rotation import (
    CommandSink,
    Delivery,
    DirectorySink,
    EnvFileSink,
    FileSink,
    SinkError,
    SinkUnsureError,
)
from tests.unit.rotation.yard import TOKEN
from tests.waiting import until

STORE = """
import json, os, sys
with open(sys.argv[1], "w") as file:
    json.dump({"stdin": sys.stdin.read(), "argv": sys.argv, "environ": dict(os.environ)}, file)
"""


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _list(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _lives(process_id: int) -> bool:
    # A killed orphan whose new parent has not asked for it yet is a zombie.
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _with_token(delivery: Delivery, text: str) -> Delivery:
    return evolve(delivery, key=evolve(delivery.key, token=Token(text)))


def _fail_with(number: int, *, when: Callable[[int], bool] = lambda _: True) -> Callable[..., None]:
    def fail(descriptor: int, *arguments: int) -> None:
        if when(arguments[-1] if arguments else 0):
            raise OSError(number, os.strerror(number))

    return fail


class TestFileSink:
    async def test_the_file_holds_the_token_for_its_owner_alone(
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        path = tmp_path / "token"

        await FileSink(path)(delivery)

        assert path.read_text() == f"{TOKEN}\n"
        assert _mode(path) == 0o600

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o440, 0o644])
    async def test_a_file_that_is_replaced_keeps_its_mode_and_attributes(
        self, tmp_path: Path, delivery: Delivery, mode: int
    ) -> None:
        path = tmp_path / "token"
        path.write_text("old\n")
        os.setxattr(path, "user.note", b"the app reads it")
        path.chmod(mode)

        await FileSink(path)(delivery)

        assert _mode(path) == mode
        assert os.getxattr(path, "user.note") == b"the app reads it"
        assert (await FileSink(path).read()).reveal() == TOKEN

    @pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
    async def test_a_file_that_is_replaced_keeps_its_owner_and_group(
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        path = tmp_path / "token"
        path.write_text("old\n")
        os.chown(path, 1234, 5678)

        await FileSink(path)(delivery)

        assert (path.stat().st_uid, path.stat().st_gid, _mode(path)) == (1234, 5678, 0o644)

    async def test_an_owner_that_cannot_be_kept_is_known_beforehand(
        self, tmp_path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "token"
        path.write_text("old\n")
        monkeypatch.setattr(os, "fchown", _fail_with(errno.EPERM))
        monkeypatch.setattr(os, "fchmod", _fail_with(errno.EPERM, when=lambda mode: mode != 0o600))

        for act in (FileSink(path).check(delivery.replaces), FileSink(path)(delivery)):
            with pytest.raises(SinkError, match=r"mode can't be kept: Operation not permitted; run as its"):
                await act

        assert (path.read_text(), _list(tmp_path)) == ("old\n", ["token"])

    async def test_a_check_leaves_all_as_it_was(self, tmp_path: Path, delivery: Delivery) -> None:
        path = tmp_path / "token"
        for _ in range(2):
            before = _list(tmp_path)
            await FileSink(path).check(delivery.replaces)
            assert _list(tmp_path) == before
            path.write_text("old\n")
        assert path.read_text() == "old\n"

    @pytest.mark.parametrize("kind", ["fifo", "folder", "loop", "nowhere"])
    async def test_what_cannot_be_replaced_is_known_beforehand(
        self, tmp_path: Path, delivery: Delivery, kind: str
    ) -> None:
        path = tmp_path / "token"
        match kind:
            case "fifo":
                os.mkfifo(path)
            case "folder":
                path.mkdir()
            case "loop":
                path.symlink_to(path)
            case _:
                path = tmp_path / "none" / "token"
        before = _list(tmp_path)

        for act in (FileSink(path).check(delivery.replaces), FileSink(path)(delivery)):
            with pytest.raises(SinkError, match=f"{path} can't be written: "):
                await act

        assert _list(tmp_path) == before

    @pytest.mark.slow
    @pytest.mark.parametrize("sink", ["FileSink", "EnvFileSink"])
    def test_a_file_that_is_mounted_by_itself_is_refused_beforehand(self, tmp_path: Path, sink: str) -> None:
        """In a mount namespace of its own, as a container would have it."""
        (tmp_path / "source").write_text("old\n")
        (tmp_path / "a token").touch()
        program = f"import asyncio, sys; from accesskeys_async.rotation import {sink}; "
        program += f"asyncio.run({sink}(sys.argv[1]).check(None))"
        script = 'mount --bind "$1/source" "$1/a token" && exec "$2" -c "$3" "$1/a token"'
        arguments = ["sh", "-c", script, "sh", str(tmp_path), sys.executable, program]

        done = subprocess.run(["unshare", "-rm", *arguments], capture_output=True, text=True, timeout=60)

        if "unshare" in done.stderr or "mount:" in done.stderr:
            pytest.skip(f"no mount namespaces here: {done.stderr}")
        assert (
            "a token can't be written: it is mounted by itself and can't be replaced; mount its folder"
            in (done.stderr)
        )

    async def test_a_write_that_was_given_up_on_never_lands_over_a_newer_token(
        self, tmp_path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "token"
        begun, go_on = threading.Event(), threading.Event()
        fsync = os.fsync

        def hang_once(descriptor: int) -> None:
            if not begun.is_set():
                begun.set()
                go_on.wait(20)
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", hang_once)
        sink = FileSink(path)
        hanging = asyncio.ensure_future(sink(_with_token(delivery, "an-older-token-AbCdEf")))
        await asyncio.to_thread(begun.wait)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging

        await sink(delivery)
        go_on.set()

        await until(lambda: _list(tmp_path) == ["token"])
        assert path.read_text() == f"{TOKEN}\n"

    async def test_the_old_file_is_never_written_into(self, tmp_path: Path, delivery: Delivery) -> None:
        path = tmp_path / "token"
        path.write_text("old\n")
        with path.open() as old:
            await FileSink(path)(delivery)

            assert old.read() == "old\n"

    async def test_nothing_else_is_left_in_the_folder(self, tmp_path: Path, delivery: Delivery) -> None:
        sink = FileSink(tmp_path / "token")

        await asyncio.gather(*(sink(delivery) for _ in range(8)))

        assert _list(tmp_path) == ["token"]

    async def test_a_link_stays_a_link(self, tmp_path: Path, delivery: Delivery) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "target")

        await FileSink(tmp_path / "link")(delivery)

        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "target").read_text() == f"{TOKEN}\n"

    async def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path, delivery: Delivery) -> None:
        path = tmp_path / "none" / "token"

        with pytest.raises(SinkError, match=f"{path} can't be written: No such file or directory"):
            await FileSink(path)(delivery)

    async def test_a_failure_leaves_the_old_file_and_no_draft(
        self, tmp_path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "token"
        path.write_text("old\n")
        monkeypatch.setattr(os, "fsync", _fail_with(errno.ENOSPC))

        with pytest.raises(SinkError, match="No space left on device"):
            await FileSink(path)(delivery)

        assert (path.read_text(), _list(tmp_path)) == ("old\n", ["token"])

    @pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
    async def test_a_folder_that_has_no_syncing_will_do(
        self, tmp_path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        def sync(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", sync)
        sink = FileSink(tmp_path / "token")

        await sink.check(delivery.replaces)
        await sink(delivery)

        assert (await sink.read()).reveal() == TOKEN

    async def test_a_folder_that_cannot_be_synced_leaves_it_open_whether_the_token_is_kept(
        self, tmp_path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def sync(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "fsync", sync)

        with pytest.raises(SinkUnsureError, match="may not survive a power cut: Input/output error"):
            await FileSink(tmp_path / "token")(delivery)

    async def test_a_file_that_is_not_there_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            await FileSink(tmp_path / "token").read()


class TestEnvFileSink:
    async def test_a_file_is_made_where_there_is_none(self, tmp_path: Path, delivery: Delivery) -> None:
        path = tmp_path / ".env"

        await EnvFileSink(path)(delivery)

        assert path.read_text() == f"ACCESSKEYS_TOKEN={TOKEN}\n"
        assert _mode(path) == 0o600

    async def test_other_lines_stay_as_they_are(self, tmp_path: Path, delivery: Delivery) -> None:
        path = tmp_path / ".env"
        path.write_bytes(b"# caf\xe9\nBIRD_TOKEN_2=x\nexport BIRD_TOKEN = 'old'\nLAST=1")

        await EnvFileSink(path, name="BIRD_TOKEN")(delivery)

        assert (
            path.read_bytes() == b"# caf\xe9\nBIRD_TOKEN_2=x\nexport BIRD_TOKEN=%s\nLAST=1" % TOKEN.encode()
        )

    async def test_line_ends_the_mode_and_the_group_stay(self, tmp_path: Path, delivery: Delivery) -> None:
        path = tmp_path / ".env"
        path.write_bytes(b"T=old\r\nLAST=1\r\n")
        path.chmod(0o640)

        await EnvFileSink(path, name="T")(delivery)

        assert path.read_bytes() == b"T=%s\r\nLAST=1\r\n" % TOKEN.encode()
        assert _mode(path) == 0o640

    @pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EBADF])
    async def test_a_folder_that_cannot_be_locked_is_refused_beforehand(
        self, tmp_path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        monkeypatch.setattr(fcntl, "flock", _fail_with(number))
        sink = EnvFileSink(tmp_path / ".env")

        for act in (sink.check(delivery.replaces), sink(delivery)):
            with pytest.raises(SinkError, match=r"its folder can't be locked against other writers: \w"):
                await act

        assert _list(tmp_path) == []

    async def test_a_new_line_goes_to_the_end(self, tmp_path: Path, delivery: Delivery) -> None:
        path = tmp_path / ".env"
        path.write_text("LAST=1")

        await EnvFileSink(path, name="BIRD_TOKEN")(delivery)

        assert path.read_text() == f"LAST=1\nBIRD_TOKEN={TOKEN}\n"

    async def test_no_line_of_the_old_token_is_left(self, tmp_path: Path, delivery: Delivery) -> None:
        path = tmp_path / ".env"
        path.write_text("T=one\nT=two\n")

        await EnvFileSink(path, name="T")(delivery)

        assert path.read_text() == f"T={TOKEN}\n" * 2

    async def test_a_token_that_a_shell_would_take_apart_is_quoted(
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        path = tmp_path / ".env"

        await EnvFileSink(path, name="T")(_with_token(delivery, "it's;$HOME`x`"))

        shell = await asyncio.create_subprocess_exec(
            "sh", "-c", f'. {path}; printf %s "$T"', stdout=asyncio.subprocess.PIPE
        )
        assert (await shell.communicate())[0] == b"it's;$HOME`x`"

    async def test_many_names_can_be_written_to_one_file_at_once(
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        path = tmp_path / ".env"

        await asyncio.gather(*(EnvFileSink(path, name=f"T{n}")(delivery) for n in range(12)))

        assert sorted(path.read_text().split()) == sorted(f"T{n}={TOKEN}" for n in range(12))

    @pytest.mark.parametrize("name", ["", "1T", "A-B", "A\nB", "T="])
    def test_a_name_that_no_shell_takes_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ConfigurationError, match="letters, digits and _"):
            EnvFileSink(tmp_path / ".env", name=name)

    async def test_a_failure_is_told_without_what_the_file_holds(
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        path = tmp_path / "none" / ".env"

        with pytest.raises(SinkError, match="No such file or directory"):
            await EnvFileSink(path)(delivery)


class TestDirectorySink:
    async def test_each_replaced_key_has_a_file_of_its_own(self, tmp_path: Path, delivery: Delivery) -> None:
        sink = DirectorySink(tmp_path)
        other = evolve(_with_token(delivery, "another-token-AbCdEf"), replaces=UUID(int=5))

        for each in (delivery, other):
            await sink.check(each.replaces)
            await sink(each)

        assert (tmp_path / str(delivery.replaces)).read_text() == f"{TOKEN}\n"
        assert (tmp_path / str(UUID(int=5))).read_text() == "another-token-AbCdEf\n"

    async def test_a_folder_that_is_not_there_is_known_beforehand(self, tmp_path: Path) -> None:
        with pytest.raises(SinkError, match="No such file or directory"):
            await DirectorySink(tmp_path / "none").check(UUID(int=5))


class TestTargets:
    """What two sinks that would write to the same place say of it is the same, and only then."""

    @pytest.mark.parametrize(
        ("one", "other", "is_same"),
        [
            (FileSink("token"), FileSink(Path.cwd() / "token"), True),
            (FileSink("token"), FileSink("./x/../token"), True),
            (FileSink("token"), FileSink("token2"), False),
            (FileSink("token"), EnvFileSink("token"), False),
            (EnvFileSink(".env"), EnvFileSink(".env", name="T"), False),
            (EnvFileSink(".env"), EnvFileSink(Path.cwd() / ".env"), True),
            (DirectorySink("."), FileSink(str(UUID(int=6))), True),
            (CommandSink(["a", "b c"]), CommandSink(["a", "b c"]), True),
            (CommandSink(["a", "b c"]), CommandSink(["a", "b", "c"]), False),
        ],
    )
    def test_sinks_of_one_place_have_one_target(self, one: FileSink, other: FileSink, is_same: bool) -> None:
        assert (one.target(UUID(int=6)) == other.target(UUID(int=6))) is is_same

    def test_a_link_and_what_it_leads_to_are_one_place(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("token")
        assert FileSink(tmp_path / "link").target(UUID(int=6)) == FileSink(tmp_path / "token").target(
            UUID(int=7)
        )

    @pytest.mark.parametrize("sink", [DirectorySink("."), CommandSink(["store", "keys/{replaced_key_id}"])])
    def test_a_sink_of_many_keys_has_a_target_for_each(self, sink: DirectorySink) -> None:
        assert sink.target(UUID(int=6)) != sink.target(UUID(int=7))


class TestCommandSink:
    async def test_the_id_of_the_replaced_key_can_be_an_argument(
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        await CommandSink(["sh", "-c", 'cat > "$1"', "sh", f"{tmp_path}/{{replaced_key_id}}"])(delivery)

        assert (tmp_path / str(delivery.replaces)).read_text() == f"{TOKEN}\n"

    async def test_a_program_that_is_not_there_is_known_beforehand(self, delivery: Delivery) -> None:
        await CommandSink(["sh"]).check(delivery.replaces)
        with pytest.raises(SinkError, match=r"'no-such-command' is not there, or can't be run"):
            await CommandSink(["no-such-command"]).check(delivery.replaces)

    async def test_the_token_comes_on_standard_input_and_nowhere_else(
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        seen = tmp_path / "seen.json"
        environ = {**os.environ, "ACCESSKEYS_TOKEN": "the old one"}

        await CommandSink([sys.executable, "-c", STORE, seen], environ=environ)(delivery)

        said = json.loads(seen.read_text())
        assert said["stdin"] == f"{TOKEN}\n"
        assert TOKEN not in json.dumps([said["argv"], said["environ"]])
        assert "ACCESSKEYS_TOKEN" not in said["environ"]
        assert said["environ"]["ACCESSKEYS_KEY_ID"] == str(delivery.key.id)
        assert said["environ"]["ACCESSKEYS_REPLACED_KEY_ID"] == str(delivery.replaces)
        assert said["environ"]["ACCESSKEYS_ORGANIZATION"] == str(delivery.key.organization_id)
        assert said["environ"]["ACCESSKEYS_ROTATION_ID"] == str(delivery.rotation_id)

    async def test_a_command_that_fails_is_told_with_what_it_said(self, delivery: Delivery) -> None:
        sink = CommandSink(["sh", "-c", "echo the vault is sealed >&2; exit 7"])

        with pytest.raises(SinkError, match="the command 'sh' ended with 7: the vault is sealed"):
            await sink(delivery)

    async def test_a_command_that_repeats_the_token_does_not_get_it_told(self, delivery: Delivery) -> None:
        sink = CommandSink(["sh", "-c", "cat >&2; exit 1"])

        with pytest.raises(SinkError, match=r"ended with 1: Token\(…STUVWX\)"):
            await sink(delivery)

    @pytest.mark.slow
    async def test_a_token_at_the_edge_of_what_is_kept_is_not_told_in_part(self, delivery: Delivery) -> None:
        """Whatever a command repeats, no part of the token that was cut off is told."""
        for more in range(len(TOKEN) + 2):
            script = f"read -r token; for n in $(seq 600); do echo $token; done >&2; printf %{more + 1}s >&2"
            with pytest.raises(SinkError) as caught:
                await CommandSink(["sh", "-c", f"{script}; exit 1"])(delivery)
            assert TOKEN[:-6][-4:] not in str(caught.value)

    async def test_a_silent_failure_ends_in_no_bare_colon(self, delivery: Delivery) -> None:
        with pytest.raises(SinkError, match=r"^the command 'false' ended with 1$"):
            await CommandSink(["false"])(delivery)

    async def test_a_command_may_leave_a_daemon_behind(self, tmp_path: Path, delivery: Delivery) -> None:
        pid = tmp_path / "pid"

        await CommandSink(["sh", "-c", f"sleep 600 >/dev/null & echo $! > {pid}"], timeout=20)(delivery)

        os.kill(int(pid.read_text()), signal.SIGKILL)

    @pytest.mark.slow
    async def test_a_command_that_hangs_is_killed_with_what_it_started(
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        pid = tmp_path / "pid"
        sink = CommandSink(["sh", "-c", f"sleep 600 & echo $! > {pid}; wait"], timeout=0.5)

        with pytest.raises(SinkUnsureError, match=r"the command 'sh' took over 0\.5 s and was killed"):
            await sink(delivery)

        # Killed it is; when it is gone, the kernel decides.
        await until(lambda: not _lives(int(pid.read_text())))

    async def test_a_command_that_is_not_there_is_named(self, delivery: Delivery) -> None:
        with pytest.raises(SinkError, match="'/no/such/command' can't be run: No such file or directory"):
            await CommandSink(["/no/such/command"])(delivery)

    async def test_a_token_that_a_pipe_cannot_hold_is_refused_and_nothing_is_run(
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        large = evolve(delivery, key=evolve(delivery.key, token=Token("t" * 2_000_000)))

        with pytest.raises(
            SinkError, match=r"the token of 2000000 bytes does not fit into a pipe; use FileSink"
        ):
            await CommandSink(["touch", f"{tmp_path}/ran"])(large)

        assert _list(tmp_path) == []

    async def test_a_command_that_does_not_read_its_input_may_succeed(self, delivery: Delivery) -> None:
        await CommandSink(["true"])(delivery)

    @pytest.mark.slow
    @pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
    def test_a_command_that_ends_at_once_is_judged_by_its_exit_code_on_every_loop(
        self, delivery: Delivery, make_loop: Callable[[], asyncio.AbstractEventLoop]
    ) -> None:
        with asyncio.Runner(loop_factory=make_loop) as runner:
            for _ in range(10):
                runner.run(CommandSink(["true"])(delivery))
                with pytest.raises(SinkError, match="ended with 1"):
                    runner.run(CommandSink(["false"])(delivery))

    @pytest.mark.parametrize("command", [[], "store-token --now"])
    def test_a_command_is_a_sequence_of_arguments(self, command: str | list[str]) -> None:
        with pytest.raises(ConfigurationError, match="a program and its arguments"):
            CommandSink(command)

    def test_a_command_has_some_time(self) -> None:
        with pytest.raises(ConfigurationError, match="timeout is 0"):
            CommandSink(["true"], timeout=0)
