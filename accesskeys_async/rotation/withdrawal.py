"""Giving a rotation up: only a key whose token nobody was given is ever deleted here."""

from __future__ import annotations

from attrs import evolve

from accesskeys_async.rotation.failures import RotationRefusedError, StuckError
from accesskeys_async.rotation.hold import Hold
from accesskeys_async.rotation.orphans import Orphans
from accesskeys_async.rotation.settings import RotationSettings
from accesskeys_async.rotation.states import Rotation, State


def check_abortable(rotation: Rotation) -> None:
    """Refuse to abort a rotation that is past it. Raises RotationRefusedError."""
    if rotation.state is State.CONFIRMED:
        raise RotationRefusedError(f"rotation {rotation.id} is confirmed: its old key is deleted")
    if rotation.state is State.DELETING:
        raise RotationRefusedError(
            f"rotation {rotation.id} is deleting its old key, which can't be undone; run it to its end"
        )


class Withdrawal:
    """Bring a rotation to aborted, or to a person where that might take a key away that is in use."""

    def __init__(self, orphans: Orphans, settings: RotationSettings) -> None:
        self._orphans = orphans
        self._now = settings.clock

    async def abort(self, hold: Hold) -> None:
        """Begin to abort a rotation as a person has asked."""
        rotation = hold.rotation
        if rotation.may_be_given:
            if rotation.state is State.NEEDS_HUMAN:
                closed = evolve(rotation, state=State.ABORTED, stuck_at=None, due_at=None)
                await hold.write(
                    evolve(closed, problem=f"aborted, and nothing was deleted: {_name_living(rotation)}")
                )
                return
            raise StuckError(
                "aborted after the sink may have been given a token; nothing was deleted: "
                f"{_name_living(rotation)}; delete what is not in use, then abort again, or retry"
            )
        state = rotation.stuck_at if rotation.state is State.NEEDS_HUMAN else rotation.state
        assert state is not None
        # The intent is written before a key is deleted: a crash must not turn an abort into a rotation.
        await hold.write(
            evolve(rotation, state=state, stuck_at=None, aborting=True, due_at=self._now(), problem="aborted")
        )
        await self.finish(hold)

    async def refuse(self, hold: Hold, *, problem: str) -> None:
        """Take the last candidate back, whose token the sink has refused, and give the rotation up."""
        rotation = hold.rotation
        candidate = rotation.candidate
        assert candidate is not None
        rotation = rotation.with_candidates(evolve(candidate, given=False))
        if rotation.may_be_given:
            await hold.write(evolve(rotation, problem=problem))
            await self._orphans.clear(hold, [evolve(candidate, given=False)])
            raise StuckError(f"{problem}; a key of an earlier try may be in the sink: look, then retry")
        await hold.write(evolve(rotation, aborting=True, due_at=self._now(), problem=problem))
        await self.finish(hold)

    async def finish(self, hold: Hold) -> None:
        """Delete what the rotation has made, and close it once none of that can exist any more."""
        unwanted = [candidate for candidate in hold.rotation.candidates if not candidate.gone]
        if await self._orphans.clear(hold, unwanted):
            await hold.write(evolve(hold.rotation, state=State.ABORTED, aborting=False, due_at=None))
        else:
            until = max(candidate.settle_until for candidate in unwanted)
            await hold.write(evolve(hold.rotation, due_at=until))


def _name_living(rotation: Rotation) -> str:
    given = ", ".join(
        f"{candidate.key_id} (…{candidate.suffix})"
        for candidate in rotation.candidates
        if candidate.given and not candidate.gone
    )
    return f"the old key {rotation.key_id} (…{rotation.suffix}) lives, and so does {given}"
