"""A bounded number of workers for any number of items, and a stream of their results."""

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
from accesskeys_async.errors import AccessKeysError

Item = TypeVar("Item")
Result = TypeVar("Result")

Items: TypeAlias = Iterable[Item] | AsyncIterable[Item]
Emit: TypeAlias = Callable[[Result], Awaitable[None]]
"""Passes one result to the caller, and waits while too many others do."""


class WorkerPool(Generic[Item, Result]):
    """Work on many items with a bounded number of tasks, and yield the results.

    A worker takes an item when it is free, and waits while there is no slot for its result. So memory is
    bounded, however many items there are and however slow the caller is: at most one result for each worker
    waits for the caller, and each worker may hold one more.
    """

    def __init__(
        self,
        items: Items[Item],
        work: Callable[[Item, Emit[Result]], Awaitable[None]],
        *,
        workers: int,
    ) -> None:
        self._items: Iterator[Item] | AsyncIterator[Item] = (
            aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        )
        self._work = work
        self._workers = workers
        self._worker_count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._items_lock = asyncio.Lock()
        self._is_over = False
        self._is_closed = False
        self._failure: BaseException | None = None
        self._results: deque[Result] = deque()
        self._result_slots = asyncio.Semaphore(workers)
        self._result_ready = asyncio.Event()

    async def results(self) -> AsyncGenerator[Result, None]:
        """Yield each result as it comes.

        Leaving early cancels the work in flight, and waits for its end. An exception of the items' iterable,
        or one that the work raises, is raised once the work in flight has ended and its results were
        yielded. No further item is taken meanwhile.
        """
        # No task group: that must not be left open across a yield.
        self._start_worker()
        try:
            while self._results or self._tasks:
                if self._results:
                    result = self._results.popleft()
                    self._result_slots.release()
                    yield result
                else:
                    self._result_ready.clear()
                    await self._result_ready.wait()
            if self._failure is not None:
                raise self._failure
        finally:
            self._is_over = self._is_closed = True
            await stop_tasks(self._tasks)

    def _start_worker(self) -> None:
        if self._is_over or self._worker_count == self._workers:
            return
        self._worker_count += 1
        task = asyncio.create_task(self._run(), name=f"accesskeys worker {self._worker_count}")
        self._tasks.add(task)
        task.add_done_callback(self._end_worker)

    def _end_worker(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        try:
            failure = task.exception()
        except asyncio.CancelledError as cancelled:
            failure = cancelled
        if failure is not None:
            self._is_over = True
            self._failure = self._failure or failure
        self._result_ready.set()

    async def _run(self) -> None:
        """Work on item after item. A failure stops the taking of items, and not the other workers."""
        try:
            while not self._is_over:
                try:
                    item = await self._next_item()
                except StopAsyncIteration:
                    self._is_over = True
                    break
                # A worker is started only once the last one has an item. It is not started from here, since
                # a task that starts eagerly would start the next one before this one has begun.
                if self._worker_count < self._workers:
                    asyncio.get_running_loop().call_soon(self._start_worker)
                await self._work(item, self._emit)
        except BaseException:
            self._is_over = True
            raise

    async def _next_item(self) -> Item:
        if isinstance(self._items, Iterator):
            for item in self._items:
                return item
            raise StopAsyncIteration
        async with self._items_lock:  # an async generator can't run twice at a time
            if self._is_over:
                raise StopAsyncIteration
            return await anext(self._items)

    async def _emit(self, result: Result) -> None:
        if self._is_closed:  # the work went on in spite of its cancellation
            raise asyncio.CancelledError("nobody waits for the result")
        await self._result_slots.acquire()
        self._results.append(result)
        self._result_ready.set()


@public()
@frozen
class Outcome(Generic[Item, Result]):
    """What one call of many gave: a result, or an error.

    Example:
        ```python
        async for outcome in client.get_many(org, ids):
            print(outcome.item, outcome.error or outcome.result)
        ```
    """

    item: Item
    """The item of the call, as the caller gave it."""
    result: Result | None = None
    """What the call returned; None after a failure, and after a delete."""
    error: AccessKeysError | None = None
    """What the call raised; None after a success."""

    def unwrap(self) -> Result:
        """Return the result, or raise the error.

        Returns:
            The result; None after a delete.

        Raises:
            AccessKeysError: The call failed; this is `error`.
        """
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # without an error it is the result, None included


def call_each(
    items: Items[Item], call: Callable[[Item], Awaitable[Result]], *, workers: int
) -> AsyncGenerator[Outcome[Item, Result], None]:
    """Call for each item, at most `workers` at a time, and yield each outcome as it completes.

    An AccessKeysError is an outcome. Any other exception is raised, see `WorkerPool.results`.
    """

    async def work(item: Item, emit: Emit[Outcome[Item, Result]]) -> None:
        try:
            outcome = Outcome(item, await call(item))
        except AccessKeysError as error:
            outcome = Outcome[Item, Result](item, error=error)
        await emit(outcome)

    return WorkerPool(items, work, workers=workers).results()


async def stop_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks, and return once all of them have ended.

    The caller may be cancelled meanwhile, once or repeatedly, as anyio's cancel scopes do. That is raised
    once no task runs any longer. If no task runs at the start, nothing is awaited: so a loop that closes
    nested generators at its end finds none of them running.
    """
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while left:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = error
        left = [task for task in left if not task.done()]
    if cancelled is not None:
        raise cancelled
