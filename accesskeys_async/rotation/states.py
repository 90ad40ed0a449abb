"""What a rotation is, which states it may go through, and the decisions that need no I/O."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from attrs import evolve, field, frozen, validators

from accesskeys_async.records import AccessKey, RoleRef
from accesskeys_async.rotation.failures import RotationRefusedError


class State(enum.StrEnum):
    """Where a rotation stands; each is written to the journal before what follows it is begun."""

    PLANNED = "planned"
    """Nothing has been done."""
    CREATING = "creating"
    """A create is about to be sent, or may have been."""
    CREATED = "created"
    """The new key exists; the sink is about to be called, or may have been."""
    DISTRIBUTED = "distributed"
    """The sink has acknowledged the new token."""
    VERIFIED = "verified"
    """The probe has passed."""
    GRACE = "grace"
    """Both keys live, so that whoever still uses the old one can go over."""
    DELETING = "deleting"
    """The old key is about to be deleted, or may have been."""
    CONFIRMED = "confirmed"
    """The end: the old key reads as 404."""
    ABORTED = "aborted"
    """An exit: given up, and the old key was not touched."""
    NEEDS_HUMAN = "needs-human"
    """An exit until a person has looked: nothing is done by itself any more."""


_RETURNS: Final = frozenset(State) - {State.CONFIRMED, State.NEEDS_HUMAN}

_MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.PLANNED: frozenset({State.CREATING, State.ABORTED}),
    State.CREATING: frozenset({State.CREATED, State.ABORTED}),
    State.CREATED: frozenset({State.DISTRIBUTED, State.CREATING, State.ABORTED}),
    State.DISTRIBUTED: frozenset({State.VERIFIED, State.CREATING}),
    State.VERIFIED: frozenset({State.GRACE}),
    State.GRACE: frozenset({State.DELETING}),
    State.DELETING: frozenset({State.CONFIRMED}),
    State.NEEDS_HUMAN: _RETURNS,
    State.CONFIRMED: frozenset(),
    State.ABORTED: frozenset(),
}
OVER: Final = frozenset({State.CONFIRMED, State.ABORTED})


def check_move(before: State, after: State) -> None:
    """Refuse a change of state that the design does not have. Raises AssertionError: it is a defect."""
    allowed = before is after or after in _MOVES[before]
    if not allowed and not (after is State.NEEDS_HUMAN and before not in OVER):
        raise AssertionError(f"a rotation does not go from {before} to {after}")


@frozen(kw_only=True)
class Candidate:
    """One key made, or that may have been made, to replace the old one; the last one counts."""

    nonce: str
    """What its description ends with until it is in service."""
    begun_at: datetime
    settle_until: datetime
    """From when on a key that no listing shows does not exist."""
    key_id: UUID | None = None
    """None: the answer to its create never came."""
    suffix: str | None = None
    given: bool = False
    """Whether the sink may hold its token: such a key is never deleted before the grace is over."""
    gone: bool = False
    """Whether it is known not to exist."""


@frozen(kw_only=True)
class Rotation:
    """One rotation as the journal has it. It holds no token."""

    id: UUID
    organization_id: UUID
    key_id: UUID
    """The old key."""
    suffix: str
    """The old key's; what is deleted in the end must have it."""
    name: str
    description: str
    grace: timedelta = field(validator=validators.ge(timedelta(0)))
    require_idle: bool
    """Whether the old key must have gone unused since the cut-over before it is deleted."""
    planned_at: datetime
    copy_roles: bool = True
    """Whether the new key gets the old one's roles; else those of `role_refs`, which were given."""
    role_refs: tuple[RoleRef, ...] | None = None
    """The roles that the new key is to have; None before a create, and if the service reports nothing."""
    state: State = State.PLANNED
    target: str | None = None
    """A fingerprint of where the sink puts its token; None before a create, and if the sink names none."""
    stuck_at: State | None = None
    """The state that needs-human was entered from."""
    aborting: bool = False
    """Whether it is on its way to aborted."""
    due_at: datetime | None = None
    """When the next step is due; None where none is."""
    cutover_at: datetime | None = None
    """When the sink acknowledged, or the last later use of the old key; by the API's clock."""
    grace_until: datetime | None = None
    failures: int = 0
    """How often in a row the present step has failed."""
    problem: str | None = None
    """What went wrong last, on one line."""
    candidates: tuple[Candidate, ...] = ()
    version: int = 0
    """Counts the writes; each is a compare-and-set on it."""
    owner: str | None = None
    """Who holds the lease."""
    lease_until: datetime | None = None
    unknown_state: str | None = None
    """What the journal has as its state, if this release does not know it; nothing can be done with it."""

    @property
    def is_over(self) -> bool:
        """Whether nothing can follow: confirmed or aborted."""
        return self.state in OVER

    @property
    def candidate(self) -> Candidate | None:
        """The last candidate; the new key, once it is distributed."""
        return self.candidates[-1] if self.candidates else None

    @property
    def former(self) -> tuple[Candidate, ...]:
        """The candidates that the last one stands in for."""
        return self.candidates[:-1]

    @property
    def may_be_given(self) -> bool:
        """Whether the sink may hold a token of this rotation."""
        return any(candidate.given and not candidate.gone for candidate in self.candidates)

    @property
    def terms(self) -> tuple[object, ...]:
        """What a rotation was planned with; another plan for the same key must not differ in it."""
        return self.grace, self.require_idle, None if self.copy_roles else get_grants(self.role_refs or ())

    def is_due(self, now: datetime) -> bool:
        """Tell whether a step can be taken now."""
        return self.due_at is not None and self.due_at <= now

    def with_candidates(self, *changed: Candidate) -> Rotation:
        """Return it with candidates put in the place of those of the same nonce."""
        by_nonce = {candidate.nonce: candidate for candidate in changed}
        return evolve(self, candidates=tuple(by_nonce.get(c.nonce, c) for c in self.candidates))


@frozen
class Progress:
    """What a step came to: the rotation after it, and when to come again."""

    rotation: Rotation
    due_at: datetime | None
    """When to come again: at once if past; None: never, it is over or needs a person."""
    busy: bool = False
    """Whether another worker holds it, and this call did nothing."""

    @property
    def state(self) -> State:
        """The state after the step."""
        return self.rotation.state


def put_back(rotation: Rotation, *, due_at: datetime) -> Rotation:
    """Return a rotation that needs a person as it was before. Raises RotationRefusedError for any other."""
    if rotation.state is not State.NEEDS_HUMAN or rotation.stuck_at is None:
        raise RotationRefusedError(
            f"rotation {rotation.id} is {rotation.state}, not needs-human: there is nothing to retry"
        )
    return evolve(rotation, state=rotation.stuck_at, stuck_at=None, due_at=due_at, failures=0, problem=None)


def get_grants(
    refs: Iterable[RoleRef], *, with_workspaces: bool = True
) -> frozenset[tuple[UUID, frozenset[UUID]]]:
    """Return what roles come to: each role with its workspaces, none of which are all."""
    return frozenset((ref.id, frozenset((with_workspaces and ref.workspaces) or ())) for ref in refs)


FIRST_BACKOFF: Final = timedelta(seconds=5)
LONGEST_BACKOFF: Final = timedelta(hours=1)


def get_backoff(failures: int) -> timedelta:
    """Return the wait after so many failures in a row: 5 s, 10 s, 20 s … to an hour."""
    return min(LONGEST_BACKOFF, FIRST_BACKOFF * (1 << min(failures - 1, 20)))


def find_in_use(keys: tuple[AccessKey, ...], since: datetime) -> tuple[AccessKey, datetime | None] | None:
    """Find the key that was used last after a moment, or one of which the API does not say.

    Returns None where all have been idle since; the moment of use is None where it is not known.
    """
    latest: tuple[AccessKey, datetime] | None = None
    for key in keys:
        used = key.last_used_at
        if used is None:
            continue
        if not isinstance(used, datetime):
            return key, None
        if used > since and (latest is None or used > latest[1]):
            latest = key, used
    return latest
