"""One organization read whole, or the reason why it could not be.

What waits for the network is apart from what keeps the processor: answers are asked for side by side, and
read one organization after another, when somebody wants what is in them.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from accesskeys_async._contract.arguments import MAX_PAGE_SIZE
from accesskeys_async._listing.pages import PageSource, PlainSource, Steps
from accesskeys_async.audit.records import Unreadable
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

WAITING: Final = 20
"""How many answers of an organization may wait unread."""

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
            return Unreadable("credential", one_line_of(error))
        except Exception as error:  # noqa: BLE001 - a token's callable is the user's
            return Unreadable("credential", f"what gives the token raised {type(error).__name__}")


class Answers:
    """An organization's pages: asked for one after another, and read later.

    Read at the very end, the keys are found by the rules where the processor has just put them, which saves
    about a third of the time to judge them.
    """

    def __init__(self, client: AccessKeysClient, organization_id: UUID, *, max_keys: int) -> None:
        fetch = client._pages_of(organization_id, limit=MAX_PAGE_SIZE)
        self._source: PageSource[Any] = fetch if isinstance(fetch, PageSource) else PlainSource(fetch)
        self._max_keys = max_keys
        self._steps = Steps(self._source)
        # By id: a key that moved while it was read comes as it was last seen.
        self._keys: dict[int, AccessKey] = {}
        self._waiting: list[tuple[Any, str | None]] = []
        self._next: str | None = None
        self._unreadable: Unreadable | None = None
        self._is_over = False

    @property
    def most(self) -> int:
        """How many keys have come, at the most: pages that wait may not be full."""
        return len(self._keys) + len(self._waiting) * MAX_PAGE_SIZE

    async def ask(self, *, to_the_end: bool = False) -> None:
        """Ask for all pages, and read as few of them as may be: what is left for `take` needs no waiting.

        That the last page has come is seen at a glance, which may be wrong, unless all is read `to_the_end`.
        What fails is for `take` to say; ClientClosedError is raised.
        """
        while not self._is_over:
            asked = self._next
            try:
                answer = await self._source.ask(asked)
            except ClientClosedError:
                raise
            except AccessKeysError as error:
                self._read()
                if not self._is_over and self._next == asked:  # and no glance was wrong before
                    self._fail(error)
                continue
            token = self._source.glance(answer)
            has_come = self._steps.has_passed(token) or any(token == earlier for _, earlier in self._waiting)
            self._waiting.append((answer, token))
            if token is None and not to_the_end:
                return
            self._next = token
            if token is None or has_come or len(self._waiting) >= WAITING:
                self._read()

    def take(self) -> tuple[AccessKey, ...] | Unreadable | None:
        """Return all keys, each once, or why they could not be read; never a part of them.

        None where a glance was wrong, and there is more to ask for. What was taken is let go of.
        """
        self._read()
        if self._unreadable is not None:
            return self._unreadable
        if not self._is_over:
            return None
        keys, self._keys = self._keys, {}
        if len(keys) > self._max_keys:
            return Unreadable("response", f"has more than {self._max_keys:,} keys; raise max_keys")
        return tuple(keys.values())

    def _read(self) -> None:
        """Read what waits, up to where a glance was wrong."""
        waiting, self._waiting = self._waiting, []
        keys, steps = self._keys, self._steps
        try:
            for answer, glanced in waiting:
                page = self._source.read(answer)
                before = len(keys)
                for key in page.results:
                    keys[key.id.int] = key
                steps.note(page, fresh=len(keys) - before)
                self._next = steps.token
                if steps.is_over or len(keys) > self._max_keys:
                    self._is_over = True
                    return
                steps.check()
                if steps.token != glanced:
                    return
        except AccessKeysError as error:
            self._fail(error)

    def _fail(self, error: AccessKeysError) -> None:
        self._unreadable = Unreadable(name_reason(error), one_line_of(error))
        self._is_over = True
        self._keys.clear()
