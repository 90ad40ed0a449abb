"""Which Host headers are served: a page in a browser must not reach the emulator by a name of its own.

A page whose name is made to point to this machine (DNS rebinding) sends that name in Host, and the tokens
follow from the seed. An address can't be made to point elsewhere, so only names are a danger.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Sequence


class HostCheck:
    """Tell whether a request's Host is one that the emulator is known by.

    Those are loopback addresses, `localhost`, the host to listen on and `names`; any address if the host
    is the unspecified one, such as 0.0.0.0. Ports are not compared, so that a tunnel works.
    """

    def __init__(self, host: str, names: Iterable[str] = ()) -> None:
        self._names = frozenset(_canonical(name) for name in ("localhost", host, *names))
        address = _address(host)
        # A client sends the same value each time; parsing an address takes longer than looking it up.
        self._knows = functools.lru_cache(64)(self._find)
        self._any_address = host == "" or (address is not None and address.is_unspecified)

    def accepts(self, values: Sequence[str]) -> bool:
        """Tell whether the values of a request's Host headers are one known host."""
        return len(values) == 1 and self._knows(values[0])

    def _find(self, value: str) -> bool:
        host = _host_of(value.strip())
        if host is None:
            return False
        address = _address(host)
        if address is not None and (self._any_address or address.is_loopback):
            return True
        return _canonical(host) in self._names


def _host_of(header: str) -> str | None:
    """Return the host of "host" or "host:port", an IPv6 address without its brackets, or None."""
    if header.startswith("["):
        host, bracket, port = header[1:].partition("]")
        well_formed = bool(bracket) and (not port or port.startswith(":"))
        port = port.removeprefix(":")
    else:
        host, _, port = header.partition(":")
        well_formed = True
    well_formed = well_formed and bool(host) and (not port or (port.isascii() and port.isdecimal()))
    return host if well_formed else None


def _canonical(host: str) -> str:
    address = _address(host)
    return host.lower().removesuffix(".") if address is None else str(address)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
