"""The command as a process: its pipes, signals and terminals."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from accesskeys_async.emulator import Emulator, Fault

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-m", "accesskeys_async")


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        select.select([], [], [], 0.01)


def test_a_reader_that_leaves_early_ends_it_quietly(begin: Callable) -> None:
    process = begin("list", "--limit", "1")
    assert json.loads(process.stdout.readline())["id"]
    process.stdout.close()
    assert process.wait(20) == 0
    assert process.stderr.read() == ""


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--organizations", "1"]])
def test_a_reader_that_was_never_there_is_no_error(begin: Callable, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    process = begin(*arguments, stdout=write)
    os.close(write)
    assert process.wait(20) == 0
    assert process.stderr.read() == ""


@pytest.mark.parametrize("arguments", [["list"], ["--help"]])
def test_a_full_disk_is_one_line(begin: Callable, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        process = begin(*arguments, stdout=full)
        assert process.wait(20) == 4
    error = process.stderr.read()
    assert "No space left on device" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("closed", "code", "said"),
    [
        ("<&-", 0, ""),
        (">&-", 4, "accesskeys: cannot write the output: stdout is closed\n"),
        ("2>&-", 0, ""),
        ("<&- >&- 2>&-", 4, ""),
    ],
)
def test_streams_that_the_shell_closed_are_borne(
    service: Emulator, closed: str, code: int, said: str
) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m accesskeys_async list {closed}"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, said)
    assert len(done.stdout.splitlines()) == (0 if code else 250)


def test_ctrl_c_in_a_listing_leaves_valid_output(begin: Callable, service: Emulator) -> None:
    service.faults.add(Fault.delay(0.0, operation="list"), Fault.delay(60.0, operation="list"))
    process = begin("list", "--format", "json")
    wait_until(lambda: service.journal.count(operation="list") == 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert len(json.loads(out)) == 100
    assert "go on with --page-token=" in err
    assert err.endswith("accesskeys: interrupted\n")


@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGHUP], [signal.SIGTERM] * 2])
def test_a_signal_in_a_listing_leaves_valid_output(
    begin: Callable, service: Emulator, numbers: list[int]
) -> None:
    service.faults.add(Fault.delay(0.0, operation="list"), Fault.delay(60.0, operation="list"))
    process = begin("list", "--format", "json")
    wait_until(lambda: service.journal.count(operation="list") == 2)
    for number in numbers:
        process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 143
    assert len(json.loads(out)) == 100
    assert "Traceback" not in err
    assert err.endswith("accesskeys: terminated\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_sent_again_and_again_until_the_end_changes_nothing(
    begin: Callable, service: Emulator, number: int
) -> None:
    service.faults.add(Fault.delay(0.0, operation="list"), Fault.delay(60.0, operation="list"))
    process = begin("list", "--format", "json")
    wait_until(lambda: service.journal.count(operation="list") == 2)
    output = None
    while output is None:  # read meanwhile: a full pipe would hold the process up
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            output = process.communicate(timeout=0.001)
    out, err = output
    assert process.returncode == 143
    assert len(json.loads(out)) == 100
    assert err.endswith("accesskeys: terminated\n")


def test_ctrl_c_in_a_create_says_that_a_key_may_exist(
    begin: Callable, service: Emulator, tmp_path: Path
) -> None:
    service.faults.add(Fault.delay(60.0, operation="create"))
    path = tmp_path / "token"
    process = begin("create", "--quiet", "--name", "half", "--description", "d", "--token-file", str(path))
    wait_until(lambda: service.journal.count(operation="create") == 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.splitlines() == [
        "accesskeys: a key named half may exist; look with: accesskeys list",
        "accesskeys: interrupted",
    ]
    assert not path.exists()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_token_that_is_on_its_way_is_written_after_a_signal(
    begin: Callable, service: Emulator, tmp_path: Path, number: int
) -> None:
    service.faults.add(Fault.delay(0.5, operation="create"))
    path = tmp_path / "token"
    process = begin("create", "--name", "late", "--description", "d", "--token-file", str(path))
    wait_until(lambda: service.journal.count(operation="create") == 1)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 143, err
    assert service.verify(service.organization_id, path.read_text().strip()) == json.loads(out)["id"]


@pytest.mark.parametrize("moment", ["The API", "Streamed", "Broke the service"])
def test_ctrl_c_in_the_demo_is_clean(begin: Callable, moment: str) -> None:
    process = begin("demo", "--organizations", "2", "--keys-per-organization", "2000")
    while moment not in (line := process.stdout.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "accesskeys: interrupted\n")


class Terminal:
    """A pseudo-terminal, and what a command showed on it."""

    def __init__(self, *arguments: str, columns: int = 80, **environ: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**env, "TERM": "xterm-256color", **environ},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.shown = ""

    def read_until(self, text: str) -> None:
        until = time.monotonic() + 20
        while text not in self.shown and self._read():
            assert time.monotonic() < until, self.shown
        assert text in self.shown, self.shown

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._master)
        return self._process.wait(20)

    def _read(self) -> bool:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def key_of(service: Emulator) -> str:
    own = service.verify(service.organization_id, service.token)
    return next(str(key.id) for key in service.keys(service.organization_id) if str(key.id) != str(own))


def test_a_terminal_sees_a_coloured_table(service: Emulator) -> None:
    terminal = Terminal("list", "--max-items", "5")
    assert terminal.end() == 0
    assert "\x1b[" in terminal.shown
    header, *_, count = plain(terminal.shown).splitlines()
    assert header.split() == ["ID", "LAST", "USED", "NAME"]
    assert count == "5 access keys"


def test_no_color_takes_the_colours_away(service: Emulator) -> None:
    terminal = Terminal("list", "--max-items", "5", NO_COLOR="1")
    assert terminal.end() == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.shown)


@pytest.mark.parametrize("columns", [40, 80])
def test_no_line_is_wider_than_the_terminal(service: Emulator, call: Callable, columns: int) -> None:
    call("update", key_of(service), "--name", "🙂" * 256)
    from rich.cells import cell_len

    terminal = Terminal("list", columns=columns)
    assert terminal.end() == 0
    assert all(cell_len(line) <= columns for line in plain(terminal.shown).splitlines())


def test_a_person_answers_the_question(service: Emulator) -> None:
    key = key_of(service)
    terminal = Terminal("delete", key)
    terminal.read_until("[y/N] ")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert f"deleted {key}" in terminal.shown


def test_ctrl_c_answers_it_at_once(service: Emulator) -> None:
    terminal = Terminal("delete", key_of(service))
    terminal.read_until("[y/N] ")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "\naccesskeys: interrupted\n" in terminal.shown
    assert service.journal.count(operation="delete") == 0


def test_the_demo_is_whole_on_a_terminal() -> None:
    terminal = Terminal("demo", "--organizations", "2", "--keys-per-organization", "500", columns=100)
    assert terminal.end() == 0
    assert "Rode through" in plain(terminal.shown)
