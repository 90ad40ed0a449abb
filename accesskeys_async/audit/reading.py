"""One organization read whole, or the reason why it could not be."""

from __future__ import annotations

from typing import Final, TypeVar
from uuid import UUID

from accesskeys_async.audit.credentials import Credential
from accesskeys_async.audit.progress import Progress
from accesskeys_async.audit.records import Unreadable
from accesskeys_async.audit.turns import Turns
from accesskeys_async.client import AccessKeysClient
from accesskeys_async.errors import (
    AccessKeysError,
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ClientClosedError,
    ConfigurationError,
    DeadlineExceededError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    one_line,
)
from accesskeys_async.operations import MAX_PAGE_SIZE
from accesskeys_async.paging import PageSource
from accesskeys_async.records import AccessKey

__all__ = ["Access", "name_reason", "read_keys"]

Answer = TypeVar("Answer")

WAITING: Final = 20
"""How many answers may wait unread."""

_REASONS: Final[tuple[tuple[type[AccessKeysError], str], ...]] = (
    (AuthenticationError, "authentication"),
    (PermissionDeniedError, "permission"),
    (NotFoundError, "missing"),
    (RateLimitError, "unavailable"),
    (ServerError, "unavailable"),
    (APITimeoutError, "timeout"),
    (DeadlineExceededError, "timeout"),
    (APIConnectionError, "connection"),
    (ConfigurationError, "credential"),
)


def name_reason(error: AccessKeysError) -> str:
    """Name why an organization could not be read, as `Unreadable.reason` has it."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "response")


class Access:
    """Clients that read with the right token, over the one pool of the client that was given."""

    def __init__(self, client: AccessKeysClient, progress: Progress | None) -> None:
        self._client = client
        if progress is not None:
            self._client = client.with_options(hooks=(*client._options.hooks, progress.note))

    async def open(self, credential: Credential | None) -> tuple[AccessKeysClient, str] | Unreadable:
        """Return a client, and the suffix of its token; or why there is no token."""
        try:
            client = self._client
            if credential is not None:
                client = client.with_options(token=await credential.resolve())
            return client, await client._session.own_suffix()
        except AccessKeysError as error:
            return Unreadable("credential", one_line(str(error)))
        except Exception as error:  # noqa: BLE001 - a token's callable is the user's
            return Unreadable("credential", f"what gives the token raised {type(error).__name__}")


async def read_keys(
    client: AccessKeysClient, organization_id: UUID, *, max_keys: int, turns: Turns | None = None
) -> tuple[AccessKey, ...] | Unreadable:
    """Return all keys of an organization, each once, or why they could not be read; never a part of them.

    `turns` is shared by those that are read side by side.
    """
    source = client._pages_of(organization_id, limit=MAX_PAGE_SIZE)
    try:
        keys = None
        if isinstance(source, PageSource):
            keys = await _read_pages(source, max_keys, turns or Turns())
        if keys is None:
            keys = await client.list(organization_id, prefetch=0).collect(max_items=max_keys + 1)
    except ClientClosedError:
        raise
    except AccessKeysError as error:
        return Unreadable(name_reason(error), one_line(str(error)))
    if len(keys) > max_keys:
        return Unreadable("response", f"has more than {max_keys:,} keys; raise max_keys")
    if len({key.id.int for key in keys}) < len(keys):
        # A key that moved while it was read comes as it was last seen.
        keys = list({key.id.int: key for key in keys}.values())
    return tuple(keys)


async def _read_pages(source: PageSource[Answer], max_keys: int, turns: Turns) -> list[AccessKey] | None:
    """Return the keys of all pages, or those up to one too many; None where a glance had it wrong.

    Answers wait unread, and the last of them are read at the very end: the rules then find the keys where the
    processor has just put them, which saves about a third of the time to judge them.
    """
    keys: list[AccessKey] = []
    waiting: list[tuple[Answer, str]] = []
    seen: set[str] = set()
    token: str | None = None
    while True:
        answer = await source.ask(token)
        token = source.glance(answer)
        if token is not None and token not in seen and len(waiting) < WAITING:
            seen.add(token)
            waiting.append((answer, token))
            continue
        await turns.take()
        for earlier, expected in waiting:
            page = source.read(earlier)
            if page.next_page_token != expected:
                return None
            keys += page.results
        waiting.clear()
        page = source.read(answer)
        keys += page.results
        token = page.next_page_token
        if token is None or len(keys) > max_keys:
            return keys
        if token in seen:
            raise PaginationError("the listing goes in circles: a page token came that had come before")
        seen.add(token)
