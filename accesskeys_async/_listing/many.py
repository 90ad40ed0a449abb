"""The listings of many organizations, side by side."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar
from uuid import UUID

from accesskeys_async._listing.pages import Reading
from accesskeys_async._public import public
from accesskeys_async._workers import Emit, Items, Outcome, WorkerPool
from accesskeys_async.errors import AccessKeysError
from accesskeys_async.records import AccessKeyPage

AnyId = TypeVar("AnyId", bound=str | UUID)
AnyReading = TypeVar("AnyReading", bound=Reading)


@public()
class Listings(Generic[AnyId, AnyReading]):
    """Many organizations' keys: `async for org, listing in listings`, or `async for outcome in pages()`.

    Each organization comes once, as it was given, when its first page is there or has failed. Its listing
    has that page already, and `prefetch` more are on their way; iterate it there and then, or in a task of
    your own. The failure of one organization is its listing's `error`, raised when that is iterated, and
    ends no other.

    `at_once` organizations are being begun at a time, and as many more wait to be taken; while they do, no
    other is begun. A listing that was handed out is the caller's: it takes no place here, and what is
    ahead in it stays at its first page and `prefetch` more until it is iterated, which may be never.

    Within the loop, an organization is read page after page while the others wait. For all the pages as fast
    as they come, there is `pages`.
    """

    def __init__(
        self,
        orgs: Items[AnyId],
        begin: Callable[[AnyId, int], AnyReading],
        *,
        prefetch: int,
        at_once: int,
    ) -> None:
        self._orgs = orgs
        self._begin = begin
        self._prefetch = prefetch
        self._at_once = at_once

    def __aiter__(self) -> AsyncIterator[tuple[AnyId, AnyReading]]:
        return self.items()

    def items(self) -> AsyncGenerator[tuple[AnyId, AnyReading], None]:
        """Yield each organization and its listing; what `async for` over the object itself does.

        Leaving early cancels what is fetched ahead; a listing that was handed out can still be read.
        """

        async def work(org: AnyId, emit: Emit[tuple[AnyId, AnyReading]]) -> None:
            reading = self._begin(org, self._prefetch)
            await reading.start()
            await emit((org, reading))
            if self._prefetch and reading.error is None:
                await reading.start(pages=1 + self._prefetch)

        return WorkerPool(self._orgs, work, workers=self._at_once).results()

    def pages(self) -> AsyncGenerator[Outcome[AnyId, AccessKeyPage], None]:
        """Yield every page of every organization as it comes; the outcome's item is the organization.

        `at_once` organizations take turns, a page each, so that a large one delays no other; the next is
        begun when one of them is through. An error is the organization's last outcome. At most two pages
        for each of the `at_once` wait for the caller. Leaving early cancels what is under way.
        """

        async def work(org: AnyId, emit: Emit[Outcome[AnyId, AccessKeyPage]]) -> None:
            try:
                async with aclosing(self._begin(org, 0).pages()) as pages:
                    async for page in pages:
                        await emit(Outcome(org, page))
                        del page  # before the next is decoded: all their pages would be too many to stay warm
            except AccessKeysError as error:
                await emit(Outcome(org, error=error))

        return WorkerPool(self._orgs, work, workers=self._at_once).results()
