"""A pager that fetches pages before they are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from accesskeys_async._listing.pages import FetchPage, Pager
from accesskeys_async._workers import stop_tasks
from accesskeys_async.records import AccessKeyPage


class Wakeup:
    """Lets one task wait until another notifies it."""

    __slots__ = ("_future", "is_awaited")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self.is_awaited = False
        """Whether a task waits; true until it runs again."""

    async def wait(self) -> None:
        """Wait for the next `notify`."""
        self._future = asyncio.get_running_loop().create_future()
        self.is_awaited = True
        try:
            await self._future
        finally:
            self.is_awaited = False

    def notify(self) -> None:
        """Wake the task that waits, if there is one."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


class Prefetcher:
    """A pager with a task that fetches up to `look_ahead` pages before they are wanted.

    Pages are decoded when the caller asks for them. If the caller is waiting already, the next request is
    sent as soon as a peek finds its page token, so that the service works while the page is decoded. The
    caller passes each decoded page with `cursor.advance` before it asks for the next.
    """

    __slots__ = (
        "_fetch_lock",
        "_is_closed",
        "_look_ahead",
        "_name",
        "_pager",
        "_room",
        "_task",
        "arrival",
        "cursor",
        "failure",
        "fetched",
        "on_arrival",
        "speculates",
        "undecoded",
    )

    def __init__(
        self,
        fetch: FetchPage,
        page_token: str | None = None,
        *,
        look_ahead: int,
        name: str = "prefetch",
        arrival: Wakeup | None = None,
    ) -> None:
        self._pager = Pager(fetch, page_token)
        self._look_ahead = look_ahead
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._fetch_lock = asyncio.Lock()
        self._room = Wakeup()
        self._is_closed = False
        self.cursor = self._pager.cursor
        self.undecoded = self._pager.undecoded
        """The pages and failures that `decode` takes."""
        self.arrival = arrival or Wakeup()
        """Wakes the caller when a page has come, or the task has ended."""
        self.on_arrival: Callable[[], None] | None = None
        """Called when a page has come, before the caller wakes."""
        self.speculates = True
        """Whether the next request is sent before a page is decoded that the caller waits for."""
        self.fetched = 0
        """How many pages were fetched."""
        self.failure: BaseException | None = None
        """What fetching or decoding failed with."""

    @property
    def is_running(self) -> bool:
        """Whether pages are fetched by the task."""
        return self._task is not None

    @property
    def is_active(self) -> bool:
        """Whether the task runs still."""
        return self._task is not None and not self._task.done()

    @property
    def is_at_end(self) -> bool:
        """Whether there is nothing more to fetch."""
        return self.cursor.is_over or self.failure is not None

    @property
    def has_next(self) -> bool:
        """Whether a page follows the undecoded ones, as far as a peek shows."""
        return bool(self.undecoded) and self._pager.peek() is not None

    def can_fetch_now(self, until: int) -> bool:
        """Return whether `fetch_now` would fetch."""
        return self.fetched < until and self._task is None and not self.is_at_end

    async def fetch_now(self, until: int) -> AccessKeyPage | None:
        """Fetch and decode the next page without the task.

        Returns None if `until` pages were fetched meanwhile, the task was started, or nothing is left.
        """
        async with self._fetch_lock:
            if not self.can_fetch_now(until):
                return None
            if await self._pager.fetch() is None:
                self.fetched += 1
            return await self.decode()

    async def decode(self) -> AccessKeyPage | None:
        """Decode the oldest undecoded page, or raise the failure in its place.

        Returns None if it was fetched by a wrong peek: then fetching starts again at the cursor.
        """
        try:
            page = self._pager.decode()
        except BaseException as error:
            self.failure = error
            raise
        if page is None:
            await self._restart()
        else:
            self._room.notify()
        return page

    def run_ahead(self) -> None:
        """Start the task, unless it runs, or nothing is left, or `fetch_now` fetches in another task."""
        if self._task is None and self._look_ahead and not self.is_at_end and not self._fetch_lock.locked():
            arrival = self.arrival
            self._task = asyncio.create_task(self._fetch_loop(), name=f"accesskeys {self._name}")
            self._task.add_done_callback(lambda _: arrival.notify())

    def check_task(self) -> bool:
        """Return whether the task still runs. Raises CancelledError if it was cancelled from outside."""
        if self._task is None or not self._task.done():
            return self._task is not None
        if self._task.cancelled():
            raise asyncio.CancelledError(f"the {self._name} was cancelled from outside")
        self._task.result()
        self._task = None
        return False

    async def close(self) -> None:
        """Stop the task, and return once nothing is in flight."""
        await close_prefetchers(self)

    def stop(self) -> Iterable[asyncio.Task[None]]:
        """Let the task fetch no further page, and return it for `stop_tasks`."""
        self._is_closed = True
        self.on_arrival = None  # its owner refers to this object
        return () if self._task is None else (self._task,)

    async def _restart(self) -> None:
        if self._task is None:
            return
        self._is_closed = True
        await stop_tasks([self._task])
        self.undecoded.clear()
        self._is_closed, self._task = False, None
        self.run_ahead()

    async def _fetch_loop(self) -> None:
        while not self._is_closed:
            if not self._has_room():
                if self.cursor.is_over and not self.undecoded:
                    return
                await self._room.wait()
                continue
            failure = await self._pager.fetch()
            if failure is None:
                self.fetched += 1
            if self.on_arrival is not None:
                self.on_arrival()
            self.arrival.notify()
            if failure is not None:
                return

    def _has_room(self) -> bool:
        undecoded = len(self.undecoded)
        if not undecoded:
            return not self.cursor.is_over
        # A page that the caller waits for is as good as decoded: the next request is sent first.
        is_wanted = self.speculates and self.arrival.is_awaited
        return undecoded - is_wanted < self._look_ahead and self._pager.peek() is not None


async def close_prefetchers(*prefetchers: Prefetcher) -> None:
    """Close prefetchers together: if the caller is cancelled meanwhile, all of them have ended even so."""
    await stop_tasks([task for one in prefetchers for task in one.stop()])
