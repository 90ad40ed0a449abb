"""All keys of one organization, or the reason why they could not be read.

Waiting for the network is separate from work of the processor: pages are fetched concurrently, and decoded
one organization after another, when the keys are needed.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from accesskeys_async._contract.arguments import MAX_PAGE_SIZE
from accesskeys_async._listing.pages import Pager
from accesskeys_async.audit.records import Unreadable, UnreadableReason
from accesskeys_async.audit.run.progress import Progress
from accesskeys_async.audit.scope.credentials import Credential
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
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    one_line_of,
)
from accesskeys_async.records import AccessKey

MAX_UNDECODED_PAGES: Final = 20
"""How many pages of an organization may wait undecoded."""

_REASONS: Final[tuple[tuple[type[AccessKeysError], UnreadableReason], ...]] = (
    (AuthenticationError, UnreadableReason.AUTHENTICATION),
    (PermissionDeniedError, UnreadableReason.PERMISSION),
    (NotFoundError, UnreadableReason.MISSING),
    (RateLimitError, UnreadableReason.UNAVAILABLE),
    (ServerError, UnreadableReason.UNAVAILABLE),
    (APITimeoutError, UnreadableReason.TIMEOUT),
    (DeadlineExceededError, UnreadableReason.TIMEOUT),
    (APIConnectionError, UnreadableReason.CONNECTION),
    (ConfigurationError, UnreadableReason.CREDENTIAL),
)


def find_reason(error: AccessKeysError) -> UnreadableReason:
    """Return why an organization or a key could not be read."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), UnreadableReason.RESPONSE)


class Access:
    """Clients that read with the right token, over the one pool of the client that was given."""

    def __init__(self, client: AccessKeysClient, progress: Progress | None) -> None:
        self._client = client
        if progress is not None:
            self._client = client.with_options(hooks=(*client.hooks, progress.note))

    async def open(self, credential: Credential | None) -> tuple[AccessKeysClient, str] | Unreadable:
        """Return a client, and the suffix of its token; or why there is no token."""
        try:
            client = self._client
            if credential is not None:
                client = client.with_options(token=await credential.resolve())
            return client, await client.token_suffix()
        except AccessKeysError as error:
            return Unreadable(UnreadableReason.CREDENTIAL, one_line_of(error))
        except Exception as error:  # noqa: BLE001 - a token's callable is the user's
            return Unreadable(
                UnreadableReason.CREDENTIAL, f"what gives the token raised {type(error).__name__}"
            )


class KeyFetcher:
    """An organization's keys: pages are fetched one after another, and decoded later.

    If pages are decoded at the very end, the rules find the keys in the processor's caches, which saves about
    a third of the time of their evaluation.
    """

    def __init__(self, client: AccessKeysClient, organization_id: UUID, *, max_keys: int) -> None:
        self._pager = Pager(client.page_source(organization_id, limit=MAX_PAGE_SIZE))
        self._max_keys = max_keys
        # By id: a key that moved while the pages were fetched is kept as it was last seen.
        self._keys: dict[int, AccessKey] = {}
        self._unreadable: Unreadable | None = None
        self._is_over = False

    @property
    def max_count(self) -> int:
        """How many keys have come at most: undecoded pages may not be full."""
        return len(self._keys) + len(self._pager.undecoded) * MAX_PAGE_SIZE

    async def fetch(self, *, to_the_end: bool = False) -> None:
        """Fetch all pages, and decode few of them: `take` decodes the others without waiting.

        A peek shows that the last page has come. It may be wrong, unless all pages are decoded `to_the_end`.
        Failures are returned by `take`; ClientClosedError is raised.
        """
        pager = self._pager
        while not self._is_over:
            failure = await pager.fetch()
            if failure is not None:
                if isinstance(failure, ClientClosedError) or not isinstance(failure, AccessKeysError):
                    raise failure
                self._decode()
                continue
            is_last = pager.peek() is None
            if is_last and not to_the_end:
                return
            if is_last or pager.is_peek_repeated() or len(pager.undecoded) >= MAX_UNDECODED_PAGES:
                self._decode()

    def take(self) -> tuple[AccessKey, ...] | Unreadable | None:
        """Return all keys, each once, or why they could not be read; never a part of them.

        None if a peek was wrong, and there is more to fetch. The keys are not kept here.
        """
        self._decode()
        if self._unreadable is not None:
            return self._unreadable
        if not self._is_over:
            return None
        keys, self._keys = self._keys, {}
        if len(keys) > self._max_keys:
            return Unreadable(
                UnreadableReason.RESPONSE, f"has more than {self._max_keys:,} keys; raise max_keys"
            )
        return tuple(keys.values())

    def _decode(self) -> None:
        """Decode the fetched pages, up to where a peek was wrong."""
        keys, pager = self._keys, self._pager
        cursor = pager.cursor
        try:
            while pager.undecoded and not self._is_over:
                page = pager.decode()
                if page is None:
                    return
                before = len(keys)
                for key in page.results:
                    keys[key.id.int] = key
                cursor.advance(page, new_keys=len(keys) - before)
                self._is_over = cursor.is_over or len(keys) > self._max_keys
                if not self._is_over:
                    cursor.raise_if_looping()
        except AccessKeysError as error:
            self._fail(error)
        if self._is_over:
            pager.undecoded.clear()

    def _fail(self, error: AccessKeysError) -> None:
        self._unreadable = Unreadable(find_reason(error), one_line_of(error))
        self._is_over = True
        self._keys.clear()
