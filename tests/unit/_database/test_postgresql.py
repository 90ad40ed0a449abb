from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
import trustme
from sqlalchemy import insert, select, text

from accesskeys_async._database.engine import Database
from accesskeys_async.errors import AccessKeysError, ConfigurationError
from tests.services import PostgresServer, execute_sql
from tests.unit._database.test_engine import MIGRATIONS, THINGS


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, migrations=MIGRATIONS, synchronous="FULL")
    try:
        await database.open()
        yield database
    finally:
        await database.aclose()


async def ask(url: str, question: str) -> object:
    async with opened(url) as database, database.transaction() as connection:
        return (await connection.execute(text(question))).scalar_one()


async def refusal(url: str) -> str:
    with pytest.raises(AccessKeysError) as caught:
        async with opened(url):
            raise AssertionError("unreachable: it does not open")
    assert not isinstance(caught.value, ConfigurationError)
    assert str(caught.value).startswith("the box postgresql://")
    assert "\n" not in str(caught.value)
    return str(caught.value).partition(" failed: ")[2]


async def test_what_the_parameters_of_a_url_say_is_so(postgres: PostgresServer, postgres_url: str) -> None:
    url = (
        f"{postgres_url.replace('postgresql:', 'postgres:')}?sslmode=verify-full&connect_timeout=30"
        f"&sslrootcert={postgres.authority}&application_name=night%20audit&statement_cache_size=50"
        "&options=-c%20statement_timeout%3D7000"
    )

    assert await ask(url, "SELECT current_setting('application_name')") == "night audit"
    assert await ask(url, "SELECT current_setting('statement_timeout')") == "7s"
    assert await ask(url, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True


@pytest.mark.parametrize("parameters", ["sslmode=disable", "ssl=disable"])
async def test_a_connection_without_tls_may_be_had(postgres_url: str, parameters: str) -> None:
    encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"

    assert await ask(f"{postgres_url}?{parameters}", encrypted) is False


async def test_user_password_host_and_database_may_stand_in_the_query(
    postgres: PostgresServer, postgres_url: str
) -> None:
    host, _, port = postgres.url.partition("@")[2].partition("/")[0].partition(":")
    name = postgres_url.rpartition("/")[2]

    url = f"postgresql://?host={host}&port={port}&dbname={name}&user=guarded&password=correct"

    assert await ask(url, "SELECT current_user") == "guarded"


async def test_a_server_that_another_authority_signed_for_is_refused(
    postgres_url: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))

    assert "certificate verify failed" in await refusal(
        f"{postgres_url}?sslmode=verify-full&sslrootcert={other}"
    )
    assert "certificate verify failed" in await refusal(f"{postgres_url}?sslrootcert=system")


CLIENT = "SELECT client_serial IS NOT NULL FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.mark.parametrize("trusts_the_system", [False, True])
async def test_a_client_certificate_is_shown_whichever_authorities_are_trusted(
    postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch, trusts_the_system: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(postgres.authority))
    root = "system" if trusts_the_system else postgres.authority
    url = f"{postgres_url}?sslmode=verify-full&sslrootcert={root}"

    assert await ask(url, CLIENT) is False
    assert await ask(f"{url}&sslcert={postgres.client}&sslkey={postgres.client}", CLIENT) is True


async def test_bounds_of_the_tls_version_hold_with_the_systems_authorities(
    postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(postgres.authority))
    version = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    url = f"{postgres_url}?sslrootcert=system"

    assert await ask(f"{url}&ssl_min_protocol_version=TLSv1.3", version) == "TLSv1.3"
    assert await ask(f"{url}&ssl_max_protocol_version=TLSv1.2", version) == "TLSv1.2"
    assert (
        await refusal(f"{url}&ssl_min_protocol_version=SSLv9")
        == "ssl_min_protocol_version is SSLv9; it takes TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3"
    )


async def test_a_list_of_revoked_certificates_counts_with_the_systems_authorities(
    postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(postgres.authority))

    # A list of another authority says nothing of the server's, which then counts as not checked.
    told = await refusal(f"{postgres_url}?sslrootcert=system&sslcrl={postgres.authority}")

    assert "unable to get certificate CRL" in told


async def test_a_client_key_without_its_certificate_is_refused(
    postgres: PostgresServer, postgres_url: str
) -> None:
    told = await refusal(f"{postgres_url}?sslrootcert=system&sslkey={postgres.client}")

    assert told == "sslkey is given without sslcert; give both"


async def test_a_certificate_that_is_not_there_is_named(postgres_url: str) -> None:
    told = await refusal(f"{postgres_url}?sslmode=verify-ca&sslrootcert=/none/root.pem")

    assert told == "sslrootcert is /none/root.pem, and there is no such file"


@pytest.mark.parametrize(
    ("user", "database", "told"),
    [
        ("guarded:wrong", None, 'password authentication failed for user "guarded"'),
        ("nobody", None, 'role "nobody" does not exist'),
        ("tests", "nowhere", 'database "nowhere" does not exist'),
        ("crowded", None, 'too many connections for role "crowded"'),
    ],
)
async def test_a_server_that_lets_nobody_in_is_an_error_of_what_is_kept_there(
    postgres_url: str, user: str, database: str | None, told: str
) -> None:
    url = postgres_url.replace("tests@", f"{user}@")
    if database is not None:
        url = url.rpartition("/")[0] + f"/{database}"

    assert await refusal(url) == told


@pytest.mark.slow
async def test_a_server_that_says_nothing_is_given_up_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = await refusal(f"postgresql://me@127.0.0.1:{server.getsockname()[1]}/db?connect_timeout=1")

    assert told == "no connection came about in 1 s; see to its host and port"


async def test_a_server_that_goes_away_is_an_error_and_its_return_is_none(postgres_url: str) -> None:
    async with opened(postgres_url) as database:

        async def lose_the_session() -> None:
            async with database.transaction() as connection:
                own = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                await asyncio.to_thread(execute_sql, postgres_url, f"SELECT pg_terminate_backend({own})")
                await connection.execute(text("SELECT 1"))

        with pytest.raises(AccessKeysError, match=r"^the box postgresql://\S+ failed: "):
            await lose_the_session()

        async with database.transaction() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1


async def test_several_behind_a_pooler_that_mixes_their_transactions_all_work(pgbouncer_url: str) -> None:
    async def work(database: Database, first: int) -> None:
        for number in range(first, first + 50, 2):
            async with database.transaction() as connection:
                await connection.execute(insert(THINGS).values(id=UUID(int=number)))
                await connection.execute(insert(THINGS), [{"id": UUID(int=number + 1)}])
                rows = await connection.execute(select(THINGS).where(THINGS.c.id == UUID(int=number)))
                assert len(rows.all()) == 1

    async with opened(pgbouncer_url) as one, opened(pgbouncer_url) as other:
        await asyncio.gather(*(work(one if n % 2 else other, 100 * n) for n in range(6)))

        async with one.transaction() as connection:
            assert len((await connection.execute(select(THINGS))).all()) == 300
