from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import uvloop
from attrs import evolve

from accesskeys_async import Token
from accesskeys_async.errors import ConfigurationError
from accesskeys_async.rotation import CommandSink, Delivery, EnvFileSink, FileSink, SinkError, SinkUnsureError
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


class TestFileSink:
    async def test_the_file_holds_the_token_for_its_owner_alone(
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        path = tmp_path / "token"

        await FileSink(path)(delivery)

        assert path.read_text() == f"{TOKEN}\n"
        assert _mode(path) == 0o600

    async def test_a_file_that_others_could_read_is_closed_to_them(
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        path = tmp_path / "token"
        path.write_text("old\n")
        path.chmod(0o644)

        await FileSink(path)(delivery)

        assert _mode(path) == 0o600
        assert (await FileSink(path).read()).reveal() == TOKEN

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
        self, tmp_path: Path, delivery: Delivery
    ) -> None:
        path = tmp_path / "token"
        path.mkdir()

        with pytest.raises(SinkError, match="Is a directory"):
            await FileSink(path)(delivery)

        assert _list(tmp_path) == ["token"]

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

        assert path.read_bytes() == b"# caf\xe9\nBIRD_TOKEN_2=x\nBIRD_TOKEN=%s\nLAST=1" % TOKEN.encode()

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


class TestCommandSink:
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

    async def test_a_command_that_does_not_read_its_input_may_succeed(self, delivery: Delivery) -> None:
        await CommandSink(["true"])(delivery)

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
