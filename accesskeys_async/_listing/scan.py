"""Reading an organization from both ends at a time, until the two meet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, Final, TypeAlias

from attrs import evolve

from accesskeys_async._listing.pages import FetchPage, PageSource, PlainSource, Reading, Steps
from accesskeys_async._public import public
from accesskeys_async._workers import stop_tasks
from accesskeys_async.errors import AccessKeysError
from accesskeys_async.records import AccessKey, AccessKeyPage

EVIDENCE: Final = 10
"""How many keys must come in the other direction's order, backwards, before the two have met."""
FEW: Final = 2
"""Pages that whoever comes for them fetches: an organization that has no more needs no task."""
FAR: Final = 4
"""Pages that a side must have brought before its next request goes out on a glance, which may be in vain."""


@public()
class Scan(Reading):
    """All of an organization's keys, each once, read from both ends: `async for key in scan`.

    It takes half the time of a listing, and the keys come in no order. A key that is there throughout comes
    exactly once, whatever is created and deleted meanwhile. It remembers the id of every key, in at most 100
    bytes each.

    The ends have met when one direction finds, in the reverse of their order, the last keys that the other
    has passed on. Where it finds other keys of them, `reverse` is no mirror (the service ignores it, or
    keys came and went just there): then the forward direction alone reads on to its end.

    The other end is begun once `lead` pages have come from this one and there are more, so that a small
    organization costs no request in vain. Each `async for` begins anew. Leaving it cancels what is being
    fetched. Raises what `client.get` does, and PaginationError; no error has a `cursor`, since a scan can't
    be gone on with.
    """

    def __init__(self, forward: FetchPage, backward: FetchPage, *, lead: int = 1) -> None:
        self._forward = forward
        self._backward = backward
        self._lead = lead
        self._sweep: _Sweep | None = None
        self.error: AccessKeysError | None = None
        """What the last pass, or `start`, failed with; None where it did not."""
        self.complete = False
        """Whether every key has been passed on."""
        self.mirrored: bool | None = None
        """Whether the two directions met as mirrors do; None where they did not meet, or not yet."""
        self.duplicates = 0
        """How many keys came again and were left out; where the ends meet, there are some."""

    async def start(self, *, pages: int = 1) -> None:
        """Fetch the first `pages` pages now, forward, for the next `async for`; what fails is raised there.

        It shows in `error` at once. Where a pass is under way already, that one is helped along; after one,
        it does nothing.
        """
        if self._sweep is None:
            self._sweep = self._make_sweep()
        await self._sweep.start(pages)
        self.error = self._sweep.failure

    async def pages(self) -> AsyncGenerator[AccessKeyPage, None]:
        """Yield the keys as the pages of either direction bring them, without those that came before.

        A page's `next_page_token` is of its own direction.
        """
        self.error, self.complete, self.mirrored, self.duplicates = None, False, None, 0
        if self._sweep is None or self._sweep.is_taken:
            self._sweep = self._make_sweep()
        sweep = self._sweep
        try:
            while (page := await sweep.next()) is not None:
                self.mirrored, self.duplicates = sweep.mirrored, sweep.duplicates
                yield page
                del page  # before the next is decoded, which then finds its memory warm
            self.mirrored, self.duplicates, self.complete = sweep.mirrored, sweep.duplicates, True
        except AccessKeysError as error:
            self.error = error
            raise
        finally:
            await sweep.close()

    def _make_sweep(self) -> _Sweep:
        return _Sweep(_Side(self._forward), _Side(self._backward), self._lead)


class _Side:
    """One direction: what it has passed on, and how far it has followed the other's keys backwards."""

    __slots__ = (
        "_expected",
        "_followed",
        "_recent",
        "first",
        "ids",
        "is_begun",
        "pages",
        "source",
        "steps",
        "turn",
        "unread",
    )

    def __init__(self, fetch: FetchPage) -> None:
        self.source: PageSource[Any] = fetch if isinstance(fetch, PageSource) else PlainSource(fetch)
        self.steps = Steps(self.source)
        self.turn = asyncio.Lock()
        self.pages = 0
        """How many of its pages were read."""
        self.unread = 0
        """How many of its answers were not."""
        self.is_begun = False
        """Whether a task asks for its pages, or did."""
        self.ids: set[int] = set()
        self.first: int | None = None
        self._recent: deque[int] = deque(maxlen=EVIDENCE)
        self._expected: list[int] | None = None
        self._followed = 0

    def note(self, ids: list[int]) -> None:
        """Remember keys as passed on by this side."""
        if not ids:
            return
        if self.first is None:
            self.first = ids[0]
        # Adding a set to a set doubles it where it is full; adding one by one makes it four times as large.
        self.ids |= set(ids)
        self._recent.extend(ids[-EVIDENCE:])

    def last_keys(self) -> list[int]:
        """Return the keys passed on last, the last one first."""
        return list(reversed(self._recent))

    def follow(self, hits: list[int], other: _Side) -> bool:
        """Go along keys that the other side has passed on; return whether a mirror would show them so."""
        if self._expected is None:
            self._expected = other.last_keys()
        expected = self._expected[self._followed : self._followed + len(hits)]
        self._followed += len(expected)
        # Past the evidence there is no need to look: what is enough is enough.
        if expected != hits[: len(expected)] or (len(hits) > len(expected) and self._followed < EVIDENCE):
            return False
        # One that reads the very same order meets the other's first key, and goes on.
        return self.steps.is_over or other.first not in hits

    def has_met(self, other: _Side) -> bool:
        """Tell whether enough keys were followed: all that count, or all there are at the end."""
        return self._followed >= EVIDENCE or (self.steps.is_over and 0 < self._followed == len(other.ids))


_Answer: TypeAlias = "tuple[_Side, str | None, Any, Exception | None]"
"""Whose answer it is, to which page token, and what came or failed."""


class _Sweep:
    """Both directions at once, each with one request under way, and what they have in common.

    Two tasks ask, and whoever comes for a page reads the answers. In the midst of an organization the next
    request goes out on a glance at an answer's page token, before any answer is read: what comes at the same
    time from both ends is then read while the service works.
    """

    def __init__(self, forward: _Side, backward: _Side, lead: int) -> None:
        self._forward = forward
        self._backward = backward
        self._lead = lead
        self._few = min(FEW, lead - 1)
        self._answers: deque[_Answer] = deque()
        self._ready: deque[AccessKeyPage] = deque()
        self._fetched = 0
        self._raised: Exception | None = None
        self._is_over = False
        self._tasks: dict[_Side, asyncio.Task[None]] = {}
        self._came = asyncio.Event()
        self._went = asyncio.Event()
        self._is_awaited = False
        self.is_taken = False
        """Whether a pass over it has begun."""
        self.mirrored: bool | None = None
        self.duplicates = 0

    @property
    def failure(self) -> AccessKeysError | None:
        """What the sweep has failed with."""
        return self._raised if isinstance(self._raised, AccessKeysError) else None

    async def start(self, pages: int) -> None:
        """Fetch forward until so many pages were fetched in all, unless a pass has begun."""
        while self._fetched < pages and not self.is_taken and self._goes_on(self._forward):
            await self._fetch(pages)

    async def _fetch(self, pages: int) -> None:
        """Fetch the next page forward, unless meanwhile somebody else did and there are so many."""
        side = self._forward
        async with side.turn:
            if self._fetched < pages and self._goes_on(side):
                self._read(await self._ask(side, side.steps.token))

    async def next(self) -> AccessKeyPage | None:
        """Return the next page with new keys, or None after the last."""
        self.is_taken = True
        while not self._ready:
            if self._answers:
                await self._read_one()
            elif self._raised is not None:
                raise self._raised
            elif self._is_over:
                return None
            elif self._fetched < self._few:
                await self._fetch(self._few)
            elif not self._tasks:
                self._run(self._forward)
            elif all(task.done() for task in self._tasks.values()):
                raise asyncio.CancelledError("the scan was cancelled from outside")
            else:
                self._came.clear()
                self._is_awaited = True
                await self._came.wait()
                self._is_awaited = False
        if not self._tasks and self._fetched >= self._few and self._goes_on(self._forward):
            self._run(self._forward)
        return self._ready.popleft()

    async def close(self) -> None:
        """Stop fetching, and return when nothing is in flight."""
        self._is_over = True
        self._answers.clear()
        for side in (self._forward, self._backward):
            side.ids.clear()
        # At the end, too: waiting for what is no longer needed would cost a round of 26.
        await stop_tasks(self._tasks.values())

    def _is_at_end(self) -> bool:
        return self._is_over or self._raised is not None

    def _run(self, side: _Side) -> None:
        side.is_begun = True  # first: an eager task runs before it is returned
        name = f"accesskeys scan {'forward' if side is self._forward else 'backward'}"
        task = self._tasks[side] = asyncio.create_task(self._pump(side), name=name)
        task.add_done_callback(lambda _: self._came.set())

    async def _pump(self, side: _Side) -> None:
        """Ask for one page after another: on a glance where the last is waited for, else when it was read."""
        glance: str | None = None
        while self._goes_on(side):
            while side.unread and glance is None and not self._is_over:
                self._went.clear()
                await self._went.wait()
            if not self._backward.is_begun and self._fetched >= self._lead:
                self._run(self._backward)
            async with side.turn:  # `start` may be at it
                if not self._goes_on(side):
                    return
                answer = await self._ask(side, glance if side.unread else side.steps.token)
            glance = side.source.glance(answer[2]) if self._may_glance(side, answer) else None
            side.unread += 1
            self._answers.append(answer)
            self._came.set()

    def _may_glance(self, side: _Side, answer: _Answer) -> bool:
        return answer[3] is None and side.pages >= FAR and not side.unread and self._is_awaited

    async def _ask(self, side: _Side, token: str | None) -> _Answer:
        try:
            return side, token, await side.source.ask(token), None
        except Exception as error:  # noqa: BLE001 - raised again where the caller awaits
            return side, token, None, error

    def _goes_on(self, side: _Side) -> bool:
        """Tell whether a side's next page is wanted; one that is under way and is not, is dropped."""
        is_wanted = side is self._forward or self.mirrored is None
        return is_wanted and not self._is_at_end() and not side.steps.is_over

    async def _read_one(self) -> None:
        """Read the oldest answer, if its page is wanted, and is the one that comes next."""
        answer = self._answers.popleft()
        side, token = answer[:2]
        side.unread -= 1
        if self._goes_on(side):
            if token == side.steps.token:
                self._read(answer)
            else:
                await stop_tasks([self._tasks[side]])
                self._answers = deque(other for other in self._answers if other[0] is not side)
                side.unread = 0
                self._run(side)
        self._went.set()

    def _read(self, answer: _Answer) -> None:
        """Take a page in; a failure is kept for the caller, and ends both sides."""
        side, _, found, error = answer
        try:
            side.steps.check()
            if error is not None:
                raise error
            page = side.source.read(found)
        except Exception as failure:  # noqa: BLE001 - raised again where the caller awaits
            self._fail(failure)
        else:
            self._take_in(side, page)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, AccessKeysError):
            error.cursor = None
        self._raised = error

    def _take_in(self, side: _Side, page: AccessKeyPage) -> None:
        other = self._backward if side is self._forward else self._forward
        self._fetched += 1
        side.pages += 1
        fresh, hits = self._admit(side, other, page.results)
        side.steps.note(page, fresh=len(fresh) + len(hits))
        if self.mirrored is not None and hits:
            # Nobody follows the other side any more: what it had passed on comes once more at the most.
            side.ids.update(hits)
            other.ids.difference_update(hits)
        if fresh:
            page = page if len(fresh) == len(page.results) else evolve(page, results=fresh)
            self._ready.append(page)
        if hits and self.mirrored is None:
            if not side.follow(hits, other):
                self.mirrored = False
            elif side.has_met(other):
                self.mirrored = True
        if self.mirrored or (side is self._forward and side.steps.is_over):
            self._is_over = True

    def _admit(
        self, side: _Side, other: _Side, keys: tuple[AccessKey, ...]
    ) -> tuple[tuple[AccessKey, ...], list[int]]:
        """Return the keys that are new, and the ids of those that the other side has passed on."""
        ids = [key.id.int for key in keys]
        unique = set(ids)
        hits: list[int] = []
        if len(unique) < len(ids) or not (unique.isdisjoint(side.ids) and unique.isdisjoint(other.ids)):
            hits = [one for one in dict.fromkeys(ids) if one in other.ids]
            fresh: dict[int, AccessKey] = {}
            for key in keys:
                if key.id.int not in side.ids and key.id.int not in other.ids:
                    fresh.setdefault(key.id.int, key)
            self.duplicates += len(keys) - len(fresh)
            keys, ids = tuple(fresh.values()), list(fresh)
        side.note(ids)
        return keys, hits
