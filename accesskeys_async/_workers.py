"""A bounded number of workers over any number of items, and what comes of them as it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from typing import Generic, TypeAlias, TypeVar

from attrs import frozen

from accesskeys_async._public import public
from accesskeys_async._tasks import stop_tasks
from accesskeys_async.errors import AccessKeysError

Item = TypeVar("Item")
Product = TypeVar("Product")
Result = TypeVar("Result")

Items: TypeAlias = Iterable[Item] | AsyncIterable[Item]
HandOn: TypeAlias = Callable[[Product], Awaitable[None]]
"""Passes one product on to the caller, and waits while too many others do."""


class Crew(Generic[Item, Product]):
    """Work on many items, so many at once, and hand on what comes of them.

    An item is asked for when a worker is free for it, and a worker whose product has no room waits: so what
    is in memory is bounded, however many items there are and however slow the caller is. At most as many
    products wait as there are workers; each of them may hold one more.
    """

    def __init__(
        self,
        items: Items[Item],
        work: Callable[[Item, HandOn[Product]], Awaitable[None]],
        *,
        workers: int,
    ) -> None:
        self._items: Iterator[Item] | AsyncIterator[Item] = (
            aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        )
        self._work = work
        self._workers = workers
        self._hired = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._is_over = False
        self._is_left = False
        self._failure: BaseException | None = None
        self._outbox: deque[Product] = deque()
        self._room = asyncio.Semaphore(workers)
        self._came = asyncio.Event()

    async def products(self) -> AsyncGenerator[Product, None]:
        """Yield each product as it comes.

        Leaving cancels the work under way, and waits for its end. An exception of the items' iterable, or
        one that the work lets out, stops the asking for items; the work under way is finished and handed
        on, and then it is raised as it was.
        """
        # No task group: that must not be left open across a yield.
        self._hire()
        try:
            while self._outbox or self._tasks:
                if self._outbox:
                    product = self._outbox.popleft()
                    self._room.release()
                    yield product
                else:
                    self._came.clear()
                    await self._came.wait()
            if self._failure is not None:
                raise self._failure
        finally:
            self._is_over = self._is_left = True
            await stop_tasks(self._tasks)

    def _hire(self) -> None:
        if self._is_over or self._hired == self._workers:
            return
        self._hired += 1
        task = asyncio.create_task(self._run(), name=f"accesskeys fan-out {self._hired}")
        self._tasks.add(task)
        task.add_done_callback(self._leave)

    def _leave(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        try:
            failure = task.exception()
        except asyncio.CancelledError as cancelled:
            failure = cancelled
        if failure is not None:
            self._is_over = True
            self._failure = self._failure or failure
        self._came.set()

    async def _run(self) -> None:
        """Work on item after item. What goes wrong ends the asking, and not the others' work."""
        try:
            while not self._is_over:
                try:
                    item = await self._take()
                except StopAsyncIteration:
                    self._is_over = True
                    break
                # Nobody is hired before there was an item for the last one; and not from here, since a task
                # that starts eagerly would hire the next before this one has begun.
                if self._hired < self._workers:
                    asyncio.get_running_loop().call_soon(self._hire)
                await self._work(item, self._hand_on)
        except BaseException:
            self._is_over = True
            raise

    async def _take(self) -> Item:
        if isinstance(self._items, Iterator):
            for item in self._items:
                return item
            raise StopAsyncIteration
        async with self._turn:  # an async generator can't be asked twice at a time
            if self._is_over:
                raise StopAsyncIteration
            return await anext(self._items)

    async def _hand_on(self, product: Product) -> None:
        if self._is_left:  # by work that went on in spite of its cancellation
            raise asyncio.CancelledError("nobody waits for the product")
        await self._room.acquire()
        self._outbox.append(product)
        self._came.set()


@public()
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
