"""The listings of many organizations, concurrently."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar
from uuid import UUID

from accesskeys_async._listing.pages import KeyStream
from accesskeys_async._public import public
from accesskeys_async._workers import Emit, Items, Outcome, WorkerPool
from accesskeys_async.errors import AccessKeysError
from accesskeys_async.records import AccessKeyPage

AnyId = TypeVar("AnyId", bound=str | UUID)
AnyStream = TypeVar("AnyStream", bound=KeyStream)


@public()
class Listings(Generic[AnyId, AnyStream]):
    """Many organizations' keys: `async for org, listing in listings` (`listAccessKeys`).

    `client.list_many` and `client.scan_many` return it. Each organization comes once, as the caller gave it,
    when its first page has come or has failed. Its listing has that page already, and `prefetch` further
    pages are in flight. Iterate the listing inside the loop, or in a task of your own. If one organization
    fails, its listing's `error` is set and iterating that listing raises it; the other listings go on.

    At most `at_once` organizations are being started, and at most `at_once` started ones wait for the caller.
    No further one is started while they wait. A listing that was yielded belongs to the caller and does not
    count here. It fetches `prefetch` pages after its first, and nothing more until it is iterated.

    Inside the loop one organization is read page after page while the others wait. `pages` yields the pages
    of all of them as fast as they come.

    Args:
        orgs: The organizations' ids.
        begin: Returns the key stream of an organization. Its second argument is the number of pages to
            prefetch.
        prefetch: How many pages of each organization to fetch before they are wanted.
        at_once: How many organizations to read at a time, 1 or more.

    Example:
        ```python
        async for org, listing in client.list_many(orgs):
            if listing.error is None:
                print(org, len(await listing.collect()))
        ```
    """

    def __init__(
        self,
        orgs: Items[AnyId],
        begin: Callable[[AnyId, int], AnyStream],
        *,
        prefetch: int,
        at_once: int,
    ) -> None:
        self._orgs = orgs
        self._begin = begin
        self._prefetch = prefetch
        self._at_once = at_once

    def __aiter__(self) -> AsyncIterator[tuple[AnyId, AnyStream]]:
        return self.items()

    def items(self) -> AsyncGenerator[tuple[AnyId, AnyStream], None]:
        """Yield each organization and its listing, as `async for` over the object itself does.

        Leaving early cancels the prefetching; a listing that was yielded can still be read.

        Yields:
            Pairs of an organization and its listing.
        """

        async def work(org: AnyId, emit: Emit[tuple[AnyId, AnyStream]]) -> None:
            stream = self._begin(org, self._prefetch)
            await stream.start()
            await emit((org, stream))
            if self._prefetch and stream.error is None:
                await stream.start(pages=1 + self._prefetch)

        return WorkerPool(self._orgs, work, workers=self._at_once).results()

    def pages(self) -> AsyncGenerator[Outcome[AnyId, AccessKeyPage], None]:
        """Yield every page of every organization as it comes.

        `at_once` organizations take turns, one page each, so that a large one delays no other. The next one
        is started when one of them has ended. At most two pages of each of the `at_once` wait for the
        caller. Leaving early cancels the requests in flight.

        Yields:
            Outcomes with the organization as `item`; an error is an organization's last outcome.
        """

        async def work(org: AnyId, emit: Emit[Outcome[AnyId, AccessKeyPage]]) -> None:
            try:
                async with aclosing(self._begin(org, 0).pages()) as pages:
                    async for page in pages:
                        await emit(Outcome(org, page))
                        del page  # before the next is decoded, which then reuses its memory
            except AccessKeysError as error:
                await emit(Outcome(org, error=error))

        return WorkerPool(self._orgs, work, workers=self._at_once).results()
