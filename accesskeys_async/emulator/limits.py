"""A rate limit for each organization: a bucket of tokens that fills as time goes by."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from datetime import datetime

import attrs


def _positive(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{attribute.name} is {value}; it takes a number over 0")


def _of_one_second(limit: RateLimit) -> int:
    rate = limit.requests_per_second
    return max(1, math.ceil(rate)) if math.isfinite(rate) else 1  # the rate is refused after this


@attrs.frozen
class RateLimit:
    """So many requests a second for an organization, and so many at once.

    `burst` is how many may come together after a rest; left out, what one second allows, and at least 1.
    A 429 has no header that says when to come back, as the service's has none: `retry_after` adds
    Retry-After to it, and `rate_limit_headers` adds RateLimit-Limit, -Remaining and -Reset to every response.
    """

    requests_per_second: float = attrs.field(validator=_positive)
    burst: int = attrs.field(
        kw_only=True,
        default=attrs.Factory(_of_one_second, takes_self=True),
        validator=attrs.validators.ge(1),
    )
    retry_after: bool = attrs.field(kw_only=True, default=False)
    rate_limit_headers: bool = attrs.field(kw_only=True, default=False)


@attrs.frozen
class Verdict:
    """Whether a request may pass, and the headers that its response gets."""

    allowed: bool
    headers: Mapping[str, str]


_UNLIMITED = Verdict(True, {})


class RateLimiter:
    """Count each organization's requests against one limit, which may change at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limit: RateLimit | None = None
        self._buckets: dict[str, tuple[float, datetime]] = {}

    @property
    def limit(self) -> RateLimit | None:
        """The limit in force; None lets everything pass."""
        return self._limit

    @limit.setter
    def limit(self, limit: RateLimit | None) -> None:
        with self._lock:
            self._limit = limit
            self._buckets.clear()

    def reset(self) -> None:
        """Let everything pass again."""
        self.limit = None

    def take(self, organization_id: str, now: datetime) -> Verdict:
        """Count one request, if the limit lets it pass."""
        with self._lock:
            limit = self._limit
            if limit is None:
                return _UNLIMITED
            level, since = self._buckets.get(organization_id, (float(limit.burst), now))
            # A clock that is set back must not take away what was there.
            elapsed = max(0.0, (now - since).total_seconds())
            level = min(float(limit.burst), level + elapsed * limit.requests_per_second)
            # A hair under 1 is what rounding leaves of a wait that was long enough.
            allowed = level > 1 - 1e-9
            level = max(0.0, level - allowed)
            self._buckets[organization_id] = (level, now)
        return Verdict(allowed, _headers(limit, level, allowed=allowed))


def _headers(limit: RateLimit, level: float, *, allowed: bool) -> dict[str, str]:
    headers: dict[str, str] = {}
    if limit.rate_limit_headers:
        headers["RateLimit-Limit"] = str(limit.burst)
        headers["RateLimit-Remaining"] = str(math.floor(level))
        headers["RateLimit-Reset"] = str(math.ceil((limit.burst - level) / limit.requests_per_second))
    if limit.retry_after and not allowed:
        # Rounding up: who comes back after this many whole seconds is let in.
        headers["Retry-After"] = str(max(1, math.ceil((1 - level) / limit.requests_per_second)))
    return headers
