"""What a session is made from, checked before anything is sent."""

from __future__ import annotations

import base64
import ipaddress
import re
import ssl
from collections.abc import Awaitable, Callable
from os import PathLike, fspath
from typing import Final, TypeAlias, TypeVar
from urllib.request import getproxies, proxy_bypass

from attrs import field, frozen
from yarl import URL

from accesskeys_async._public import public
from accesskeys_async.errors import ConfigurationError, one_line
from accesskeys_async.records import Token

T = TypeVar("T")

TokenSource: TypeAlias = Token | Callable[[], Awaitable[str | Token]]
"""A token, or an async callable that gives the one to use now; it is asked before each attempt."""

Proxy: TypeAlias = tuple[URL, dict[str, str]]
"""Where a proxy is, and the headers that it requires."""

MAX_TOKEN_LENGTH: Final = 4096


def is_number(value: object) -> bool:
    """Whether a value counts as a number: `"5"` and True do not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_seconds(_: object, attribute: object, value: float | None) -> None:
    if value is not None and not (is_number(value) and value > 0):
        name = getattr(attribute, "name", "timeout")
        raise ConfigurationError(
            f"Timeout.{name} is {value!r}; it takes seconds above 0, or None for no bound"
        )


@public()
@frozen(kw_only=True)
class Timeout:
    """Bound one attempt. Times are in seconds; None is no bound."""

    connect: float | None = field(default=5.0, validator=_check_seconds)
    """To a connection that is ready: address look-up, TCP and TLS."""
    attempt: float | None = field(default=15.0, validator=_check_seconds)
    """From the attempt's start to the last byte of its answer."""


def read_token(value: str | Token | Callable[[], Awaitable[str | Token]]) -> TokenSource:
    """Check that a token can stand in a header, or pass a callable on. Raises ConfigurationError."""
    if callable(value):
        return value
    value = hide_token(value)  # so that a traceback with locals does not show it
    if not isinstance(value, Token):
        raise ConfigurationError(
            f"the token is of type {type(value).__name__}; it takes str, Token or an async callable"
        )
    length = len(value.reveal())
    if not length:
        raise ConfigurationError("the token is empty; give a key's token, or set ACCESSKEYS_TOKEN")
    if length > MAX_TOKEN_LENGTH or not all("!" <= character <= "~" for character in value.reveal()):
        raise ConfigurationError(
            f"the token of {length} characters can't stand in a header; it takes 1 to {MAX_TOKEN_LENGTH} "
            "visible ASCII characters and no white space: was it cut or quoted wrongly?"
        )
    return value


def hide_token(value: T | str) -> T | Token:
    """Mask a token that is still text; what is not text is passed on."""
    return Token(value) if isinstance(value, str) else value


def read_base_url(text: str) -> URL:
    """Check a base URL, and take the slash off its end.

    Raises ConfigurationError: it takes https, or http to a loopback address, since http shows the token to
    all between; and no user, query or fragment.
    """
    shown = _show_url(text)
    if isinstance(text, str) and not all(character >= "!" and character.isprintable() for character in text):
        raise ConfigurationError(
            f"base_url is {shown!r}; it takes no white space or control character: leave them out"
        )
    try:
        url = URL(text)
    except (ValueError, TypeError):
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host:
        advice = _advise_url(shown if isinstance(text, str) else "")
        raise ConfigurationError(f"base_url is {shown!r}; {advice}")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ConfigurationError(
            f"base_url is {shown!r}; http sends the token unencrypted and is for loopback addresses only: "
            "use https"
        )
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise ConfigurationError(f"base_url is {shown!r}; it takes no user, password, query or fragment")
    return url.with_path(url.raw_path.rstrip("/"), encoded=True)


def _advise_url(shown: str) -> str:
    """Say what to give in place of what is no URL of http or https."""
    try:
        url = URL(f"https://{shown}")
    except ValueError:
        url = URL()
    if "//" in shown or "…" in shown or not url.host or not url.host.isascii():
        return "it takes an https URL with a host, such as https://api.bird.com"
    return f"it has no scheme: use http{'' if _is_loopback(url.host) else 's'}://{shown}"


def _show_url(text: object) -> str:
    """Leave out where secrets are put by mistake: before an @, and behind a ? or a #."""
    return one_line(re.sub(r"(?:(?<=//)|\A)[^/]*@|[?#].*", "…", str(text), flags=re.DOTALL), 100)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return f".{host.rstrip('.')}".endswith(".localhost")


def read_ssl(value: ssl.SSLContext | str | PathLike[str] | None) -> ssl.SSLContext | None:
    """Make a context of a CA bundle's path; one that verifies nothing is the caller's own to make.

    Raises ConfigurationError where the bundle can't be read.
    """
    if value is None or isinstance(value, ssl.SSLContext):
        return value
    if not isinstance(value, str | PathLike):
        raise ConfigurationError(
            f"ssl is {value!r}; it takes a CA bundle's path or an ssl.SSLContext, and None for the system's "
            "authorities"
        )
    try:
        return ssl.create_default_context(cafile=fspath(value))
    except OSError as error:  # ssl.SSLError is one
        problem = error.strerror or type(error).__name__
    raise ConfigurationError(f"ssl is {fspath(value)!r}, which can't be read as a CA bundle: {problem}")


def read_proxy(text: str, *, origin: str = "proxy") -> Proxy:
    """Read a proxy's URL, which may hold credentials. Raises ConfigurationError, which shows none of it."""
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        proxy = URL()
    if proxy.scheme != "http" or not proxy.host:
        raise ConfigurationError(
            f"{origin} can't be used; it takes http://host:port. Give another as proxy= (or --proxy), or use "
            "none with trust_env=False (or --no-proxy)"
        )
    if proxy.user is None:
        return proxy, {}
    credentials = base64.b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
    return proxy.with_user(None), {"Proxy-Authorization": f"Basic {credentials}"}


def check_proxy(proxy: Proxy, url: URL) -> Proxy:
    """Return a proxy that the caller gave. Raises ConfigurationError if it would get the token in clear."""
    if url.scheme == "http" and not _is_loopback(proxy[0].host or ""):
        raise ConfigurationError(
            f"proxy is at {proxy[0].host}, and http shows the token to all between: use an https base_url"
        )
    return proxy


def find_proxy(url: URL) -> Proxy | None:
    """Return the environment's proxy for a URL, or None; a loopback address has none.

    aiohttp's own `trust_env` reads .netrc, too, whose entries clash with the token's header, and knows no
    networks in NO_PROXY. Raises ConfigurationError for a proxy of another kind than http.
    """
    host = url.host or ""
    proxies = getproxies()
    address = proxies.get(url.scheme)
    if not address or _is_loopback(host) or is_excepted(url, proxies.get("no", "")) or proxy_bypass(host):
        return None
    return read_proxy(address, origin=f"the environment's proxy for {url.scheme}")


def is_excepted(url: URL, no_proxy: str) -> bool:
    """Tell whether NO_PROXY names a URL's host: by name, domain, address or network, perhaps with a port."""
    host = (url.host or "").rstrip(".")
    for entry in re.split(r"[\s,]+", no_proxy.lower()):
        name, port = _split_port(entry)
        if port and port != str(url.port):
            continue
        if name == "*" or _is_in_network(host, name):
            return True
        domain = name.removeprefix("*").strip(".")
        if domain and f".{host}".endswith(f".{domain}"):
            return True
    return False


def _split_port(entry: str) -> tuple[str, str]:
    """Split a port off an entry of NO_PROXY; an IPv6 address has one only behind its brackets."""
    found = re.fullmatch(r"\[(.*)\](?::(\d+))?|([^:]*)(?::(\d+))?", entry)
    if found is None:
        return entry, ""
    return found[1] or found[3] or "", found[2] or found[4] or ""


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
