"""How patient a rotator is, and what it goes by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from attrs import field, frozen

from accesskeys_async._client.recoverable_create import new_nonce
from accesskeys_async.errors import ConfigurationError


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def _check_span(_: object, attribute: object, value: timedelta) -> None:
    if value <= timedelta(0):
        name = getattr(attribute, "name", "a length of time")
        raise ConfigurationError(f"RotationSettings.{name} is {value}; it takes more than 0")


@frozen(kw_only=True)
class RotationSettings:
    """Say how patient a rotator is.

    Raises:
        ConfigurationError: A length of time is not above 0, or `lease` is less than three times `act`.
    """

    lease: timedelta = field(default=timedelta(minutes=5), validator=_check_span)
    """How long a worker that went silent keeps others away. Its clock may differ from theirs by a third."""
    act: timedelta = field(default=timedelta(seconds=60), validator=_check_span)
    """The bound of one act: a request with its retries, one call of the sink, one of the probe."""
    settle: timedelta = field(default=timedelta(seconds=30), validator=_check_span)
    """How long after its end a create whose answer was lost may still bring forth a key."""
    idle: timedelta = field(default=timedelta(days=1), validator=_check_span)
    """How long an old key that was used after the cut-over must then go unused."""
    most_keys: int = 5
    """How many new keys one rotation makes at most before it asks for a person."""
    worker: str = "worker"
    """Names the worker in the journal."""
    clock: Callable[[], datetime] = utc_now
    draw_nonce: Callable[[], str] = new_nonce

    def __attrs_post_init__(self) -> None:
        if self.lease < 3 * self.act:
            raise ConfigurationError(
                f"RotationSettings.lease is {self.lease} and act is {self.act}; the lease must be three "
                "times as long at least, so that no act outlives it"
            )
