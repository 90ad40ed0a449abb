"""Real services for tests: PostgreSQL, PgBouncer and Redis, each started on a free port.

Tests of a service that is not installed are skipped with a reason, or fail with
ACCESSKEYS_REQUIRE_SERVICES=1.
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
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

import pytest
import trustme

PATIENCE = 30.0


class PostgresServer(NamedTuple):
    """A PostgreSQL with TLS, which accepts everybody without a password, except the role `guarded`."""

    url: str
    """Of its maintenance database."""
    authority: Path
    """The certificate of the authority that signed the server's, which names 127.0.0.1."""
    client: Path
    """The certificate and key of a client, signed by the same authority."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started once a session."""
    binaries = _find_postgres()
    if binaries is None:
        _skip("PostgreSQL (initdb)")
    with tempfile.TemporaryDirectory(prefix="accesskeys-postgres-") as folder:
        as_user = _chown(Path(folder))
        data, port = f"{folder}/data", _find_free_port()
        initdb = [f"{binaries}/initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*as_user, *initdb], check=True, capture_output=True, cwd=folder)
        rules = Path(data, "pg_hba.conf")
        rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(f"{folder}/authority.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(f"{data}/server.pem")
        authority.issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(
            f"{folder}/client.pem"
        )
        _make_private(Path(data), Path(data, "server.pem"))
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off"]
        options += ["-c", "ssl=on", "-c", "ssl_cert_file=server.pem", "-c", "ssl_key_file=server.pem"]
        options += ["-c", f"ssl_ca_file={folder}/authority.pem"]
        with _running([*as_user, f"{binaries}/postgres", "-D", data, *options], folder):
            isready = [f"{binaries}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            _wait_until(lambda: subprocess.run(isready, check=False).returncode == 0, "PostgreSQL")
            url = f"postgresql://tests@127.0.0.1:{port}/postgres"
            execute_sql(url, "CREATE ROLE guarded LOGIN PASSWORD 'correct'")
            execute_sql(url, "CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
            yield PostgresServer(url, Path(folder, "authority.pem"), Path(folder, "client.pem"))


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database, which everybody may write to."""
    name = f"t{os.urandom(6).hex()}"
    execute_sql(postgres.url, f"CREATE DATABASE {name}")
    url = postgres.url.removesuffix("postgres") + name
    execute_sql(url, "GRANT ALL ON SCHEMA public TO PUBLIC")
    yield url
    execute_sql(postgres.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def pgbouncer_url(postgres_url: str) -> Iterator[str]:
    """The URL of the same database behind PgBouncer in transaction mode, with two sessions for everybody."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        _skip("pgbouncer")
    server, name = urlsplit(postgres_url), urlsplit(postgres_url).path[1:]
    with tempfile.TemporaryDirectory(prefix="accesskeys-pgbouncer-") as folder:
        as_user, port = _chown(Path(folder)), _find_free_port()
        Path(folder, "users").write_text('"tests" ""\n')
        Path(folder, "pgbouncer.ini").write_text(
            f"[databases]\n{name} = host={server.hostname} port={server.port} dbname={name}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
            f"auth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 2\n"
        )
        with _running([*as_user, program, f"{folder}/pgbouncer.ini"], folder):
            _wait_until(lambda: _accepts(port), "PgBouncer")
            yield f"postgresql://tests@127.0.0.1:{port}/{name}"


def execute_sql(url: str, statement: str) -> None:
    """Run a statement in a database of the server."""
    psql = [f"{_find_postgres()}/psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", url, "-c", statement]
    subprocess.run(psql, check=True, capture_output=True)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of an empty Redis."""
    server = shutil.which("redis-server")
    if server is None:
        _skip("redis-server")
    port = _find_free_port()
    with tempfile.TemporaryDirectory(prefix="accesskeys-redis-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with _running([server, *options, "--dir", folder], folder):
            _wait_until(lambda: _answers(port), "Redis")
            yield f"redis://127.0.0.1:{port}/0"


def _skip(service: str) -> NoReturn:
    message = f"{service} is not installed"
    if os.environ.get("ACCESSKEYS_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{message}, and ACCESSKEYS_REQUIRE_SERVICES=1 requires it")
    pytest.skip(f"{message}; install it to run this test")


def _find_postgres() -> str | None:
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    if folders:
        return str(max(folders, key=lambda folder: float(folder.parent.name)))
    on_path = shutil.which("initdb")
    return None if on_path is None else str(Path(on_path).parent)


def _chown(folder: Path) -> list[str]:
    """Give the folder to a user that PostgreSQL runs as, and return the command prefix of that user."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _make_private(owner: Path, secret: Path) -> None:
    """Make a file readable only by the owner of a folder."""
    secret.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(secret, owner.stat().st_uid, owner.stat().st_gid)


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


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
