"""Connections to PostgreSQL, straight or behind a pooler that gives each transaction another session."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from accesskeys_async._database.urls import DatabasePlace
from accesskeys_async.errors import one_line

DEFAULT_TIMEOUT: Final = 60
"""Seconds that asyncpg takes to connect at most, unless connect_timeout says otherwise."""
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_TLS_VERSIONS: Final = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


def create_postgresql_engine(place: DatabasePlace, fail: Callable[[str], Exception]) -> AsyncEngine:
    """Return an engine; a connection that can't be made raises what `fail` makes of the reason.

    A statement is prepared in the transaction that runs it and has no name, unless the URL asks for a cache:
    behind a pooler the next transaction has another session, where a named one is missing, or is another's.
    """
    arguments: dict[str, Any] = {
        **place.connect_arguments,
        "async_creator_fn": _create_connector(fail),
        "statement_cache_size": place.statement_cache_size,
        "prepared_statement_cache_size": place.statement_cache_size,
    }
    if not place.statement_cache_size:
        arguments["prepared_statement_name_func"] = str
    return create_async_engine(place.url, connect_args=arguments, pool_pre_ping=True)


def _create_connector(fail: Callable[[str], Exception]) -> Callable[..., Awaitable[object]]:
    async def connect(**arguments: Any) -> object:
        # SQLAlchemy translates these errors from some release on, and before hands them on as they are.
        import asyncpg  # type: ignore[import-untyped,unused-ignore]

        try:
            return await asyncpg.connect(**_read_certificates(arguments))
        except TimeoutError as error:
            seconds = arguments.get("timeout", DEFAULT_TIMEOUT)
            raise fail(f"no connection came about in {seconds} s; see to its host and port") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
            raise fail(one_line(str(error)) or type(error).__name__) from error

    return connect


def _read_certificates(arguments: dict[str, Any]) -> dict[str, Any]:
    """Refuse files that are not there, whose names the driver's errors leave out, and know the system's."""
    dsn = arguments.get("dsn")
    if dsn is None:
        return arguments
    values = {name: found[-1] for name, found in parse_qs(dsn.partition("?")[2]).items()}
    is_system = values.get("sslrootcert") == "system"
    if is_system:
        del values["sslrootcert"]
    for name in _FILES:
        if name in values and not Path(values[name]).is_file():
            raise FileNotFoundError(f"{name} is {one_line(values[name])}, and there is no such file")
    if not is_system:
        return arguments
    return {
        **arguments,
        "dsn": f"postgresql:?{urlencode(values)}",
        "ssl": _trust_the_system(values),
    }


def _trust_the_system(values: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context as the driver makes it, which ignores its own parameters beside a context."""
    context = ssl.create_default_context()
    if "sslcert" in values:
        password = values.get("sslpassword", "")
        context.load_cert_chain(values["sslcert"], values.get("sslkey"), password=password)
    elif "sslkey" in values:
        raise ValueError("sslkey is given without sslcert; give both")
    if "sslcrl" in values:
        context.load_verify_locations(values["sslcrl"])
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if (lowest := _read_tls_version(values, "ssl_min_protocol_version")) is not None:
        context.minimum_version = lowest
    if (highest := _read_tls_version(values, "ssl_max_protocol_version")) is not None:
        context.maximum_version = highest
    return context


def _read_tls_version(values: Mapping[str, str], name: str) -> ssl.TLSVersion | None:
    if name not in values:
        return None
    if values[name] not in _TLS_VERSIONS:
        raise ValueError(f"{name} is {one_line(values[name])}; it takes TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3")
    return _TLS_VERSIONS[values[name]]
