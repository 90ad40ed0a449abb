"""One step of a rotation: which one the state asks for, and what is written down when it fails."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import Final

from attrs import evolve

from accesskeys_async.client import AccessKeysClient
from accesskeys_async.errors import AccessKeysError, APIStatusError, ClientClosedError, ConfigurationError
from accesskeys_async.rotation.delivery import Probe, Sink
from accesskeys_async.rotation.failures import (
    JournalError,
    LeaseLostError,
    StuckError,
    describe_failure,
    is_passing,
)
from accesskeys_async.rotation.hold import Hold
from accesskeys_async.rotation.journal import Journal
from accesskeys_async.rotation.orphans import Orphans
from accesskeys_async.rotation.renewal import Renewal
from accesskeys_async.rotation.retirement import Retirement
from accesskeys_async.rotation.settings import RotationSettings
from accesskeys_async.rotation.states import Rotation, State, get_backoff
from accesskeys_async.rotation.targets import Targets
from accesskeys_async.rotation.withdrawal import Withdrawal

_NOT_OURS: Final = (ClientClosedError, ConfigurationError, JournalError)
"""What the caller has to see to: the rotation stays as it is."""


class Steps:
    """Take the steps of rotations that this worker holds."""

    def __init__(
        self,
        client: AccessKeysClient,
        journal: Journal,
        *,
        sink: Sink,
        probe: Probe,
        settings: RotationSettings,
    ) -> None:
        self._now = settings.clock
        orphans = Orphans(client, settings)
        self._withdrawal = Withdrawal(orphans, settings)
        self._retirement = Retirement(client, orphans=orphans, settings=settings)
        self._renewal = Renewal(
            client,
            journal,
            sink=sink,
            probe=probe,
            orphans=orphans,
            targets=Targets(journal, orphans),
            withdrawal=self._withdrawal,
            settings=settings,
        )

    def forget(self, rotation: Rotation) -> None:
        """Let go of the token of a rotation that has no more use for it here."""
        self._renewal.forget(rotation)

    async def abort(self, hold: Hold) -> None:
        """Begin to abort a rotation, or close one that needs a person."""
        await self._guarded(hold, self._withdrawal.abort(hold))

    async def take(self, hold: Hold) -> None:
        """Take the step that the state asks for."""
        rotation = hold.rotation
        if rotation.aborting:
            await self._guarded(hold, self._withdrawal.finish(hold))
            return
        match rotation.state:
            case State.PLANNED:
                step = self._renewal.begin(hold)
            case State.CREATING | State.CREATED:
                step = self._renewal.renew(hold)
            case State.DISTRIBUTED:
                step = self._renewal.verify(hold)
            case State.VERIFIED:
                step = self._retirement.begin_grace(hold)
            case State.GRACE:
                step = self._retirement.end_grace(hold)
            case State.DELETING:
                step = self._retirement.go_on_deleting(hold)
            case _:
                raise AssertionError("unreachable: no step is due in a state that rests")
        await self._guarded(hold, step)

    async def _guarded(self, hold: Hold, step: Coroutine[object, object, None]) -> None:
        """Carry a step out, and write down how it failed."""
        try:
            await step
        except (LeaseLostError, *_NOT_OURS):
            raise
        except StuckError as error:
            await self._give_to_human(hold, str(error))
        except (AccessKeysError, TimeoutError) as error:
            if is_passing(error):
                await self._put_off(hold, error)
            else:
                await self._give_to_human(hold, describe_failure(error))

    async def _put_off(self, hold: Hold, error: Exception) -> None:
        failures = hold.rotation.failures + 1
        wait = get_backoff(failures)
        if isinstance(error, APIStatusError) and error.retry_after is not None:
            wait = max(wait, timedelta(seconds=error.retry_after))
        due_at = self._now() + wait
        problem = describe_failure(error)
        await hold.write(evolve(hold.rotation, failures=failures, due_at=due_at, problem=problem))

    async def _give_to_human(self, hold: Hold, problem: str) -> None:
        rotation = hold.rotation
        stuck_at = rotation.stuck_at or rotation.state
        await hold.write(
            evolve(rotation, state=State.NEEDS_HUMAN, stuck_at=stuck_at, due_at=None, problem=problem)
        )
