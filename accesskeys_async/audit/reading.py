"""One organization read whole, or the reason why it could not be."""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

from accesskeys_async.audit.credentials import Credential
from accesskeys_async.audit.progress import Progress
from accesskeys_async.audit.records import Unreadable
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
    one_line,
)
from accesskeys_async.operations import Id
from accesskeys_async.records import AccessKey

__all__ = ["Access", "name_reason", "read_keys"]

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
    client: AccessKeysClient, organization_id: Id, *, max_keys: int
) -> tuple[AccessKey, ...] | Unreadable:
    """Return all keys of an organization, or why they could not be read; never a part of them."""
    keys: list[AccessKey] = []
    try:
        async with aclosing(client.list(organization_id, prefetch=0).pages()) as pages:
            async for page in pages:
                keys += page.results
                if len(keys) > max_keys:
                    return Unreadable("response", f"has more than {max_keys:,} keys; raise max_keys")
    except ClientClosedError:
        raise
    except AccessKeysError as error:
        return Unreadable(name_reason(error), one_line(str(error)))
    return tuple(keys)
