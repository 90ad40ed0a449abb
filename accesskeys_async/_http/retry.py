"""When to try again: one pure decision, the budget that bounds it, and the middleware that carries it out."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from attrs import Attribute, evolve, field, frozen

from accesskeys_async._http.hooks import AttemptFinished, Notify, WaitStarted
from accesskeys_async._http.messages import (
    Next,
    Outcome,
    Request,
    Response,
    Stop,
    StopReason,
    describe_attempt,
    is_rejected_unprocessed,
)
from accesskeys_async._http.settings import is_number
from accesskeys_async._public import public
from accesskeys_async.errors import (
    AccessKeysError,
    APIConnectionError,
    APIResponseError,
    BudgetExhaustedError,
    ConfigurationError,
    DeadlineExceededError,
)
from accesskeys_async.records import Attempt

logger: Final = logging.getLogger("accesskeys_async")

TRANSIENT_STATUSES: Final = frozenset({500, 502, 503, 504})
CLOCK_GRAIN: Final = 0.002
"""Seconds by which a loop's timers may run ahead of the clock (uvloop counts in milliseconds)."""


@public()
class RetryBudget:
    """Bound the load that retries add, for all that share it.

    A token bucket: a retry takes one, a call that the API answers gives `refund` back. It starts full, so
    that a burst of lost connections is ridden through; once that is spent, a service that is dying sees
    `refund` more load, 10 % by default, and not five times as much. A 429 takes nothing: there the API
    itself says when to come again.
    """

    __slots__ = ("capacity", "refund", "tokens")

    def __init__(self, *, capacity: float = 100.0, refund: float = 0.1) -> None:
        if not capacity >= 0 or not refund >= 0:
            raise ConfigurationError(f"a retry budget takes no negative numbers: {capacity=}, {refund=}")
        self.capacity = capacity
        self.refund = refund
        self.tokens = capacity
        """How many retries are left before a success gives more."""

    def take(self) -> bool:
        """Take one token, or say that there is none."""
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def give(self) -> None:
        """Give a success's share back."""
        if self.tokens < self.capacity:
            self.tokens = min(self.capacity, self.tokens + self.refund)


def _check_not_negative(_: object, attribute: Attribute[Any], value: float) -> None:
    if not (is_number(value) and value >= 0):
        raise ConfigurationError(f"RetryPolicy.{attribute.name} is {value!r}; it takes 0 or more")


@public()
@frozen(kw_only=True)
class RetryPolicy:
    """Say how often and how patiently a call is tried again. Times are in seconds."""

    max_retries: int = field(default=4, validator=_check_not_negative)
    """Attempts after the first; 0 switches retries off."""
    base_delay: float = field(default=0.25, validator=_check_not_negative)
    """The first wait is drawn from 0 to this, the next from 0 to twice this, and so on (full jitter)."""
    max_delay: float = field(default=20.0, validator=_check_not_negative)
    """The bound of that range."""
    max_retry_after: float = field(default=60.0, validator=_check_not_negative)
    """The longest Retry-After that is waited for; a longer one raises at once."""
    budget: RetryBudget | None = None
    """None: one of the client's own, shared with its clones."""


@frozen
class Wait:
    """Try again after so many seconds."""

    seconds: float
    reason: str
    charged: bool
    """Whether the retry takes from the budget."""


def decide(
    outcome: Outcome,
    *,
    attempt: int,
    repeatable: bool,
    policy: RetryPolicy,
    remaining: float | None,
    jitter: float,
) -> Wait | Stop:
    """Decide what follows an attempt that did not succeed.

    `attempt` is 1 for the first. `remaining` is the seconds left until the deadline, None for no bound.
    `jitter` is a random number from 0 to 1.
    """
    if isinstance(outcome, APIResponseError):
        return Stop(StopReason.OUT_OF_CONTRACT, "a response out of contract stays so")
    if not _may_repeat(outcome, repeatable=repeatable):
        if _is_transient(outcome):
            return Stop(StopReason.MAY_HAVE_HAPPENED, "it may have happened")
        return Stop(StopReason.PERMANENT_STATUS, "this status does not pass by itself")
    if attempt > policy.max_retries:
        return Stop(StopReason.RETRIES_USED_UP, f"{policy.max_retries} retries are used up")
    seconds = jitter * min(policy.max_delay, policy.base_delay * 2 ** min(attempt - 1, 60))
    asked = outcome.retry_after if isinstance(outcome, Response) else None
    if asked is not None:
        if asked > policy.max_retry_after:
            bound = f"max_retry_after of {policy.max_retry_after:g} s"
            return Stop(StopReason.RETRY_AFTER_TOO_LONG, f"Retry-After is {asked:g} s, over {bound}")
        seconds += asked
    if remaining is not None and seconds >= remaining:
        return Stop(
            StopReason.PAST_DEADLINE, f"the next attempt would begin in {seconds:.3g} s, past the deadline"
        )
    if isinstance(outcome, Response):
        return Wait(seconds, f"status {outcome.status}", charged=outcome.status != 429)
    return Wait(seconds, type(outcome).__name__, charged=True)


def _may_repeat(outcome: Response | APIConnectionError, *, repeatable: bool) -> bool:
    if isinstance(outcome, Response):
        return is_rejected_unprocessed(outcome) or (repeatable and _is_transient(outcome))
    return repeatable or outcome.sent is False


def _is_transient(outcome: Response | APIConnectionError) -> bool:
    return not isinstance(outcome, Response) or outcome.status in TRANSIENT_STATUSES


class Retry:
    """The middleware that tries again, within the policy, the budget and the deadline."""

    def __init__(
        self,
        policy: RetryPolicy,
        budget: RetryBudget,
        *,
        notify: Notify | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._budget = budget
        self._notify = notify
        self._clock = clock
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._draw = draw

    async def __call__(self, request: Request, call_next: Next) -> Response:
        """Send the request until its outcome stands.

        Returns the last Response, whatever its status. Raises the last APIConnectionError or
        APIResponseError, or DeadlineExceededError where the deadline came first.
        """
        earlier: tuple[Attempt, ...] = ()
        outcome: Outcome | None = None
        tries = 0
        while True:
            tries += 1
            began = self._clock()
            try:
                outcome = await call_next(request)
            except (APIConnectionError, APIResponseError) as error:
                outcome = error
            except AccessKeysError as error:  # it came to no attempt this time
                error.attempts = (*earlier, *error.attempts)
                if isinstance(error, DeadlineExceededError):
                    error.last = outcome
                raise
            for lost in outcome.earlier if isinstance(outcome, Response) else outcome.attempts:
                earlier = (*earlier, self._note_lost(request, lost, number=len(earlier) + 1))
            if self._notify is not None or logger.isEnabledFor(logging.DEBUG):
                self._report(request, outcome, number=len(earlier) + 1, elapsed=self._clock() - began)
            if isinstance(outcome, Response) and (outcome.status < 500 and outcome.status != 429):
                if self._budget.tokens < self._budget.capacity:
                    self._budget.give()
                return evolve(outcome, earlier=earlier) if earlier else outcome
            elapsed = self._clock() - began
            decision = self._decide(request, outcome, attempt=tries)
            wait = decision.seconds if isinstance(decision, Wait) else 0.0
            attempt = describe_attempt(
                outcome,
                number=len(earlier) + 1,
                started_at=self._wall_clock() - elapsed,
                elapsed=elapsed,
                wait=wait,
            )
            if isinstance(decision, Stop):
                if isinstance(outcome, Response):
                    return evolve(outcome, earlier=earlier, stopped=decision)
                # Raised here, and not in the handler, so that nothing of aiohttp hangs on to it.
                raise self._conclude(request, outcome, (*earlier, attempt), decision)
            earlier = (*earlier, attempt)
            self._announce(request, decision, attempt=attempt.number)
            await self._sleep(wait)

    def _decide(self, request: Request, outcome: Outcome, *, attempt: int) -> Wait | Stop:
        decision = decide(
            outcome,
            attempt=attempt,
            repeatable=request.repeatable,
            policy=self._policy,
            remaining=self._remaining(request),
            jitter=self._draw(),
        )
        if isinstance(decision, Wait) and decision.charged and not self._budget.take():
            return Stop(StopReason.BUDGET_EMPTY, "the retry budget is empty")
        return decision

    def _remaining(self, request: Request) -> float | None:
        return None if request.deadline is None else request.deadline - self._clock()

    def _conclude(
        self,
        request: Request,
        error: APIConnectionError | APIResponseError,
        attempts: tuple[Attempt, ...],
        stop: Stop,
    ) -> AccessKeysError:
        error.attempts = attempts
        if isinstance(error, APIResponseError):
            return error
        if stop.reason is StopReason.BUDGET_EMPTY:
            error.__cause__ = BudgetExhaustedError(f"{request}: {stop}; the API fails too often")
        remaining = self._remaining(request)
        known = request.repeatable or error.sent is False
        if remaining is None or remaining > CLOCK_GRAIN or not known:
            return error
        late = DeadlineExceededError(
            f"{request}: the deadline came in attempt {len(attempts)} ({error}); allow more, or try again",
            last=error,
        )
        late.attempts = attempts
        return late

    def _report(self, request: Request, outcome: Outcome, *, number: int, elapsed: float) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            what = outcome.status if isinstance(outcome, Response) else type(outcome).__name__
            logger.debug("%s: %s in %.3f s, attempt %d", request, what, elapsed, number)
        if self._notify is not None:
            started_at = self._wall_clock() - elapsed
            attempt = describe_attempt(outcome, number=number, started_at=started_at, elapsed=elapsed)
            self._notify(AttemptFinished(request, attempt))

    def _note_lost(self, request: Request, lost: Attempt, *, number: int) -> Attempt:
        """Report what was lost with a dead kept connection: that is no retry, and costs no budget."""
        attempt = evolve(lost, number=number)
        logger.debug("%s: %s, sent again at once, attempt %d", request, lost.error, number)
        if self._notify is not None:
            self._notify(AttemptFinished(request, attempt))
        return attempt

    def _announce(self, request: Request, wait: Wait, *, attempt: int) -> None:
        logger.warning("%s: %s; trying again in %.3f s", request, wait.reason, wait.seconds)
        if self._notify is not None:
            self._notify(WaitStarted(request, attempt, wait.seconds, wait.reason))
