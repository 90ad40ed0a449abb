"""Reading an organization from both ends at a time, until the two directions meet."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

from attrs import evolve

from accesskeys_async._listing.meeting_point import MeetingPoint
from accesskeys_async._listing.pages import FetchPage, KeyStream
from accesskeys_async._listing.prefetching import Prefetcher, Wakeup, close_prefetchers
from accesskeys_async._public import public
from accesskeys_async.errors import AccessKeysError
from accesskeys_async.records import AccessKeyPage

INLINE_PAGES: Final = 2
"""How many pages are fetched without a task if the backward direction starts later."""
MIN_PAGES_TO_SPECULATE: Final = 8
"""How many pages a direction must have brought before its next request is sent on a peek.

If the directions have met, that request is wasted. After this number of pages it costs little."""


@public()
class Scan(KeyStream):
    """All keys of one organization, each once, read from both ends at a time (`listAccessKeys`).

    `client.scan` returns it. It takes half the time of a listing, and the keys come in no order. A key that
    exists throughout is yielded exactly once, whatever is created and deleted meanwhile. A scan remembers the
    id of every key, in at most 100 bytes each.

    The directions have met when one finds, in reverse order, the last 10 keys that the other one brought. If
    it finds other keys of it, `reverse` does not mirror the order (the service ignores it, or keys were
    created and deleted just there). Then the forward direction alone reads on to its end.

    The backward direction starts when `start_backward_after` pages have come and another one follows. So an
    organization of one page takes one request. Each `async for` starts again. Leaving it cancels the requests
    in flight.

    Iterating raises what `client.get` does, and PaginationError. The errors have no `cursor`, since a scan
    cannot be continued.

    Args:
        forward: Returns the page at a page token, or the first page for None.
        backward: The same from the other end.
        start_backward_after: After how many forward pages the backward direction starts, 1 or more.

    Example:
        ```python
        names = {key.name async for key in client.scan(org)}
        ```
    """

    def __init__(self, forward: FetchPage, backward: FetchPage, *, start_backward_after: int = 1) -> None:
        self._forward = forward
        self._backward = backward
        self._start_backward_after = start_backward_after
        self._scan: TwoWayScan | None = None
        self.error: AccessKeysError | None = None
        """What the last pass, or `start`, failed with; None if it did not fail."""
        self.complete = False
        """Whether every key has been yielded."""
        self.mirrored: bool | None = None
        """Whether the directions met as mirrors do; None if they did not meet, or not yet."""
        self.duplicates = 0
        """How many repeated keys were left out; some are where the directions meet."""

    async def start(self, *, pages: int = 1) -> None:
        """Fetch forward pages before the next `async for`, which raises what fails here.

        A failure is in `error` at once. After an `async for` has started, this does nothing.

        Args:
            pages: How many pages to fetch in all.
        """
        if self._scan is None:
            self._scan = self._new_scan()
        await self._scan.start(pages)
        self.error = self._scan.failure

    async def pages(self) -> AsyncGenerator[AccessKeyPage, None]:
        """Yield the pages of both directions as they come, without repeated keys.

        A page's `next_page_token` belongs to its own direction.

        Yields:
            The pages that have new keys.
        """
        self.error, self.complete, self.mirrored, self.duplicates = None, False, None, 0
        if self._scan is None or self._scan.started:
            self._scan = self._new_scan()
        scan = self._scan
        scan.started = True
        keys = scan.meeting_point
        try:
            while (page := await scan.next()) is not None:
                self.mirrored, self.duplicates = keys.mirrored, keys.duplicates
                yield page
                del page  # before the next is decoded, which then reuses its memory
            self.mirrored, self.duplicates, self.complete = keys.mirrored, keys.duplicates, True
        except AccessKeysError as error:
            self.error = error
            raise
        finally:
            await scan.close()

    def _new_scan(self) -> TwoWayScan:
        return TwoWayScan(self._forward, self._backward, self._start_backward_after)


class TwoWayScan:
    """One pass: two prefetchers, each with one request in flight, and their meeting point.

    The caller decodes the pages. In the midst of an organization a direction's next request is sent on a
    peek at the page token: pages that come from both ends at once are then decoded while the service works.
    """

    def __init__(self, forward: FetchPage, backward: FetchPage, start_backward_after: int) -> None:
        arrival = Wakeup()
        self._arrival = arrival
        self._forward = Prefetcher(forward, look_ahead=1, name="scan forward", arrival=arrival)
        self._backward = Prefetcher(backward, look_ahead=1, name="scan backward", arrival=arrival)
        self._start_backward_after = start_backward_after
        self._inline_pages = min(INLINE_PAGES, start_backward_after - 1)
        self._decoded: deque[AccessKeyPage] = deque()
        self._failure: Exception | None = None
        self._is_backward_started = False
        self.meeting_point = MeetingPoint()
        self.started = False
        """Whether an `async for` has taken it."""
        # Before the backward direction starts nothing can have met: the request on a peek is never wasted.
        self._forward.on_arrival = self._on_forward_arrival
        self._backward.speculates = False

    @property
    def failure(self) -> AccessKeysError | None:
        """The error that ended the scan, or None."""
        return self._failure if isinstance(self._failure, AccessKeysError) else None

    async def start(self, pages: int) -> None:
        """Fetch forward until `pages` pages were fetched, unless a pass has started."""
        while not self.started and self._failure is None and self._forward.can_fetch_now(pages):
            await self._fetch_now(pages)

    async def next(self) -> AccessKeyPage | None:
        """Return the next page with new keys, or None after the last."""
        while not self._decoded:
            if self._failure is not None:
                raise self._failure
            if self.meeting_point.is_over:
                return None
            if (prefetcher := self._next_to_decode()) is not None:
                await self._decode(prefetcher)
            elif self._forward.fetched < self._inline_pages:
                await self._fetch_now(self._inline_pages)
            elif not self._forward.is_running:
                self._run_ahead()
                if not self._forward.is_running:  # `start` fetches at this moment
                    await self._fetch_now(self._forward.fetched + 1)
            elif self._check_tasks():
                await self._arrival.wait()
        if self._forward.fetched >= self._inline_pages:
            self._run_ahead()
        return self._decoded.popleft()

    async def close(self) -> None:
        """Stop fetching, and return once nothing is in flight."""
        # Waiting for requests that are no longer needed would cost a round trip at the end of every scan.
        await close_prefetchers(self._forward, self._backward)
        for direction in (self.meeting_point.forward, self.meeting_point.backward):
            direction.ids.clear()

    def _next_to_decode(self) -> Prefetcher | None:
        """Return the prefetcher to decode a page of: the one that is behind, if both have one."""
        keys = self.meeting_point
        if not (self._backward.undecoded and keys.is_wanted(keys.backward)):
            return self._forward if self._forward.undecoded else None
        if self._forward.undecoded and keys.forward.pages <= keys.backward.pages:
            return self._forward
        return self._backward

    async def _fetch_now(self, until: int) -> None:
        try:
            page = await self._forward.fetch_now(until)
        except Exception as error:  # noqa: BLE001 - raised by `next`
            self._fail(error)
        else:
            self._accept_page(self._forward, page)

    async def _decode(self, prefetcher: Prefetcher) -> None:
        try:
            page = await prefetcher.decode()
        except Exception as error:  # noqa: BLE001 - raised by `next`
            self._fail(error)
            return
        self._accept_page(prefetcher, page)
        if self.meeting_point.mirrored is False:
            await self._backward.close()

    def _fail(self, error: Exception) -> None:
        if isinstance(error, AccessKeysError):
            error.cursor = None
        self._failure = error

    def _accept_page(self, prefetcher: Prefetcher, page: AccessKeyPage | None) -> None:
        if page is None:
            return
        meeting_point = self.meeting_point
        direction = meeting_point.forward if prefetcher is self._forward else meeting_point.backward
        keys, progress = meeting_point.accept(direction, page)
        prefetcher.cursor.advance(page, new_keys=progress)
        if keys:
            self._decoded.append(page if len(keys) == len(page.results) else evolve(page, results=keys))
        if self._forward.is_running:
            self._run_ahead()
        prefetcher.speculates = direction.pages >= MIN_PAGES_TO_SPECULATE or (
            prefetcher is self._forward and not self._is_backward_started
        )

    def _run_ahead(self) -> None:
        """Start the tasks that are due."""
        if self.meeting_point.is_over:
            return
        self._forward.run_ahead()
        if self._forward.is_running and self._forward.fetched >= self._start_backward_after:
            self._start_backward()

    def _start_backward(self) -> None:
        if not self._is_backward_started:
            self._is_backward_started = True  # first: a task may run before `run_ahead` returns
            self._backward.run_ahead()

    def _on_forward_arrival(self) -> None:
        if self._forward.fetched >= self._start_backward_after and self._forward.has_next:
            self._start_backward()

    def _check_tasks(self) -> bool:
        """Return whether a task runs. Raises CancelledError if all of them were cancelled from outside."""
        if self._forward.is_active or self._backward.is_active:
            return True
        return self._backward.check_task() or self._forward.check_task()
