"""The probe that a rotator uses unless told otherwise: the new key reads itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from accesskeys_async.client import AccessKeysClient
from accesskeys_async.errors import AuthenticationError, ConfigurationError, PermissionDeniedError
from accesskeys_async.records import CreatedAccessKey

FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 4.0


class ReadProbe:
    """Read the new key with its own token, and again for `window` seconds while the answer is 401.

    A key that was created a moment ago may not be known everywhere yet. A 403 passes: the service knows the
    token, as an unknown one gets 401, and the roles of the key need not allow it to view access keys. Shares
    the client's connections.

    Raises AuthenticationError when the window is over, and at once whatever else `client.get` raises.
    """

    def __init__(
        self,
        client: AccessKeysClient,
        *,
        window: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        if not window >= 0:
            raise ConfigurationError(f"window is {window!r}; it takes seconds, 0 or more")
        self._client = client
        self._window = window
        self._clock = clock
        self._sleep = sleep

    async def __call__(self, key: CreatedAccessKey) -> None:
        """Try the key."""
        client = self._client.with_options(token=key.token)
        until = self._clock() + self._window
        wait = FIRST_WAIT
        while True:
            try:
                await client.get(key.organization_id, key.id)
            except PermissionDeniedError:
                return
            except AuthenticationError:
                left = until - self._clock()
                if left <= 0:
                    raise
            else:
                return
            await self._sleep(min(wait, left))
            wait = min(2 * wait, LONGEST_WAIT)
