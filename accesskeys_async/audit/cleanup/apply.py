"""A plan carried out: each key read again, and deleted only if it is as it was."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from attrs import frozen

from accesskeys_async.audit.cleanup.plan import Candidate, Plan
from accesskeys_async.audit.cleanup.removal_journal import Act, RemovalJournal
from accesskeys_async.audit.records import Unreadable, UnreadableReason
from accesskeys_async.audit.run.fetching import Access, find_reason
from accesskeys_async.audit.scope.credentials import Credential
from accesskeys_async.client import AccessKeysClient
from accesskeys_async.errors import (
    AccessKeysError,
    ClientClosedError,
    InvalidRequestError,
    NotFoundError,
    one_line_of,
)
from accesskeys_async.records import AccessKey, Unset


@frozen
class Removal:
    """What came of one key."""

    candidate: Candidate
    act: Act
    reason: str = ""
    """Why it was left alone, or what failed; empty where it was deleted."""
    failure: UnreadableReason | None = None
    """The kind of a failure; None if the key was not left because of one."""


def compare(candidate: Candidate, key: AccessKey) -> tuple[Act, str] | None:
    """Say why a key must be left alone, by how it looks now; None where it is as the plan saw it."""
    used = key.last_used_at
    if isinstance(used, Unset):
        return Act.CHANGED, "the answer did not say when it was last used"
    if used != candidate.last_used_at:
        return Act.USED, "used since" if used is None else f"used on {used:%Y-%m-%d %H:%M} UTC"
    if not candidate.sight.is_of(key):
        return Act.CHANGED, "changed since the plan was made"
    return None


def apply(
    client: AccessKeysClient,
    plan: Plan,
    journal: RemovalJournal,
    *,
    max_deletes: int,
    credentials: Mapping[UUID, Credential] | None = None,
    own_keys: frozenset[UUID] = frozenset(),
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncGenerator[Removal, None]:
    """Delete what a plan names, one key after the other, and yield what came of each.

    A key is read again just before; one that changed or was used since is left alone, and so is the one
    whose token is asking, and `own_keys`. At most `max_deletes` are deleted; the rest is yielded as left.
    What the `journal` has settled is passed over. `credentials` are by organization, where they have tokens
    of their own. Leaving early is safe: the next call with the same journal goes on.

    Raises InvalidRequestError for a `max_deletes` below 1, and RemovalJournalError.
    """
    if max_deletes < 1:
        raise InvalidRequestError("max_deletes", f"is {max_deletes}; it takes 1 or more")
    run = _Run(client, journal, max_deletes, credentials or {}, own_keys, clock)
    return run.removals(plan)


class _Run:
    """One plan under way."""

    def __init__(
        self,
        client: AccessKeysClient,
        journal: RemovalJournal,
        max_deletes: int,
        credentials: Mapping[UUID, Credential],
        own_keys: frozenset[UUID],
        clock: Callable[[], datetime],
    ) -> None:
        self._access = Access(client, None)
        self._journal = journal
        self._left = max_deletes
        self._max_deletes = max_deletes
        self._credentials = credentials
        self._own_keys = own_keys
        self._clock = clock
        # A plan's keys stand together by organization, so that one look-up of a token is enough for each.
        self._opened: tuple[UUID, tuple[AccessKeysClient, str] | Unreadable] | None = None

    async def removals(self, plan: Plan) -> AsyncGenerator[Removal, None]:
        """Yield what `apply` does."""
        for candidate in plan.candidates:
            if candidate.key_id in self._journal.settled:
                continue
            if not self._left:
                yield Removal(candidate, Act.LEFT, f"{self._max_deletes} were deleted, and no more may be")
                continue
            removal = await self._remove(candidate)
            self._journal.settle(candidate, removal.act, removal.reason, at=self._clock())
            yield removal

    async def _remove(self, candidate: Candidate) -> Removal:
        opened = await self._open(candidate.organization_id)
        if isinstance(opened, Unreadable):
            return Removal(candidate, Act.FAILED, opened.message, opened.reason)
        client, own_suffix = opened
        try:
            key = await client.get(candidate.organization_id, candidate.key_id)
            if candidate.key_id in self._own_keys or (own_suffix and key.suffix == own_suffix):
                return Removal(candidate, Act.OWN, "the auditor's own key")
            if objection := compare(candidate, key):
                return Removal(candidate, *objection)
            self._left -= 1
            self._journal.begin(candidate, at=self._clock())
            # It was read just now; to be read once more would leave more time for a use to go unseen.
            await client.delete(candidate.organization_id, key.id, missing_ok=True, allow_self=True)
        except ClientClosedError:
            raise
        except NotFoundError as error:
            if candidate.key_id in self._journal.begun:
                return Removal(candidate, Act.DELETED)
            return Removal(candidate, Act.GONE, one_line_of(error))
        except AccessKeysError as error:
            return Removal(candidate, Act.FAILED, one_line_of(error), find_reason(error))
        return Removal(candidate, Act.DELETED)

    async def _open(self, organization_id: UUID) -> tuple[AccessKeysClient, str] | Unreadable:
        if self._opened is None or self._opened[0] != organization_id:
            opened = await self._access.open(self._credentials.get(organization_id))
            self._opened = organization_id, opened
        return self._opened[1]
