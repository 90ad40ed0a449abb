"""One worker's life: it rotates a key, and dies at a moment that was chosen beforehand.

Moments are counted: before and after each write of the journal and each call of the sink, and before,
during and after each request. Death is a SIGKILL that the process sends itself, or `CrashError` and from
then on nothing: whoever still asks for the journal, the network or the sink gets another.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import signal
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn
from uuid import UUID

from attrs import frozen

from accesskeys_async import AccessKeysClient, RetryPolicy, Timeout
from accesskeys_async._http.messages import Next, Request, Response
from accesskeys_async.rotation import (
    Delivery,
    FileSink,
    Journal,
    Rotation,
    RotationSettings,
    Rotator,
    Sink,
    State,
)

__all__ = ["CrashError", "Errand", "Fate", "SharedClock", "crash", "kill", "live"]

LEASE: Final = timedelta(minutes=5)
_CELL: Final = struct.Struct("d")


class CrashError(BaseException):
    """Stands for the death of a process."""


def kill() -> NoReturn:
    """End this process as nobody can prepare for."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable: the process is dead")


def crash() -> NoReturn:
    """End this life, and leave the process as it is."""
    raise CrashError


class SharedClock:
    """A clock that stands still until it is moved, and that forked children share."""

    def __init__(self) -> None:
        self._cell = mmap.mmap(-1, _CELL.size)
        self.set(datetime.now(UTC))

    def now(self) -> datetime:
        """Return the moment that was last set."""
        return datetime.fromtimestamp(_CELL.unpack(self._cell)[0], UTC)

    def set(self, moment: datetime) -> None:
        """Move to a moment, or stay where a later one was set."""
        _CELL.pack_into(self._cell, 0, max(moment.timestamp(), _CELL.unpack(self._cell)[0]))

    def advance(self, span: timedelta) -> None:
        """Move on by so much."""
        self.set(self.now() + span)


class Fate:
    """Count the moments of a life, and end it at one of them."""

    def __init__(self, at: int | None, end: Callable[[], NoReturn], *, linger: float = 0.0) -> None:
        self.moments = 0
        self.ended = False
        self.linger = linger
        self._at = at
        self._end = end

    @property
    def is_next(self) -> bool:
        """Whether the next moment is the last."""
        return self._at == self.moments + 1

    def meet(self) -> None:
        """Live through a moment, or not."""
        self.moments += 1
        if self.ended or self.moments == self._at:
            self.ended = True
            self._end()

    async def pass_request(self, request: Request, call_next: Next) -> Response:
        """Live through a request; the client's middleware."""
        self.meet()
        if self.is_next:
            under_way = asyncio.ensure_future(call_next(request))
            await asyncio.sleep(self.linger)
            try:
                self.meet()
            finally:
                under_way.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await under_way
        self.meet()
        response = await call_next(request)
        self.meet()
        return response

    def watch(self, sink: Sink) -> Sink:
        """Live through a delivery."""

        async def watched(delivery: Delivery) -> None:
            self.meet()
            await sink(delivery)
            self.meet()

        return watched


class _MortalJournal(Journal):
    """A journal whose writer may die before or after each write."""

    def __init__(self, place: Path, fate: Fate) -> None:
        super().__init__(place)
        self._fate = fate

    async def add(self, rotation: Rotation) -> Rotation:
        self._fate.meet()
        added = await super().add(rotation)
        self._fate.meet()
        return added

    async def write(self, rotation: Rotation, *, before: Rotation) -> Rotation:
        self._fate.meet()
        written = await super().write(rotation, before=before)
        self._fate.meet()
        return written


@frozen
class Errand:
    """What a worker has to do, over as many lives as it takes."""

    base_url: str
    organization_id: UUID
    token: str
    """Of the key that administers; in a self-rotation the sink holds it already."""
    key_id: UUID
    """The key to replace."""
    journal: Path
    sink: Path
    is_own: bool
    """Whether the key to replace is the one that administers."""


async def live(errand: Errand, fate: Fate, clock: SharedClock) -> State:
    """Rotate the key to the end, moving the clock on whenever there is something to wait for."""
    sink = FileSink(errand.sink)
    client = AccessKeysClient(
        sink.read if errand.is_own else errand.token,
        base_url=errand.base_url,
        timeout=Timeout(attempt=10.0),
        retry=RetryPolicy(base_delay=0.001, max_delay=0.01),
        middlewares=[fate.pass_request],
    )
    settings = RotationSettings(lease=LEASE, clock=clock.now)
    async with client, _MortalJournal(errand.journal, fate) as journal:
        rotator = Rotator(client, journal, fate.watch(sink), settings=settings)
        known = await journal.find(key_id=errand.key_id)
        rotation = known[0] if known else await rotator.plan(errand.organization_id, errand.key_id)
        while True:
            progress = await rotator.run(rotation.id)
            if progress.due_at is None:
                return progress.state
            clock.set(progress.due_at)
