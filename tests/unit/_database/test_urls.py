from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accesskeys_async._database.urls import DatabasePlace, read_database_place
from accesskeys_async.errors import ConfigurationError


def read(place: str | Path) -> DatabasePlace:
    return read_database_place(place, "journal")


def refusal(place: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(place)
    return str(caught.value)


@pytest.mark.parametrize(
    ("place", "shown", "path"),
    [
        ("journal.sqlite", "journal.sqlite", "journal.sqlite"),
        (Path("/srv/journal"), "/srv/journal", "/srv/journal"),
        ("sqlite:///a/b.sqlite", "a/b.sqlite", "a/b.sqlite"),
        ("sqlite+aiosqlite:////a/b.sqlite", "/a/b.sqlite", "/a/b.sqlite"),
        (":memory:", ":memory:", None),
        ("sqlite://", ":memory:", None),
        ("sqlite:///file:j?mode=memory&uri=true", "file:j", None),
    ],
)
def test_a_path_and_a_url_of_sqlite_name_a_file(place: str | Path, shown: str, path: str | None) -> None:
    found = read(place)

    assert (found.shown, found.path, found.is_postgresql) == (shown, path, False)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "PostgreSQL"])
def test_a_url_of_postgresql_is_taken_apart(scheme: str) -> None:
    found = read(f"{scheme}://me:p%40ss@db.example:6543/keys")

    assert found.is_postgresql
    assert found.shown == "postgresql://me@db.example:6543/keys"
    assert found.connect_arguments == {
        "host": ["db.example"],
        "port": [6543],
        "user": "me",
        "password": "p@ss",
        "database": "keys",
    }


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        ("postgresql:///keys", None, None),
        ("postgresql://db/keys", ["db"], None),
        ("postgresql://[::1]:6543/keys", ["::1"], [6543]),
        ("postgresql://one,two:6543/keys", ["one", "two"], [5432, 6543]),
        ("postgresql://one,two/keys?port=6543", ["one", "two"], [6543, 6543]),
        ("postgresql:///keys?host=one&host=two:6543", ["one", "two"], [5432, 6543]),
        ("postgresql:///keys?host=/run/postgresql&port=6543", ["/run/postgresql"], [6543]),
        ("postgresql://%2Frun%2Fpostgresql/keys", ["/run/postgresql"], None),
        ("postgresql://me@server:secret@db/keys", ["db"], None),
    ],
)
def test_hosts_and_ports_stand_where_psql_takes_them(
    url: str, hosts: list[str] | None, ports: list[int] | None
) -> None:
    found = read(url).connect_arguments

    assert (found["host"], found["port"]) == (hosts, ports)


def test_parameters_become_the_drivers_arguments() -> None:
    found = read(
        "postgresql://db/keys?sslmode=verify-full&sslrootcert=/ca%20s.pem&application_name=a+b&connect_timeout=7"
        "&options=-c%20search_path%3Dmine&statement_cache_size=9&channel_binding=prefer"
    )

    assert found.statement_cache_size == 9
    assert found.connect_arguments["timeout"] == 7
    assert found.connect_arguments["server_settings"] == {
        "application_name": "a+b",  # as psql has it
        "options": "-c search_path=mine",
    }
    assert found.connect_arguments["dsn"] == "postgresql:?sslmode=verify-full&sslrootcert=%2Fca+s.pem"


def test_no_statement_is_kept_and_no_time_is_bounded_unless_a_url_says_so() -> None:
    assert read("postgresql://db").statement_cache_size == 0
    assert "timeout" not in read("postgresql://db").connect_arguments
    assert read("postgresql://db?connect_timeout=0").connect_arguments["timeout"] is None


@pytest.mark.parametrize(
    ("url", "mode"),
    [("?ssl=require", "require"), ("?ssl=true", "require"), ("?sslrootcert=system", "verify-full")],
)
def test_how_the_server_is_verified_may_follow_from_another_parameter(url: str, mode: str) -> None:
    assert f"sslmode={mode}" in str(read(f"postgresql://db{url}").connect_arguments["dsn"])


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "mysql://me:secret@db/keys",
            "begins with 'mysql' and can't be read; give a file, sqlite:///FILE or",
        ),
        ("sqlite+pysqlite:///keys", "begins with 'sqlite+pysqlite' and can't be read"),
        ("postgresql+psycopg://db", "begins with 'postgresql+psycopg' and can't be read"),
        ("me:secret://db", "begins with no known scheme"),
        ("postgresql:/me:secret@db", "has no // after its scheme"),
        ("sqlite://secret/keys", "has a host and can't be read; give sqlite:///FILE"),
        ("postgresql://db:secret/keys", "has a host or a port that can't be read"),
        ("postgresql://db:65536/keys", "has a port that is not a number from 1 to 65535"),
        ("postgresql://one,two,three/keys?port=1,2", "has a port that is not a number from 1 to 65535"),
        (
            "postgresql://db/keys?secret=1",
            "has a parameter that is not one of application_name, channel_binding,",
        ),
        ("postgresql://db/keys?sslmode=secret", "has an sslmode that is not one of disable, allow, prefer,"),
        ("postgresql://db/keys?sslmode=require&sslrootcert=system", "goes with sslmode=verify-full"),
        ("postgresql://db/keys?connect_timeout=secret", "has a connect_timeout that is not a whole number"),
        (
            "postgresql://db/keys?statement_cache_size=-1",
            "has a statement_cache_size that is not a whole number",
        ),
        (
            "postgresql://db/keys?channel_binding=require",
            "leave channel_binding out and identify the server by",
        ),
        ("postgresql://me:%FF@db/keys", "has an escape that is not UTF-8"),
        ("postgresql://me:%00@db/keys", "has a zero byte in it"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_quoting_it(url: str, told: str) -> None:
    assert told in refusal(url)
    assert "secret" not in refusal(url)


SPECIAL = "@/?#:&=%+[],;! \\\"'\u00e9\n"
PASSWORDS = st.text(f"Zq{SPECIAL}", min_size=1, max_size=12).map("Zq{}Zq".format)
"""With letters at both ends that no message has."""
PLACES = st.sampled_from(
    [
        "postgresql://me:{}@db.example:5432/keys",
        "postgresql://me:{}@db.example/keys?sslmode=require",
        "postgres://:{}@db.example",
        "postgresql://me:{}@/keys?host=/run/postgresql",
        "postgresql://db.example/keys?user=me&password={}",
        "postgresql://db.example/keys?password={}&sslmode=require",
        "postgresql://db.example:5432/keys?user=me@db&password={}",
        "postgresql://me:other@db.example/keys?sslkey=key.pem&sslpassword={}",
        "postgresql:me:{}@db.example/keys",
        "postgresql:/me:{}@db.example/keys",
        "mysql://me:{}@db.example/keys",
        "postgresql+psycopg2://me:{}@db.example/keys",
        "sqlite://me:{}@db.example/keys",
    ]
)


@given(PLACES, PASSWORDS, st.booleans())
@example("postgresql://me:{}@db.example/keys", "Zq@Zq/Zq?Zq", False)
@example("postgresql://me:{}@db.example/keys", "12/Zq", False)
@example("postgresql://me:{}@db.example/keys", "1@Zq", False)
@example("postgresql://db.example:5432/keys?password={}", "Zq@Zq", False)
def test_no_part_of_a_password_shows(place: str, password: str, escaped: bool) -> None:
    url = place.format(quote(password, safe="") if escaped else password)
    try:
        found = read(url)
    except ConfigurationError as error:
        shown = f"{error}{error.__cause__}"
    else:
        shown = f"{found!r} {found.shown} {found.url}"
    assert "Zq" not in shown


@given(PASSWORDS, st.sampled_from(["postgresql://me:{}@db/keys", "postgresql://me@db?password={}"]))
def test_a_password_that_is_escaped_arrives_whole(password: str, place: str) -> None:
    assert read(place.format(quote(password, safe=""))).connect_arguments["password"] == password
