"""What came of one of many calls, as a value: a failure that belongs to one item ends no other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

from attrs import frozen

from accesskeys_async.crew import Crew, HandOn, Items
from accesskeys_async.errors import AccessKeysError

__all__ = ["Outcome", "call_each"]

Item = TypeVar("Item")
Result = TypeVar("Result")


@frozen
class Outcome(Generic[Item, Result]):
    """An item, and what its call gave: a result, or an error."""

    item: Item
    """As it was given."""
    result: Result | None = None
    """None where there is an error, and after a delete."""
    error: AccessKeysError | None = None

    def unwrap(self) -> Result:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # without an error it is the result, None included


def call_each(
    items: Items[Item], call: Callable[[Item], Awaitable[Result]], *, workers: int
) -> AsyncGenerator[Outcome[Item, Result], None]:
    """Call for each item, so many at once, and yield an outcome for each as it completes.

    An AccessKeysError is an outcome; any other exception is raised, see `Crew.products`.
    """

    async def work(item: Item, hand_on: HandOn[Outcome[Item, Result]]) -> None:
        try:
            outcome = Outcome(item, await call(item))
        except AccessKeysError as error:
            outcome = Outcome[Item, Result](item, error=error)
        await hand_on(outcome)

    return Crew(items, work, workers=workers).products()
