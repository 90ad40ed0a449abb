"""Creating a key once: what to do when the answer to a create, and with it the token, is lost.

The API has no idempotency key, so a key is marked instead: a nonce stands at the end of its description
until the call is over. A marked key that was never used belongs to a call that did not end well.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from uuid import UUID

from attrs import evolve, frozen

from accesskeys_async._client.key_pages import KeyPages
from accesskeys_async._contract import arguments, requests, responses
from accesskeys_async._http.hooks import logger
from accesskeys_async._http.messages import Next, Request, Response
from accesskeys_async._listing.listing import Listing
from accesskeys_async.errors import (
    AccessKeysError,
    APIConnectionError,
    APIResponseError,
    CreateOutcomeUnknownError,
    InvalidRequestError,
    RateLimitError,
    ServerError,
    one_line,
)
from accesskeys_async.records import UNSET, AccessKey, CreatedAccessKey, RoleRef, Unset

NONCE_LENGTH: Final = 16
CLOCK_MARGIN: Final = timedelta(seconds=5)
"""How far a service's clock may be off from one of its machines to the next."""
FIRST_LOOK: Final = 0.1
LONGEST_LOOK: Final = 2.0
LONGEST_FAILURE: Final = 60.0
"""Seconds beyond the settle window for which looking may fail, if there is no deadline."""
_MARK: Final = re.compile(r" \[ak:([0-9a-f]{16})\]\Z")


def new_nonce() -> str:
    """Draw the 16 characters that mark one call's key."""
    return secrets.token_hex(NONCE_LENGTH // 2)


def mark(description: str, nonce: str) -> str:
    """Put a nonce at a description's end. Raises InvalidRequestError where both do not fit."""
    marked = f"{description} [ak:{nonce}]"
    if len(marked) > arguments.MAX_TEXT_LENGTH:
        room = arguments.MAX_TEXT_LENGTH - (len(marked) - len(description))
        raise InvalidRequestError(
            "description",
            f"is {len(description)} characters; with the mark of a recoverable create it takes 1 to {room}",
        )
    return marked


def find_nonce(description: object) -> str | None:
    """Return the nonce at a description's end, or None."""
    found = _MARK.search(description) if isinstance(description, str) else None
    return found[1] if found else None


@frozen
class Draft:
    """What a key is to be created with."""

    organization_id: UUID
    name: str
    description: str
    role_refs: tuple[RoleRef, ...] | Unset = UNSET
    role_ids: tuple[UUID, ...] | Unset = UNSET


class _KeySearch:
    """All keys of an organization, and the service's clock."""

    def __init__(self, send: Next, organization_id: UUID, deadline: float | None) -> None:
        self._send = send
        self._pages = KeyPages(
            self._send_and_read_date,
            organization_id,
            limit=arguments.MAX_PAGE_SIZE,
            reverse=False,
            new_deadline=lambda: deadline,
        )
        self.server_time: datetime | None = None
        """The service's time when the last page was sent; None if it was not in the response."""

    def __aiter__(self) -> AsyncIterator[AccessKey]:
        """Yield every key. No page is prefetched."""
        return Listing(self._pages, prefetch=0).keys()

    async def _send_and_read_date(self, request: Request) -> Response:
        response = await self._send(request)
        self.server_time = _read_date(response) or self.server_time
        return response


def _read_date(response: Response) -> datetime | None:
    try:
        date = parsedate_to_datetime(response.headers.get("Date", ""))
        # Without a zone it is UTC, as HTTP has it, and not this machine's time.
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


class Creation:
    """One create, as the client makes it: sent once, or brought to a known end."""

    def __init__(
        self,
        send: Next,
        draft: Draft,
        *,
        deadline: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._send = send
        self._draft = draft
        self._deadline = deadline
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._began_at = datetime.now(UTC)
        self._nonce: str | None = None

    async def run_once(self) -> CreatedAccessKey:
        """Send the create once.

        Raises CreateOutcomeUnknownError, with the keys that may be the one, where its answer was lost.
        """
        try:
            return await self._post(self._draft.description)
        except APIConnectionError as error:
            if error.sent is False:
                raise
            lost = error
        raise await self._give_up(lost) from lost

    async def _post(self, description: str) -> CreatedAccessKey:
        draft = self._draft
        request = requests.build_create(
            draft.organization_id,
            name=draft.name,
            description=description,
            role_refs=draft.role_refs,
            role_ids=draft.role_ids,
            deadline=self._deadline,
        )
        return responses.read_created(request, await self._send(request))

    async def run_to_a_known_end(self, *, settle: float, rounds: int) -> CreatedAccessKey:
        """Create a key so that exactly one of this call exists in the end, or none.

        See `AccessKeysClient.create`. `settle` is how many seconds a create may take effect late; `rounds`
        is how many creates are sent at most.
        """
        self._nonce = new_nonce()
        marked = mark(self._draft.description, self._nonce)
        in_doubt = False
        for number in range(1, rounds + 1):
            try:
                created = await self._post(marked)
            except (APIConnectionError, ServerError, APIResponseError) as error:
                if isinstance(error, APIConnectionError) and error.sent is False and not in_doubt:
                    raise
                lost: AccessKeysError = error
            else:
                return await self._finish(created, in_doubt=in_doubt)
            logger.warning("create %s: %s; looking for what came of it", self._nonce, lost)
            if isinstance(lost, APIResponseError) and lost.key_id is not None:
                raise await self._end_unreadable(lost, settle=settle)
            in_doubt = not await self._remove_lost(lost, settle=settle) or in_doubt
            if number == rounds or self._is_late():
                lost.add_note(
                    f"no key of this call was left after {number} creates, looked for by {self._nonce}"
                )
                raise lost
        raise AssertionError("unreachable: the last round raises or returns")

    async def _finish(self, created: CreatedAccessKey, *, in_doubt: bool) -> CreatedAccessKey:
        """Delete what came of earlier creates, and remove the mark. The token is in hand: never raise."""
        draft = self._draft
        if in_doubt:
            try:
                await self._delete_marked(but=created.id)
            except AccessKeysError as error:
                logger.warning(
                    "access key %s was created; a key that an earlier attempt may have left, with the mark "
                    "[ak:%s], could not be looked for: %s",
                    created.id,
                    self._nonce,
                    error,
                )
        request = requests.build_update(
            draft.organization_id,
            created.id,
            description=draft.description,
            deadline=self._deadline,
        )
        try:
            key = responses.read_key(request, await self._send(request), key_id=created.id)
        except AccessKeysError as error:
            logger.warning(
                "access key %s was created, and its description may still end with the mark [ak:%s]: %s",
                created.id,
                self._nonce,
                error,
            )
            return created
        return evolve(created, description=draft.description, updated_at=key.updated_at)

    async def _end_unreadable(self, lost: APIResponseError, *, settle: float) -> APIResponseError:
        """Delete the key that a response names without its token; another create would end no better.

        Only a key with this call's mark is deleted: the id alone is what a response says.
        """
        try:
            removed = await self._remove_lost(lost, settle=settle)
        except CreateOutcomeUnknownError as error:
            lost.add_note(f"the key could not be deleted: {error.__cause__}")
            return lost
        if removed:
            lost.key_id, lost.key_deleted = str(removed[0]), True
        return lost

    async def _remove_lost(self, lost: AccessKeysError, *, settle: float) -> Sequence[UUID]:
        """Delete the key of a lost create once it is listed, and return its id.

        Returns none if it was not there when the settle window had passed. Raises CreateOutcomeUnknownError
        if neither can be told.
        """
        until = self._clock() + settle
        pause = FIRST_LOOK
        while True:
            try:
                if removed := await self._delete_marked():
                    return removed
                looked, failure = True, lost
            except AccessKeysError as error:
                if not isinstance(error, APIConnectionError | ServerError | RateLimitError):
                    raise self._unknown(lost, ()) from error
                looked, failure = False, error
            now = self._clock()
            if looked and now >= until:
                return ()
            is_late = self._deadline is not None and now + pause >= self._deadline
            if is_late or now >= until + LONGEST_FAILURE:
                raise self._unknown(lost, ()) from failure
            await self._sleep(min(pause, max(until - now, FIRST_LOOK)))
            pause = min(2 * pause, LONGEST_LOOK)

    async def _delete_marked(self, *, but: UUID | None = None) -> Sequence[UUID]:
        search = _KeySearch(self._send, self._draft.organization_id, self._deadline)
        found = [key async for key in search if find_nonce(key.description) == self._nonce and key.id != but]
        for key in found:
            await _delete(self._send, key, self._deadline)
        return [key.id for key in found]

    async def _give_up(self, lost: APIConnectionError) -> CreateOutcomeUnknownError:
        """Say what is known: the keys of this name and description, made since the call began."""
        draft = self._draft
        search = _KeySearch(self._send, draft.organization_id, self._deadline)
        try:
            alike = [
                key async for key in search if key.name == draft.name and key.description == draft.description
            ]
        except AccessKeysError as error:
            unknown = self._unknown(lost, ())
            unknown.add_note(f"looking for the key failed: {error}")
            return unknown
        now = search.server_time or datetime.now(UTC)
        since = now - timedelta(seconds=self._clock() - self._began) - CLOCK_MARGIN
        return self._unknown(lost, tuple(key for key in alike if key.created_at >= since))

    def _unknown(self, lost: AccessKeysError, candidates: tuple[AccessKey, ...]) -> CreateOutcomeUnknownError:
        draft = self._draft
        if self._nonce is not None:
            advice = f"client.reap(org, {self._nonce!r}) removes it"
        elif candidates:
            advice = (
                f"it may be {', '.join(str(key.id) for key in candidates[:3])}: delete the one never used"
            )
        else:
            advice = (
                "none of that name and description was found: list again later, and delete one never used"
            )
        unknown = CreateOutcomeUnknownError(
            f"the answer to a create in organization {draft.organization_id} of "
            f"{one_line(draft.name, 80)!r} at {self._began_at.isoformat(timespec='seconds')} was lost; a key "
            f"may exist whose token nobody has; {advice}",
            organization_id=draft.organization_id,
            name=draft.name,
            began_at=self._began_at,
            nonce=self._nonce,
            candidates=candidates,
        )
        unknown.attempts = lost.attempts
        return unknown

    def _is_late(self) -> bool:
        return self._deadline is not None and self._clock() >= self._deadline


async def _delete(send: Next, key: AccessKey, deadline: float | None) -> None:
    request = requests.build_delete(key.organization_id, key.id, deadline=deadline)
    responses.read_deleted(request, await send(request), missing_ok=True)


async def reap(
    send: Next,
    organization_id: UUID,
    *,
    nonce: str | None,
    older_than: timedelta | None,
    dry_run: bool,
    deadline: float | None,
) -> tuple[AccessKey, ...]:
    """Delete keys that bear a mark and were never used; see `AccessKeysClient.reap`."""
    search = _KeySearch(send, organization_id, deadline)
    marked = [
        key
        async for key in search
        if (found := find_nonce(key.description))
        and (nonce is None or found == nonce)
        and not key.last_used_at
    ]
    now = search.server_time or datetime.now(UTC)
    lost = tuple(key for key in marked if older_than is None or key.created_at <= now - older_than)
    if not dry_run:
        for key in lost:
            await _delete(send, key, deadline)
    return lost
