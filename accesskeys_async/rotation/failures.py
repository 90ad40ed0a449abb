"""What the rotation room raises, and what an error of the API means for a rotation."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from accesskeys_async.errors import (
    AccessKeysError,
    APIConnectionError,
    APIStatusError,
    CreateOutcomeUnknownError,
    DeadlineExceededError,
    InvalidRequestError,
    RateLimitError,
    ServerError,
    one_line,
)
from accesskeys_async.records import Token


class RotationError(AccessKeysError):
    """Stand above the errors of rotations."""


class UnknownRotationError(RotationError, LookupError):
    """Tell that the journal has no such rotation."""


class RotationRefusedError(RotationError):
    """Tell that a rotation is in no state for what was asked."""


class RotationBusyError(RotationError):
    """Tell that another worker holds the rotation's lease."""

    def __init__(self, message: str, *, until: datetime) -> None:
        super().__init__(message)
        self.until = until
        """When the lease ends at the latest, unless it is renewed."""


class LeaseLostError(RotationError):
    """Tell a worker that its lease is over or taken, so that it must not act any more."""


class JournalError(RotationError):
    """Tell that the journal can't be opened, read or written."""


class SinkError(RotationError):
    """Tell that a sink has not taken a token, and has left what it held as it was."""


class StuckError(RotationError):
    """Tell that a rotation can't go on until a person has looked, and why."""


class TargetTakenError(StuckError):
    """Tell that another living rotation puts its token in the same place."""


class SinkUnsureError(RotationError):
    """Tell that a sink can't say whether it has taken a token; no key is deleted, and a person must look."""


class NotListedError(RotationError):
    """Raised when a key that can be read is not in the list, which may lag behind; that passes."""


class StillThereError(RotationError):
    """Tell that a key that was deleted can still be read; that passes."""


MAX_FAILURE: Final = 800
"""Characters that are kept of a failure. The journal keeps 1,000 of a problem, which says more than that."""
_GAP: Final = " … "

_PASSING: Final = (
    APIConnectionError,
    DeadlineExceededError,
    NotListedError,
    RateLimitError,
    ServerError,
    StillThereError,
    TimeoutError,
)


def is_passing(error: Exception) -> bool:
    """Tell whether the same step may succeed later without anybody doing anything."""
    return isinstance(error, (*_PASSING, CreateOutcomeUnknownError))


def made_nothing(error: Exception) -> bool:
    """Tell whether a create that ended in this error certainly made no key."""
    if isinstance(error, APIConnectionError):
        return error.sent is False
    if isinstance(error, APIStatusError):
        return not isinstance(error, ServerError)
    return isinstance(error, DeadlineExceededError | InvalidRequestError)


def describe_failure(error: BaseException, *, token: Token | None = None) -> str:
    """Write an error on one line, without the token should the error quote it.

    A long one loses its middle: the beginning says what failed, and the end what to do.
    """
    text = str(error) or type(error).__name__
    if not isinstance(error, AccessKeysError):
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if token is not None:
        text = text.replace(token.reveal(), repr(token))
    if len(text) > 4 * MAX_FAILURE:
        text = f"{text[: 2 * MAX_FAILURE - len(_GAP)]}{_GAP}{text[-2 * MAX_FAILURE :]}"
    line = one_line(text, 4 * MAX_FAILURE)
    if len(line) <= MAX_FAILURE:
        return line
    half = (MAX_FAILURE - len(_GAP)) // 2
    return f"{line[:half]}{_GAP}{line[-half:]}"
