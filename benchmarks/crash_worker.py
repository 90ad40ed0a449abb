"""A worker that rotates a key, and crashes at a moment that was chosen beforehand.

Moments are counted: before and after each write of the journal and each call of the sink, and before,
during and after each request. A crash is a SIGKILL that the process sends to itself, or a `CrashError`. After
that, each use of the journal, the network or the sink raises another `CrashError`.
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

__all__ = [
    "CrashError",
    "CrashPoint",
    "RotationJob",
    "SharedClock",
    "kill_process",
    "raise_crash",
    "rotate_key",
]

LEASE: Final = timedelta(minutes=5)
_CELL: Final = struct.Struct("d")


class CrashError(BaseException):
    """Raised in place of the end of a process."""


def kill_process() -> NoReturn:
    """End this process without any cleanup."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable: the process is dead")


def raise_crash() -> NoReturn:
    """End this worker, and leave the process running."""
    raise CrashError


class SharedClock:
    """A clock that only moves when it is set, and that forked children share."""

    def __init__(self) -> None:
        self._cell = mmap.mmap(-1, _CELL.size)
        self.set(datetime.now(UTC))

    def now(self) -> datetime:
        """Return the time that was last set."""
        return datetime.fromtimestamp(_CELL.unpack(self._cell)[0], UTC)

    def set(self, moment: datetime) -> None:
        """Move forward to a time; an earlier one changes nothing."""
        _CELL.pack_into(self._cell, 0, max(moment.timestamp(), _CELL.unpack(self._cell)[0]))

    def advance(self, span: timedelta) -> None:
        """Move forward by a span."""
        self.set(self.now() + span)


class CrashPoint:
    """Count the moments of a worker, and crash at one of them."""

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

    def reach(self) -> None:
        """Count a moment, and crash if it is the chosen one."""
        self.moments += 1
        if self.ended or self.moments == self._at:
            self.ended = True
            self._end()

    async def pass_request(self, request: Request, call_next: Next) -> Response:
        """Count the moments of a request; the client's middleware."""
        self.reach()
        if self.is_next:
            in_flight = asyncio.ensure_future(call_next(request))
            await asyncio.sleep(self.linger)
            try:
                self.reach()
            finally:
                in_flight.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await in_flight
        self.reach()
        response = await call_next(request)
        self.reach()
        return response

    def watch(self, sink: Sink) -> Sink:
        """Count the moments of a delivery."""

        async def watched(delivery: Delivery) -> None:
            self.reach()
            await sink(delivery)
            self.reach()

        return watched


class _CrashingJournal(Journal):
    """A journal whose writer may crash before or after each write."""

    def __init__(self, place: Path, crash_point: CrashPoint) -> None:
        super().__init__(place)
        self._crash_point = crash_point

    async def add(self, rotation: Rotation) -> Rotation:
        self._crash_point.reach()
        added = await super().add(rotation)
        self._crash_point.reach()
        return added

    async def write(self, rotation: Rotation, *, before: Rotation) -> Rotation:
        self._crash_point.reach()
        written = await super().write(rotation, before=before)
        self._crash_point.reach()
        return written


@frozen
class RotationJob:
    """A key to rotate, by as many workers as it takes."""

    base_url: str
    organization_id: UUID
    token: str
    """The token of the client's own key; in a self-rotation the sink holds it already."""
    key_id: UUID
    """The key to replace."""
    journal: Path
    sink: Path
    is_own: bool
    """Whether the key to replace is the client's own key."""


async def rotate_key(job: RotationJob, crash_point: CrashPoint, clock: SharedClock) -> State:
    """Rotate the key to the end, and move the clock forward instead of waiting."""
    sink = FileSink(job.sink)
    client = AccessKeysClient(
        sink.read if job.is_own else job.token,
        base_url=job.base_url,
        timeout=Timeout(attempt=10.0),
        retry=RetryPolicy(base_delay=0.001, max_delay=0.01),
        middlewares=[crash_point.pass_request],
    )
    settings = RotationSettings(lease=LEASE, clock=clock.now)
    async with client, _CrashingJournal(job.journal, crash_point) as journal:
        rotator = Rotator(client, journal, crash_point.watch(sink), settings=settings)
        known = await journal.find(key_id=job.key_id)
        rotation = known[0] if known else await rotator.plan(job.organization_id, job.key_id)
        while True:
            progress = await rotator.run(rotation.id)
            if progress.due_at is None:
                return progress.state
            clock.set(progress.due_at)
