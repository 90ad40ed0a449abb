"""Places of databases: a path, or a URL of SQLite or PostgreSQL as psql reads it, checked without any I/O."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import quote, unquote, urlencode

from attrs import field, frozen
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from accesskeys_async.errors import ConfigurationError, one_line

Refuse: TypeAlias = Callable[[str], ConfigurationError]

_SQLITE_DRIVERS: Final = frozenset({"sqlite", "sqlite+aiosqlite"})
_POSTGRESQL_DRIVERS: Final = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})
DEFAULT_PORT: Final = 5432
_ADVICE: Final = "give a file, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
_ESCAPES: Final = "in a user's name or a password write / as %2F, ? as %3F, # as %23 and @ as %40"

_url: Final = re.compile(r"([^/?]*)(?:/([^?]*))?(?:\?(.*))?", re.DOTALL)
# A folder with a socket, a name or an address, or an IPv6 address; and a port.
_host: Final = re.compile(r"(/.*|\[[0-9A-Fa-f:.%]*\]|[^/:\[\]]*|[0-9A-Fa-f:.]{2,})(?::([0-9]*))?", re.DOTALL)
_scheme: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.]{0,30}")

_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# asyncpg reads these from its own kind of URL, and takes no argument for most of them.
_DRIVERS_OWN: Final = (
    *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslpassword"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
    *("target_session_attrs", "passfile", "krbsrvname", "gsslib"),
)
# What the driver never does. Whoever requires it is told, and else it may be left out.
_NEVER_DONE: Final = {"channel_binding": "channel binding", "gssencmode": "GSSAPI encryption"}
_PARAMETERS: Final = frozenset(
    {
        *("host", "port", "dbname", "user", "password", "ssl"),
        *("application_name", "connect_timeout", "options", "statement_cache_size"),
        *_DRIVERS_OWN,
        *_NEVER_DONE,
    }
)


@frozen
class DatabasePlace:
    """Where a database is, and how it is connected to."""

    shown: str
    """The place for people: a path, or a URL with the user, the host and the database alone."""
    url: URL = field(repr=False)
    """For SQLAlchemy; of PostgreSQL it says only the driver."""
    path: str | None = None
    """SQLite's file; None if there is none."""
    connect_arguments: Mapping[str, object] = field(factory=dict, repr=False)
    """asyncpg's; the password is here and nowhere else."""
    statement_cache_size: int = 0
    """How many prepared statements are kept for each connection."""

    @property
    def is_postgresql(self) -> bool:
        """Whether it is PostgreSQL, and not SQLite."""
        return self.url.get_backend_name() == "postgresql"


def read_database_place(place: str | os.PathLike[str], what: str) -> DatabasePlace:
    """Read a path or a URL. Raises ConfigurationError, which quotes nothing that may be of a password.

    `what` says for people what is kept there: `journal`.
    """
    text = os.fspath(place)

    def refuse(problem: str) -> ConfigurationError:
        return ConfigurationError(f"the {what}'s URL {problem}")

    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        if scheme.partition(":")[0].lower() in _POSTGRESQL_DRIVERS and ":" in scheme:
            raise refuse(f"has no // after its scheme and can't be read; {_ADVICE}")
        path = None if text in {"", ":memory:"} else text
        return DatabasePlace(one_line(text), URL.create("sqlite+aiosqlite", database=text), path)
    if scheme.lower() in _SQLITE_DRIVERS:
        return _read_sqlite(rest, refuse)
    if scheme.lower() in _POSTGRESQL_DRIVERS:
        return _read_postgresql(rest, refuse)
    named = f"begins with {scheme!r}" if _scheme.fullmatch(scheme) else "begins with no known scheme"
    raise refuse(f"{named} and can't be read; {_ADVICE}")


def _read_sqlite(rest: str, refuse: Refuse) -> DatabasePlace:
    try:
        url = make_url(f"sqlite+aiosqlite://{rest}")
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.host or url.username or url.password:
        raise refuse("has a host and can't be read; give sqlite:///FILE, or sqlite:////FILE from the root")
    name = url.database or ":memory:"
    path = None if name == ":memory:" or name.startswith("file:") else name
    return DatabasePlace(one_line(name), url, path)


def _read_postgresql(rest: str, refuse: Refuse) -> DatabasePlace:
    # By the standard of URLs: a password that was not escaped is refused here, since its rest would be
    # taken for a host, a database or a parameter, and shown.
    found = _url.fullmatch(rest)
    assert found is not None
    authority, path, query = found.groups(default="")
    if "#" in rest or "@" in path or "@" in query:
        raise refuse(f"can't be read; {_ESCAPES}")
    userinfo, _, host = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    decode = _decoder(refuse)
    values = {
        "user": decode(user),
        "password": decode(password),
        "host": decode(host),
        "dbname": decode(path),
        **_read_query(query, decode, refuse),
    }
    hosts, ports = _read_hosts(values["host"], values.get("port", ""), refuse)
    shown = (f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=True))
    return DatabasePlace(
        "postgresql://"
        + (f"{quote(values['user'])}@" if values["user"] else "")
        + one_line(",".join(shown))
        + (f"/{quote(values['dbname'])}" if values["dbname"] else ""),
        URL.create("postgresql+asyncpg"),
        connect_arguments={
            "host": hosts or None,
            "port": [int(port or DEFAULT_PORT) for port in ports] if any(ports) else None,
            "user": values["user"] or None,
            "password": values["password"] or None,
            "database": values["dbname"] or None,
            **_choose_connect_arguments(values, refuse),
        },
        statement_cache_size=_read_number(values, "statement_cache_size", refuse) or 0,
    )


def _decoder(refuse: Refuse) -> Callable[[str], str]:
    def decode(text: str) -> str:
        try:
            decoded = unquote(text, errors="strict")
        except UnicodeDecodeError:
            raise refuse("has an escape that is not UTF-8") from None
        if "\x00" in decoded:
            raise refuse("has a zero byte in it")
        return decoded

    return decode


def _read_query(query: str, decode: Callable[[str], str], refuse: Refuse) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        if name not in _PARAMETERS or not equals:
            raise refuse(f"has a parameter that is not one of {', '.join(sorted(_PARAMETERS))}; {_ESCAPES}")
        if name == "host" and "host" in values:  # as SQLAlchemy has it: one parameter for each host
            value = f"{values['host']},{value}"
        values[name] = decode(value)
    return values


def _read_hosts(host: str, port: str, refuse: Refuse) -> tuple[list[str], list[str]]:
    """Return the hosts or folders of sockets, and the port of each; both are empty if there is no host."""
    hosts: list[str] = []
    ports: list[str] = []
    for one in host.split(",") if host else []:
        found = _host.fullmatch(one)
        if found is None:
            raise refuse(f"has a host or a port that can't be read; {_ESCAPES}")
        hosts.append(found[1].strip("[]"))
        ports.append(found[2] or "")
    if port:
        given = port.split(",")
        ports = given * max(len(hosts), 1) if len(given) == 1 else given
        hosts = hosts or [""]
    if len(hosts) != len(ports) or not all(one == "" or 0 < _number(one) < 65_536 for one in ports):
        raise refuse("has a port that is not a number from 1 to 65535, or not one port for each host")
    return hosts, ports


def _choose_connect_arguments(values: Mapping[str, str], refuse: Refuse) -> dict[str, object]:
    """Return asyncpg's arguments that the parameters stand for."""
    arguments: dict[str, object] = {}
    timeout = _read_number(values, "connect_timeout", refuse)
    if timeout is not None:
        arguments["timeout"] = timeout or None  # 0 is for ever, as in psql
    settings = {name: values[name] for name in ("application_name", "options") if values.get(name)}
    if settings:
        arguments["server_settings"] = settings
    for name, what in _NEVER_DONE.items():
        if values.get(name) == "require":
            raise refuse(
                f"requires {what}, which asyncpg does not have; leave {name} out and identify the server "
                "by sslmode=verify-full"
            )
    own = {name: values[name] for name in _DRIVERS_OWN if values.get(name)}
    if values.get("ssl"):
        own.setdefault("sslmode", "require" if values["ssl"] == "true" else values["ssl"])
    if own.get("sslmode", "prefer") not in _SSL_MODES:
        raise refuse(f"has an sslmode that is not one of {', '.join(_SSL_MODES)}")
    if own.get("sslrootcert") == "system" and own.setdefault("sslmode", "verify-full") != "verify-full":
        raise refuse("has sslrootcert=system, which goes with sslmode=verify-full")
    if own:
        arguments["dsn"] = f"postgresql:?{urlencode(own)}"
    return arguments


def _read_number(values: Mapping[str, str], name: str, refuse: Refuse) -> int | None:
    text = values.get(name)
    if not text:
        return None
    if _number(text) < 0:
        raise refuse(f"has a {name} that is not a whole number from 0 to 999999")
    return int(text)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else -1
