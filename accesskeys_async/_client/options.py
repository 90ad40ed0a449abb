"""What a client is set to, and what it shares with its clones."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, TypedDict, TypeVar

from attrs import field, frozen

from accesskeys_async._http.hooks import Hook
from accesskeys_async._http.messages import Middleware
from accesskeys_async._http.pool import Pool
from accesskeys_async._http.retry import RetryBudget, RetryPolicy
from accesskeys_async._http.settings import Timeout, TokenSource, is_number
from accesskeys_async._throttle.concurrency import ConcurrencyLimit
from accesskeys_async._throttle.throttle import Throttle
from accesskeys_async.errors import ConfigurationError
from accesskeys_async.records import Token

T = TypeVar("T")

DEFAULT_BASE_URL: Final = "https://api.bird.com"

TokenLike: TypeAlias = str | Token | Callable[[], Awaitable[str | Token]]


def _check_bound(_: object, attribute: object, value: Any) -> None:
    if value is not None and not (is_number(value) and value > 0):
        name = getattr(attribute, "name", "the bound")
        raise ConfigurationError(f"{name} is {value!r}; it takes more than 0, or None for no bound")


def _check_count(_: object, attribute: object, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        name = getattr(attribute, "name", "the bound")
        raise ConfigurationError(f"{name} is {_show(value)}; it takes a whole number above 0")


def check_timeout(value: object) -> Timeout:
    """Return a timeout. Raises ConfigurationError for anything else, such as a number of seconds."""
    if isinstance(value, Timeout):
        return value
    seconds = f"{value!r}" if is_number(value) else "SECONDS"
    raise ConfigurationError(
        f"timeout is {_show(value)}; it takes a Timeout, such as Timeout(attempt={seconds}); "
        f"deadline={seconds} bounds a whole call"
    )


def check_retry(value: object) -> RetryPolicy:
    """Return a retry policy. Raises ConfigurationError for anything else, such as a number of retries."""
    if isinstance(value, RetryPolicy):
        return value
    count = f"{value!r}" if is_number(value) else "COUNT"
    raise ConfigurationError(
        f"retry is {_show(value)}; it takes a RetryPolicy, such as RetryPolicy(max_retries={count})"
    )


def check_throttle(value: Throttle) -> Throttle:
    """Return a throttle. Raises ConfigurationError for what can't be one."""
    if all(callable(getattr(value, name, None)) for name in ("acquire", "pause", "release")):
        return value
    raise ConfigurationError(f"throttle is {_show(value)}; it takes a Throttle, such as Adaptive()")


def check_whole(name: str, value: int) -> int:
    """Return a whole number. Raises ConfigurationError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ConfigurationError(f"{name} is {_show(value)}; it takes a whole number")


def take_callables(name: str, values: Iterable[T]) -> tuple[T, ...]:
    """Return middlewares or hooks as a tuple. Raises ConfigurationError for a single one, and for others."""
    if callable(values) or not isinstance(values, Iterable):
        example = getattr(values, "__name__", "") if callable(values) else ""
        raise ConfigurationError(
            f"{name} is of type {type(values).__name__}; it takes several callables, such as "
            f"[{example if example.isidentifier() else 'my_function'}]"
        )
    several = tuple(values)
    for one in several:
        if not callable(one):
            raise ConfigurationError(f"{name} has a {type(one).__name__}; each of them is a callable")
    return several


def check_changes(changes: Mapping[str, object]) -> dict[str, Any]:
    """Return what a clone changes. Raises ConfigurationError for what it can't change."""
    for name in changes:
        if name not in ClientOptions.__annotations__:
            raise ConfigurationError(
                f"with_options can't change {name}; it takes {', '.join(ClientOptions.__annotations__)}; for "
                "others create another client"
            )
    checked: dict[str, Any] = dict(changes)
    for name in ("middlewares", "hooks"):
        if name in checked:
            checked[name] = take_callables(name, checked[name])
    for name, check in (("timeout", check_timeout), ("retry", check_retry), ("throttle", check_throttle)):
        if name in checked:
            checked[name] = check(checked[name])
    if "priority" in checked:
        checked["priority"] = check_whole("priority", checked["priority"])
    return checked


def _show(value: object) -> str:
    # The repr of an arbitrary object may be long, or hold what it should not.
    return repr(value) if value is None or is_number(value) else f"of type {type(value).__name__}"


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
    max_response_bytes: int = field(validator=_check_count)
    max_empty_pages: int = field(validator=_check_count)
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
    max_empty_pages: int
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
