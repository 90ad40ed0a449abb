"""A rotation in one worker's hands: every write renews the lease, and none passes once it is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

from attrs import evolve

from accesskeys_async.rotation.failures import LeaseLostError
from accesskeys_async.rotation.journal import Journal
from accesskeys_async.rotation.states import Rotation, check_move


class Hold:
    """Change a rotation while the lease lasts."""

    def __init__(
        self, journal: Journal, rotation: Rotation, *, lease: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._journal = journal
        self._lease = lease
        self._clock = clock
        self.rotation = rotation
        """The rotation as this worker wrote it last."""

    async def write(self, rotation: Rotation) -> None:
        """Write the rotation's next state down, and renew the lease. Raises LeaseLostError."""
        check_move(self.rotation.state, rotation.state)
        self._check()
        renewed = evolve(rotation, lease_until=self._clock() + self._lease)
        self.rotation = await self._journal.write(renewed, before=self.rotation)

    async def keep(self) -> None:
        """Make sure, before an act, that more than half of the lease is left. Raises LeaseLostError."""
        self._check()
        if self._left() < self._lease / 2:
            await self.write(self.rotation)

    async def release(self) -> None:
        """Give the lease back, so that another worker need not wait for its end."""
        free = evolve(self.rotation, owner=None, lease_until=None)
        with contextlib.suppress(LeaseLostError):
            self.rotation = await self._journal.write(free, before=self.rotation)

    def _left(self) -> timedelta:
        until = self.rotation.lease_until
        assert until is not None
        return until - self._clock()

    def _check(self) -> None:
        # A worker that slept through its lease must not even look whether somebody took it meanwhile.
        if self._left() <= timedelta(0):
            raise LeaseLostError(f"rotation {self.rotation.id}: the lease ran out before the next act")
