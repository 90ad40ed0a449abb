"""What a client is set to, and what it shares with its clones."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeAlias, TypedDict

from attrs import field, frozen

from accesskeys_async.errors import ConfigurationError
from accesskeys_async.records import Token
from accesskeys_async.transport.exchange import Middleware
from accesskeys_async.transport.hooks import Hook
from accesskeys_async.transport.places import ConcurrencyLimit
from accesskeys_async.transport.pool import Pool
from accesskeys_async.transport.retry import RetryBudget, RetryPolicy
from accesskeys_async.transport.settings import Timeout, TokenSource
from accesskeys_async.transport.throttle import Throttle

__all__ = [
    "DEFAULT_BASE_URL",
    "ClientOptions",
    "Options",
    "Shared",
    "TokenLike",
    "find_base_url",
    "find_token",
]

DEFAULT_BASE_URL: Final = "https://api.bird.com"

TokenLike: TypeAlias = str | Token | Callable[[], Awaitable[str | Token]]


def _check_bound(_: object, attribute: object, value: Any) -> None:
    if value is not None and not value > 0:
        name = getattr(attribute, "name", "the bound")
        raise ConfigurationError(f"{name} is {value!r}; it takes more than 0, or None for no bound")


@frozen(kw_only=True)
class Options:
    """What a clone may change. Raises ConfigurationError where a bound makes no sense."""

    token: TokenSource
    base_url: str
    timeout: Timeout
    deadline: float | None = field(validator=_check_bound)
    retry: RetryPolicy
    throttle: Throttle
    priority: int
    max_response_bytes: int = field(validator=_check_bound)
    middlewares: tuple[Middleware, ...]
    hooks: tuple[Hook, ...]


@frozen
class Shared:
    """What a client and its clones have in common."""

    pool: Pool
    limit: ConcurrencyLimit
    budget: RetryBudget


class ClientOptions(TypedDict, total=False):
    """What `AccessKeysClient.with_options` takes."""

    token: TokenLike
    base_url: str
    timeout: Timeout
    deadline: float | None
    retry: RetryPolicy
    throttle: Throttle
    priority: int
    max_response_bytes: int
    middlewares: Iterable[Middleware]
    hooks: Iterable[Hook]


def find_token() -> str:
    """Return the environment's ACCESSKEYS_TOKEN. Raises ConfigurationError where there is none."""
    token = os.environ.get("ACCESSKEYS_TOKEN", "").strip()
    if not token:
        raise ConfigurationError("there is no token; pass one, or set ACCESSKEYS_TOKEN")
    return token


def find_base_url() -> str:
    """Return the environment's ACCESSKEYS_BASE_URL, or `DEFAULT_BASE_URL` where there is none."""
    return os.environ.get("ACCESSKEYS_BASE_URL") or DEFAULT_BASE_URL
