"""What the rotation's tests work on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from attrs import define, field

from accesskeys_async import AccessKey, AccessKeysClient
from accesskeys_async.emulator import Emulator, ManualClock
from accesskeys_async.rotation import Delivery, Journal, Progress, RotationSettings, Rotator

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = "rotatedTokenABCDEFGHIJKLMNOPQRSTUVWX"


@define
class RecordingSink:
    """Keeps what it is given, and fails as often as a test says."""

    deliveries: list[Delivery] = field(factory=list)
    failures: list[BaseException] = field(factory=list)
    before: Callable[[], None] | None = None

    async def __call__(self, delivery: Delivery) -> None:
        if self.before is not None:
            self.before()
        if self.failures:
            raise self.failures.pop(0)
        self.deliveries.append(delivery)

    @property
    def token(self) -> str:
        return self.deliveries[-1].token.reveal()


@define
class Yard:
    """A service with two keys, whose clock and the rotators' are one, and what a rotator needs."""

    service: Emulator
    clock: ManualClock
    client: AccessKeysClient
    journal: Journal
    sink: RecordingSink
    folder: Path

    @property
    def organization(self) -> str:
        return self.service.organization_id

    @property
    def old_id(self) -> str:
        """The key to rotate; the other one administers."""
        return self.service.keys(self.organization)[0].id

    @property
    def key_ids(self) -> list[str]:
        """The keys besides the one that administers."""
        own = self.service.verify(self.organization, self.service.token)
        return [key.id for key in self.service.keys(self.organization) if key.id != own]

    @property
    def marked(self) -> list[str]:
        return [key.id for key in self.service.keys(self.organization) if "[ak:" in (key.description or "")]

    def make_rotator(self, **changes: Any) -> Rotator:
        settings = changes.pop("settings", None) or RotationSettings(clock=self.clock.now)
        client = changes.pop("client", self.client)
        journal = changes.pop("journal", self.journal)
        return Rotator(client, journal, changes.pop("sink", self.sink), settings=settings, **changes)

    async def plan(self, rotator: Rotator, **terms: Any) -> UUID:
        return (await rotator.plan(self.organization, self.old_id, **terms)).id

    async def run_to_end(self, rotator: Rotator, rotation_id: UUID) -> Progress:
        """Run it, and move the clock on whenever there is something to wait for."""
        for _ in range(50):
            progress = await rotator.run(rotation_id)
            if progress.due_at is None:
                return progress
            self.clock.set(max(self.clock.now(), progress.due_at))
        raise AssertionError(f"it does not end: {progress}")

    def use(self, token: str) -> Callable[[], Awaitable[AccessKey | None]]:
        """Make what uses a key, so that the service notes it."""
        client = self.client.with_options(token=token)
        return lambda: client.list(self.organization, prefetch=0).first()
