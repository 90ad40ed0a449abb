"""One error tree. Each error says in a line what happened and what to do next, and never a secret."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from accesskeys_async.records import AccessKey, Attempt

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AccessKeysError",
    "AuthenticationError",
    "BudgetExhaustedError",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "CreateOutcomeUnknownError",
    "DeadlineExceededError",
    "InvalidRequestError",
    "NotFoundError",
    "PaginationError",
    "PermissionDeniedError",
    "RateLimitError",
    "RedirectError",
    "ResponseTooLargeError",
    "ServerError",
    "ValidationError",
]

MAX_TEXT: Final = 300


def one_line(text: str, limit: int = MAX_TEXT) -> str:
    """Make foreign text fit to stand in an error: printable, on one line, at most `limit` characters."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line_of(error: Exception, limit: int = MAX_TEXT) -> str:
    """Make an error's text fit as `one_line` does, but cut its middle: its end says what to do."""
    text = one_line(str(error), 100 * limit)
    if len(text) <= limit:
        return text
    end = limit // 2
    return f"{text[: limit - end - 1]}…{text[-end:]}"


class AccessKeysError(Exception):
    """Stand above every error that this library raises."""

    attempts: tuple[Attempt, ...]
    """What was tried, in order; empty where nothing was sent."""
    cursor: str | None
    """From a listing: the page token to go on with, `client.list(org, page_token=error.cursor)`."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.attempts = ()
        self.cursor = None

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[AccessKeysError], args: tuple[object, ...], state: dict[str, object]
) -> AccessKeysError:
    error = kind.__new__(kind, *args)
    error.args = args  # an OSError, and so a TimeoutError, does not take them from __new__
    error.__dict__.update(state)
    return error


class InvalidRequestError(AccessKeysError, ValueError):
    """Refuse an argument before anything is sent."""

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument} {problem}")
        self.argument = argument


class ConfigurationError(AccessKeysError):
    """Refuse a setting: no token, plain http to a foreign host, a bound that makes no sense."""


class ClientClosedError(AccessKeysError):
    """Refuse a call on a client that is closed, or that belongs to another event loop or process."""


class APIConnectionError(AccessKeysError):
    """Tell that no whole answer came."""

    def __init__(self, message: str, *, sent: Literal[False] | None) -> None:
        super().__init__(message)
        self.sent: Literal[False] | None = sent
        """False: nothing of the request was sent. None: it is not known whether it took effect."""


class APITimeoutError(APIConnectionError, TimeoutError):
    """Tell that an attempt took longer than its `Timeout` allows."""


class DeadlineExceededError(AccessKeysError, TimeoutError):
    """Tell that a call took longer than its `deadline`, all attempts and waits together."""

    def __init__(self, message: str, *, last: object = None) -> None:
        super().__init__(message)
        self.last = last
        """The error or the `Response` of the last attempt; None where none was finished."""


class APIStatusError(AccessKeysError):
    """Tell that the API answered, and the answer was no."""

    def __init__(
        self,
        context: str,
        *,
        status: int,
        code: str | None = None,
        message: str | None = None,
        details: object = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        advice: str | None = None,
    ) -> None:
        said = ": ".join(one_line(part) for part in (code, message) if part)
        parts = [f"{context}: {status}" + (f" {said}" if said else "")]
        if details:
            parts.append(f" ({one_line(_write_details(details))})")
        if request_id:
            parts.append(f" (request {one_line(request_id, 80)})")
        if retry_after is not None:
            parts.append(f"; try again after {retry_after:g} s")
        elif advice or self.advice:
            parts.append(f"; {advice or self.advice}")
        super().__init__("".join(parts))
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.request_id = request_id
        self.retry_after = retry_after

    advice = ""


def _write_details(details: object) -> str:
    """Write what a refusal says of single fields: `name: too long; description: is missing`."""
    if not isinstance(details, dict):
        return str(details)
    fields = [(str(path).removeprefix("."), said) for path, said in details.items()]
    return "; ".join(
        f"{path}: {', '.join(map(str, said)) if isinstance(said, list) else said}" for path, said in fields
    )


class AuthenticationError(APIStatusError):
    """401: no token, or one that the API does not know."""

    advice = "use the token of a key that still exists"


class PermissionDeniedError(APIStatusError):
    """403: the token may not do this, or not in this organization."""

    advice = "use a token of that organization with a role that allows this"


class NotFoundError(APIStatusError):
    """404: no such organization or access key."""

    advice = "check the organization's and the key's ids"


class ConflictError(APIStatusError):
    """409: the change conflicts with the key's present state."""

    advice = "read the key again, then decide"


class ValidationError(APIStatusError):
    """400 and 422: the request does not validate; `details` names what."""

    advice = "correct what is named"


class RateLimitError(APIStatusError):
    """429: over the rate limit."""

    advice = "slow down, then try again"


class ServerError(APIStatusError):
    """5xx: the API failed. The change that was requested may have happened."""

    advice = "try again later"


class RedirectError(APIStatusError):
    """3xx: the API wants us elsewhere, and a token never follows a redirect."""

    def __init__(
        self, context: str, *, status: int, location: str | None, request_id: str | None = None
    ) -> None:
        target = one_line(location) if location else "an unnamed place"
        super().__init__(
            context, status=status, message=f"redirects to {target}, not followed", request_id=request_id
        )
        self.location = location

    advice = "give the right base_url"


_BY_STATUS: Final[dict[int, type[APIStatusError]]] = {
    400: ValidationError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: ValidationError,
    429: RateLimitError,
}


def status_error(status: int) -> type[APIStatusError]:
    """Name the error class of an HTTP status."""
    return _BY_STATUS.get(status) or (ServerError if 500 <= status < 600 else APIStatusError)


class APIResponseError(AccessKeysError):
    """Tell that an answer is not what the contract says, and where: `$.results[3].createdAt`."""

    def __init__(self, place: str, expected: str) -> None:
        super().__init__(f"{place}: {expected}")
        self.place = place
        """The place in the answer, as a JSON path; `$` is the whole."""
        self.expected = expected
        self.context = ""
        """The request's method and path."""
        self.key_id: str | None = None
        """After a create whose token could not be read: the one id in the response that may be the key's."""
        self.key_deleted = False
        """Whether that key was deleted again."""

    def __str__(self) -> str:
        where = f"{self.context}: " if self.context else ""
        created = ""
        if self.key_deleted:
            created = f"; access key {self.key_id} was created and deleted again"
        elif self.key_id:
            created = f"; its token is lost: delete access key {self.key_id} if it is new"
        return f"{where}{self.place}: {self.expected}{created}"


class ResponseTooLargeError(APIResponseError):
    """Tell that an answer grew past `max_response_bytes`, counted after decompression."""


class PaginationError(AccessKeysError):
    """Tell that a listing goes in circles: a page token came that had come before."""


class CreateOutcomeUnknownError(AccessKeysError):
    """Tell that a create was sent and its answer lost: a key may exist whose token nobody has."""

    def __init__(
        self,
        message: str,
        *,
        organization_id: UUID,
        name: str,
        began_at: datetime,
        nonce: str | None = None,
        candidates: tuple[AccessKey, ...] = (),
    ) -> None:
        super().__init__(message)
        self.organization_id = organization_id
        self.name = name
        """The name that the key was to have."""
        self.began_at = began_at
        """When the call began, on this machine's clock, in UTC."""
        self.nonce = nonce
        """What marks this call's key in its description; None where the call was not recoverable."""
        self.candidates = candidates
        """Keys that may be the one: same name and description, made since the call began."""


class BudgetExhaustedError(AccessKeysError):
    """Tell, as the cause of an error, that it was not tried again since the retry budget was empty."""
