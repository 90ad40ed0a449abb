"""What a client's hooks are told: each call, attempt, wait and outcome."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from attrs import frozen

from accesskeys_async._http.messages import Next, Request, Response
from accesskeys_async._public import public
from accesskeys_async.errors import AccessKeysError
from accesskeys_async.records import Attempt

logger: Final = logging.getLogger("accesskeys_async")


@public()
@frozen
class CallStarted:
    """A call has begun; nothing of it has been sent."""

    request: Request


@public()
@frozen
class AttemptFinished:
    """One attempt has come to its outcome."""

    request: Request
    attempt: Attempt


@public()
@frozen
class WaitStarted:
    """A failed attempt is followed by another, after a wait."""

    request: Request
    attempt: int
    """The number of the attempt that failed; 1 for the first."""
    seconds: float
    reason: str


@public()
@frozen
class CallFinished:
    """A call is over: with an answer, an error, or neither where it was cancelled."""

    request: Request
    elapsed: float
    """Seconds, all attempts and waits together."""
    response: Response | None = None
    error: AccessKeysError | None = None


Event: TypeAlias = CallStarted | AttemptFinished | WaitStarted | CallFinished
Hook: TypeAlias = Callable[[Event], object]
"""A plain callable; what it returns is ignored, and an exception in it is logged and goes no further."""
Notify: TypeAlias = Callable[[Event], None]


def make_notify(hooks: Iterable[Hook]) -> Notify | None:
    """Join hooks into one callable, or None where there are none, so that events need not be made."""
    chain = tuple(hooks)
    if not chain:
        return None

    def notify(event: Event) -> None:
        for hook in chain:
            try:
                hook(event)
            except Exception:  # a hook is the user's, and no call fails over it
                logger.exception("a hook failed at %s", type(event).__name__)

    return notify


def observe(notify: Notify, send: Next) -> Next:
    """Tell of each call's start and end, around all of its attempts."""

    async def observed(request: Request) -> Response:
        notify(CallStarted(request))
        began = time.monotonic()
        response: Response | None = None
        failure: AccessKeysError | None = None
        try:
            response = await send(request)
        except AccessKeysError as error:
            failure = error
            raise
        else:
            return response
        finally:
            notify(CallFinished(request, time.monotonic() - began, response, failure))

    return observed
