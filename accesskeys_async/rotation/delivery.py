"""What a rotation asks of its surroundings: a sink that keeps the new token, a probe that tries it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import UUID

from attrs import frozen

from accesskeys_async.records import CreatedAccessKey, Token

__all__ = ["CurrentToken", "Delivery", "Probe", "Sink"]


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
"""

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

        async def keep(delivery: Delivery) -> None:
            await sink(delivery)
            self._token = delivery.token

        return keep
