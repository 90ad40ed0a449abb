"""What passes between the floors: a request, its response, and the shape of a middleware."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from types import FunctionType, MethodType
from typing import Final, TypeAlias
from uuid import UUID

from attrs import define, field, frozen

from accesskeys_async._public import public
from accesskeys_async.errors import APIConnectionError, APIResponseError
from accesskeys_async.records import Attempt


@public()
@define
class Request:
    """One request of the contract, without its secrets: the token is added at the last moment.

    Not frozen, since that costs a microsecond at each request; all the same, a middleware that wants
    another passes on `attrs.evolve(request, ...)`.
    """

    operation: str
    """The contract's operationId: `listAccessKeys`, `createAccessKey`, …"""
    method: str
    path: str
    """Below the base URL; begins with a slash."""
    organization_id: UUID
    query: str = ""
    """Percent-encoded, without its question mark."""
    body: bytes | None = field(default=None, repr=False)
    repeatable: bool = True
    """Whether sending it twice does what sending it once does. False for a create alone."""
    compress: bool = False
    """Whether the answer is large enough to be worth packing."""
    deadline: float | None = None
    """When the call must be over, on the event loop's clock; None: no bound."""
    priority: int = 0
    """Where requests wait for a place or a quota, a higher one goes first."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class StopReason(Enum):
    """Why a failed attempt was not repeated."""

    OUT_OF_CONTRACT = "out of contract"
    """The response breaks the contract, and the next one would, too."""
    MAY_HAVE_HAPPENED = "may have happened"
    """The request must not be sent twice, and may have been processed."""
    PERMANENT_STATUS = "permanent status"
    """The status says that the request itself is refused."""
    RETRIES_USED_UP = "retries used up"
    RETRY_AFTER_TOO_LONG = "Retry-After too long"
    PAST_DEADLINE = "past deadline"
    BUDGET_EMPTY = "budget empty"


@frozen
class Stop:
    """The decision not to repeat a failed attempt; `str` gives its text."""

    reason: StopReason
    text: str

    def __str__(self) -> str:
        return self.text


@public()
@define
class Response:
    """The whole answer to a request, and the way to it. `repr` leaves headers and body out."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Looked up without regard to case."""
    body: bytes = field(repr=False)
    """The whole body, decompressed, within the client's `max_response_bytes`."""
    started_at: float = 0.0
    """When the attempt that brought it began, in seconds since the epoch."""
    elapsed: float = 0.0
    """Seconds that this attempt took."""
    earlier: tuple[Attempt, ...] = field(default=(), repr=False)
    """The attempts before this one."""
    stopped: Stop | None = None
    """Why a failure was not repeated (`str` gives the text); None after a success."""
    advice: str | None = None
    """What to do about a refusal, if the client knows more than the status says."""

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """All attempts of the call, the one that brought this answer last."""
        last = describe_attempt(
            self, number=len(self.earlier) + 1, started_at=self.started_at, elapsed=self.elapsed
        )
        return (*self.earlier, last)

    @property
    def request_id(self) -> str | None:
        """The `messagebird-request-id` header, else `X-Request-Id`; the API's support needs it."""
        return self.headers.get("messagebird-request-id") or self.headers.get("X-Request-Id")

    @property
    def retry_after(self) -> float | None:
        """Seconds that the API asks to wait (`Retry-After`, seconds or HTTP date), or None."""
        value = self.headers.get("Retry-After")
        if value is None:
            return None
        return read_retry_after(value, date=self.headers.get("Date"))


Next: TypeAlias = Callable[[Request], Awaitable[Response]]
"""What a middleware calls to pass a request on."""

Middleware: TypeAlias = Callable[[Request, Next], Awaitable[Response]]
"""An async callable `(request, call_next) -> response`."""


def compose(middlewares: Iterable[Middleware], last: Next) -> Next:
    """Chain middlewares, outermost first, in front of `last`."""
    for middleware in reversed(tuple(middlewares)):
        last = _link(middleware, last)
    return last


def _link(middleware: Middleware, call_next: Next) -> Next:
    # To call an object takes the interpreter much longer than to call its method.
    is_plain = type(middleware) in {FunctionType, MethodType}
    call: Middleware = middleware if is_plain else getattr(middleware, "__call__")  # noqa: B004, B009

    def pass_on(request: Request) -> Awaitable[Response]:
        return call(request, call_next)

    return pass_on


Outcome: TypeAlias = Response | APIConnectionError | APIResponseError
"""What an attempt comes to: an answer, none, or one that is no HTTP or too large."""


def describe_attempt(
    outcome: Outcome,
    *,
    number: int,
    started_at: float,
    elapsed: float,
    wait: float = 0.0,
) -> Attempt:
    """Sum an attempt up in a record that is cheap to keep and holds no secret."""
    response = outcome if isinstance(outcome, Response) else None
    return Attempt(
        number=number,
        started_at=datetime.fromtimestamp(started_at, UTC),
        elapsed=elapsed,
        status=response.status if response else None,
        error=None if response else str(outcome),
        effect_unknown=is_effect_unknown(outcome),
        wait=wait,
    )


def is_effect_unknown(outcome: Outcome) -> bool:
    """Tell whether a request may have taken effect though no success was reported."""
    if isinstance(outcome, Response):
        return outcome.status >= 500 and not is_rejected_unprocessed(outcome)
    return not (isinstance(outcome, APIConnectionError) and outcome.sent is False)


def is_rejected_unprocessed(response: Response) -> bool:
    """Tell whether the API declined to begin: 429, or 503 with a usable Retry-After."""
    return response.status == 429 or (response.status == 503 and response.retry_after is not None)


def read_retry_after(value: str, *, date: str | None = None, now: float | None = None) -> float | None:
    """Read a Retry-After header as seconds; garbage, and a time already past, count as absent.

    An HTTP date is measured against the answer's own Date header where there is one, so that a clock
    set wrong here does no harm; else against `now`, in seconds since the epoch.
    """
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_WAIT)
    until = _read_http_date(value)
    if until is None:
        return None
    since = _read_http_date(date) if date else None
    seconds = until - (since if since is not None else time.time() if now is None else now)
    return min(seconds, LONGEST_WAIT) if seconds >= 0 else None


LONGEST_WAIT: Final = 366 * 86_400.0
"""Seconds that a Retry-After counts for at the most, so that every clock and calendar can add them."""
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def _read_http_date(value: str) -> float | None:
    try:
        time = parsedate_to_datetime(value)
        # The oldest of HTTP's three forms names no zone; all are in UTC.
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
