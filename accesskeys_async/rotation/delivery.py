"""What a rotation asks of its surroundings: a sink that keeps the new token, a probe that tries it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, runtime_checkable
from uuid import UUID

from attrs import frozen

from accesskeys_async.records import CreatedAccessKey, Token


@frozen(kw_only=True)
class Delivery:
    """A new token on its way to the sink."""

    rotation_id: UUID
    replaces: UUID
    """The old key's id."""
    attempt: int
    """1 for the rotation's first new key. A later delivery of the same rotation has a higher one and wins."""
    key: CreatedAccessKey

    @property
    def token(self) -> Token:
        """The new key's token."""
        return self.key.token


Sink: TypeAlias = Callable[[Delivery], Awaitable[None]]
"""Returns once the token is kept durably. Raises SinkUnsureError where it can't tell whether it is, and
anything else only where what it held before is still in place: the new key is deleted then.

It may be called again for the same rotation, with another key: the last one counts.

A sink may have two more methods, both of which take the id of the key that is replaced:
`async check(replaces)` raises if a token could not be kept, before a key is created for it; and
`target(replaces)` names the place, so that two keys never share one.
"""


@runtime_checkable
class _CheckedSink(Protocol):
    """A sink that says beforehand what stands in its way."""

    async def check(self, replaces: UUID) -> None:
        """Raise if the token of a key that replaces this one could not be kept."""
        ...


Probe: TypeAlias = Callable[[CreatedAccessKey], Awaitable[None]]
"""Returns where the new key does its work, and raises where it does not."""


class CurrentToken:
    """A token that changes under way: for a client that rotates the very key it uses.

    Give it to the client as its `token`, and the sink as `current.follow(sink)` to the rotator: the client
    goes over as soon as the sink has acknowledged. After a restart, begin with what the sink holds.
    """

    def __init__(self, token: Token | str) -> None:
        self._token = token if isinstance(token, Token) else Token(token)

    async def __call__(self) -> Token:
        """Return the token to use now."""
        return self._token

    def follow(self, sink: Sink) -> Sink:
        """Make a sink of a sink that also takes the token over here, once the other has acknowledged."""
        return _Following(sink, self._take)

    def _take(self, token: Token) -> None:
        self._token = token


@frozen
class _Following:
    _sink: Sink
    _take: Callable[[Token], None]

    async def __call__(self, delivery: Delivery) -> None:
        await self._sink(delivery)
        self._take(delivery.token)

    async def check(self, replaces: UUID) -> None:
        await check_sink(self._sink, replaces)

    @property
    def target(self) -> object:
        return getattr(self._sink, "target", None)


async def check_sink(sink: Sink, replaces: UUID) -> None:
    """Let a sink say beforehand what stands in its way, if it can."""
    checked: object = sink
    if isinstance(checked, _CheckedSink):
        await checked.check(replaces)


def get_fingerprint(sink: Sink, replaces: UUID) -> str | None:
    """Return what tells a sink's target from others; None if the sink does not name it."""
    target = getattr(sink, "target", None)
    return hashlib.sha256(str(target(replaces)).encode()).hexdigest()[:32] if callable(target) else None
