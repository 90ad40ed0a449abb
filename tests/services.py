"""Real services for tests: PostgreSQL and Redis, each started once a session on a free port.

Where one is not installed its tests are skipped, and say so; with ACCESSKEYS_REQUIRE_SERVICES=1 they fail.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

PATIENCE = 30.0


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server's maintenance database."""
    binaries = _find_postgres()
    if binaries is None:
        _do_without("PostgreSQL (initdb)")
    with tempfile.TemporaryDirectory(prefix="accesskeys-postgres-") as folder:
        as_user = _give_away(Path(folder))
        data, port = f"{folder}/data", _find_free_port()
        initdb = [f"{binaries}/initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*as_user, *initdb], check=True, capture_output=True, cwd=folder)
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off"]
        with _running([*as_user, f"{binaries}/postgres", "-D", data, *options], folder):
            isready = [f"{binaries}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            _wait_until(lambda: subprocess.run(isready, check=False).returncode == 0, "PostgreSQL")
            yield f"postgresql://tests@127.0.0.1:{port}/postgres"


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"t{os.urandom(6).hex()}"
    psql = [f"{_find_postgres()}/psql", "-q", "-X", postgres_server, "-c"]
    subprocess.run([*psql, f"CREATE DATABASE {name}"], check=True, capture_output=True)
    yield postgres_server.removesuffix("postgres") + name
    subprocess.run([*psql, f"DROP DATABASE {name} WITH (FORCE)"], check=True, capture_output=True)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of an empty Redis."""
    server = shutil.which("redis-server")
    if server is None:
        _do_without("redis-server")
    port = _find_free_port()
    with tempfile.TemporaryDirectory(prefix="accesskeys-redis-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with _running([server, *options, "--dir", folder], folder):
            _wait_until(lambda: _answers(port), "Redis")
            yield f"redis://127.0.0.1:{port}/0"


def _do_without(service: str) -> NoReturn:
    message = f"{service} is not installed"
    if os.environ.get("ACCESSKEYS_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{message}, and ACCESSKEYS_REQUIRE_SERVICES=1 asks for it")
    pytest.skip(f"{message}; install it to run this test")


def _find_postgres() -> str | None:
    places = list(Path("/usr/lib/postgresql").glob("*/bin"))
    if places:
        return str(max(places, key=lambda place: float(place.parent.name)))
    on_path = shutil.which("initdb")
    return None if on_path is None else str(Path(on_path).parent)


def _give_away(folder: Path) -> list[str]:
    """Give the folder to a user that PostgreSQL runs as, and return what runs a command as that user."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@contextlib.contextmanager
def _running(command: Sequence[str], folder: str) -> Iterator[None]:
    with Path(folder, "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_until(is_ready: Callable[[], bool], service: str) -> None:
    until = time.monotonic() + PATIENCE
    while not is_ready():
        if time.monotonic() > until:
            pytest.fail(f"{service} was not ready after {PATIENCE:g} s")
        time.sleep(0.05)


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
