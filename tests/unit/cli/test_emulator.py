from __future__ import annotations

import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-m", "accesskeys_async")


class Served:
    """`accesskeys emulator` in a process of its own."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "emulator", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        # It says this once it serves, after the variables.
        self.said = self.process.stderr.readline()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    begun: list[Served] = []

    def begin(*options: str) -> Served:
        begun.append(Served(*options))
        return begun[-1]

    yield begin
    for served in begun:
        if served.process.poll() is None:
            served.process.kill()
        served.process.communicate(timeout=20)


def exported(out: str) -> dict[str, str]:
    lines = [shlex.split(line, comments=True) for line in out.splitlines()]
    return dict(words[1].split("=", 1) for words in lines if words)


def accesskeys(*arguments: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def first_lines(served: Served, count: int) -> str:
    assert served.process.stdout is not None
    return "".join(served.process.stdout.readline() for _ in range(count))


def test_what_it_prints_is_all_that_another_shell_needs(serve: Callable[..., Served]) -> None:
    served = serve("--keys-per-organization", "7")
    assert served.said.startswith("serving at http://127.0.0.1:")
    variables = exported(first_lines(served, 3))
    listed = accesskeys("list", variables=variables)
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == 8
    code, out, err = served.end(signal.SIGTERM)
    assert (code, out, err) == (0, "", "stopped\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_it_alike(serve: Callable[..., Served], number: int) -> None:
    code, _, err = serve().end(number)
    assert (code, err) == (0, "stopped\n")


def test_each_request_is_a_line_on_stderr_with_debug(serve: Callable[..., Served]) -> None:
    served = serve("--debug")
    while "serving at" not in served.said:
        assert served.process.stderr is not None
        served.said = served.process.stderr.readline()
    variables = exported(first_lines(served, 3))
    assert accesskeys("list", variables=variables).returncode == 0
    _, _, err = served.end()
    organization = variables["ACCESSKEYS_ORGANIZATION"]
    assert f"GET /organizations/{organization}/access-keys?limit=100: 200\n" in err
    assert variables["ACCESSKEYS_TOKEN"] not in err


def test_a_wrong_token_is_told_in_plain_words(serve: Callable[..., Served]) -> None:
    variables = exported(first_lines(serve(), 3))
    listed = accesskeys("list", variables={**variables, "ACCESSKEYS_TOKEN": "nobodys-token"})
    assert listed.returncode == 3
    assert "The token is wrong, or its access key was deleted" in listed.stderr


def test_roles_are_enforced_if_that_is_wanted(serve: Callable[..., Served], tmp_path: Path) -> None:
    variables = exported(first_lines(serve("--enforce-roles"), 3))
    options = ("--name", "a", "--description", "b", "--token-file", str(tmp_path / "token"))
    assert accesskeys("create", *options, variables=variables).returncode == 0
    token = (tmp_path / "token").read_text().strip()
    refused = accesskeys("list", variables={**variables, "ACCESSKEYS_TOKEN": token})
    assert refused.returncode == 1
    assert "403" in refused.stderr


@pytest.mark.parametrize(("options", "status"), [((), 421), (("--allow-host", "emulator"), 200)])
def test_a_host_name_is_served_if_it_is_allowed(
    serve: Callable[..., Served], options: tuple[str, ...], status: int
) -> None:
    variables = exported(first_lines(serve(*options), 3))
    address = urlsplit(variables["ACCESSKEYS_BASE_URL"])
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    connection.request("GET", "/openapi.json", headers={"Host": "emulator:8788"})
    assert connection.getresponse().status == status
    connection.close()


def test_the_other_organizations_are_comments(serve: Callable[..., Served]) -> None:
    _, out, _ = serve("--organizations", "3").end()
    assert len(exported(out)) == 3
    comments = [line for line in out.splitlines() if line.startswith("# ACCESSKEYS_ORGANIZATION=")]
    assert len(comments) == 2
    assert all(" ACCESSKEYS_TOKEN=" in line for line in comments)


def test_the_control_api_is_off_unless_asked_for(serve: Callable[..., Served]) -> None:
    _, without, _ = serve().end()
    _, with_it, _ = serve("--control").end()
    assert "ACCESSKEYS_EMULATOR_CONTROL_TOKEN" not in exported(without)
    variables = exported(with_it)
    _, once_more, _ = serve("--control").end()
    assert variables["ACCESSKEYS_EMULATOR_CONTROL_TOKEN"] not in once_more
    assert variables["ACCESSKEYS_EMULATOR_CONTROL_TOKEN"] != variables["ACCESSKEYS_TOKEN"]


def test_a_database_file_keeps_the_keys(serve: Callable[..., Served], tmp_path: Path) -> None:
    options = ("--database", str(tmp_path / "keys.db"))
    served = serve(*options)
    variables = exported(first_lines(served, 3))
    made = accesskeys("create", "--name", "kept", "--description", "d", "--show-token", variables=variables)
    assert served.end()[0] == 0
    again = serve(*options)
    variables = exported(first_lines(again, 3))
    found = accesskeys("get", json.loads(made.stdout)["id"], variables=variables)
    assert json.loads(found.stdout)["name"] == "kept"
    assert again.end()[0] == 0


def test_a_port_in_use_is_one_line(call: Callable) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = call("emulator", "--port", port)
    assert done.code == 2
    assert done.err == (
        f"accesskeys: cannot serve at 127.0.0.1:{port}: the port is in use; "
        "name another, or --port 0 for a free one\n"
    )


def test_an_address_that_others_reach_must_be_asked_for(call: Callable) -> None:
    done = call("emulator", "--host", "0.0.0.0", "--port", 0)
    assert done.code == 2
    assert "--allow-remote" in done.err
    assert done.err.count("\n") == 1


def test_an_address_of_another_machine_is_one_line(call: Callable) -> None:
    done = call("emulator", "--host", "192.0.2.1", "--allow-remote", "--port", 0)
    assert done.code == 2
    assert done.err.count("\n") == 1


def test_a_database_that_cannot_be_opened_is_one_line(call: Callable, tmp_path: Path) -> None:
    done = call("emulator", "--port", 0, "--database", tmp_path / "none" / "keys.db")
    assert done.code == 2
    assert str(tmp_path) in done.err
    assert done.err.count("\n") == 1
