"""The emulator: one object that puts the rooms together, on this event loop or on a thread of its own."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from .authorization import AccessControl
from .clock import Clock, SystemClock
from .faults import Faults
from .journal import Journal
from .limits import RateLimit, RateLimiter
from .loop_thread import LoopThread
from .population import Population
from .records import StoredKey
from .roles import StoredRole, StoredWorkspace
from .running import Holders, Running, Settings


class Emulator:
    """Serve the access keys API for real, from SQLite, on a socket of this machine.

    `async with` runs it on the present event loop; `start` and `stop`, or `with`, on a thread of its own.
    The rest may be used from any thread.

    Args:
        seed: What ids, tokens and fleets follow from. Who knows it knows the tokens.
        organizations: How many there are, 1 or more.
        keys_per_organization: How many keys each has, besides the one whose token `organizations` tells.
        database: A file that outlives the emulator; None keeps everything in memory.
        host: Where to listen; a loopback address unless `allow_remote`.
        port: 0 takes a free one.
        allow_remote: Whether other machines may be served.
        allowed_hosts: Names to take in a Host header, besides the loopback ones and `host`. A request with
            another name is 421, so that a page in a browser cannot reach the emulator by a name of its own.
        control: Whether to serve the control API under `/_emulator/`, for `control_token`.
        control_token: The token of the control API; a random one by default.
        enforce_roles: Whether a token may do only what the policies of its key's roles allow.
        clock: What time it is; the machine's clock by default.
        journal_size: How many requests the journal keeps.

    Raises:
        ValueError: An argument is out of its bounds, or the host is not loopback.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        organizations: int = 1,
        keys_per_organization: int = 0,
        database: str | os.PathLike[str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        allow_remote: bool = False,
        allowed_hosts: Iterable[str] = (),
        control: bool = False,
        control_token: str | None = None,
        enforce_roles: bool = False,
        clock: Clock | None = None,
        journal_size: int = 10_000,
    ) -> None:
        if not (allow_remote or _is_loopback(host)):
            raise ValueError(
                f"host {host} is not a loopback address; the tokens follow from the seed, so pass "
                "allow_remote=True (--allow-remote) only in a network that you trust"
            )
        self._settings = Settings(
            population=Population(seed, organizations, keys_per_organization),
            database=database,
            host=host,
            port=port,
            allowed_hosts=tuple(allowed_hosts),
            control_token=(control_token or secrets.token_urlsafe(24)) if control else None,
        )
        self.organizations = self._settings.population.list_organizations()
        self.faults = Faults()
        self.journal = Journal(journal_size)
        self._holders = Holders(
            clock=clock or SystemClock(),
            faults=self.faults,
            limiter=RateLimiter(),
            journal=self.journal,
            access=AccessControl(enforced=enforce_roles),
        )
        self._running: Running | None = None
        self._thread: LoopThread | None = None

    @property
    def organization_id(self) -> str:
        """The id of the first organization."""
        return self.organizations[0].id

    @property
    def token(self) -> str:
        """The token of the first organization's own key."""
        return self.organizations[0].token

    @property
    def base_url(self) -> str:
        """Where it listens, without a slash at the end.

        Raises:
            RuntimeError: It is not running.
        """
        return self._present().base_url

    @property
    def control_token(self) -> str:
        """The token for `Authorization: Bearer` under `/_emulator/`.

        Raises:
            RuntimeError: It was made without `control=True`.
        """
        if self._settings.control_token is None:
            raise RuntimeError("the control API is off; make the emulator with control=True")
        return self._settings.control_token

    @property
    def rate_limit(self) -> RateLimit | None:
        """What each organization may request; it can be changed at any time."""
        return self._holders.limiter.limit

    @rate_limit.setter
    def rate_limit(self, limit: RateLimit | None) -> None:
        self._holders.limiter.limit = limit

    @property
    def enforce_roles(self) -> bool:
        """Whether a token may do only what its key's roles allow; it can be changed at any time."""
        return self._holders.access.enforced

    @enforce_roles.setter
    def enforce_roles(self, enforced: bool) -> None:
        self._holders.access.enforced = enforced

    def roles(self, organization_id: str) -> tuple[StoredRole, ...]:
        """Return the roles that the organization's keys may have, the managed ones first."""
        known = self._present().known_roles(organization_id)
        return () if known is None else tuple(known.roles.values())

    def workspaces(self, organization_id: str) -> tuple[StoredWorkspace, ...]:
        """Return the workspaces of an organization."""
        known = self._present().known_roles(organization_id)
        return () if known is None else tuple(known.workspaces.values())

    def keys(self, organization_id: str) -> tuple[StoredKey, ...]:
        """Return every key of an organization, oldest first."""
        return self._present().store.stored_keys(organization_id)

    def verify(self, organization_id: str, token: str) -> str | None:
        """Return the id of the organization's living key that a token belongs to; this is not a use."""
        bearer = self._present().store.find_bearer(token)
        return bearer.key_id if bearer and bearer.organization_id == organization_id else None

    def reset(self) -> None:
        """Make everything as new: keys, ids, faults, journal, rate limit, enforcement of roles and clock.

        Requests in flight are dropped. A database file loses what was done to it.
        """
        self._present().reset()

    async def __aenter__(self) -> Self:
        """Open on the running event loop; ready when this returns."""
        await self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection and the database."""
        await self._close()

    def start(self) -> Self:
        """Open on a thread of its own; ready when this returns."""
        thread = LoopThread("accesskeys-emulator")
        try:
            thread.run(self._open())
        except BaseException:
            thread.stop()
            raise
        self._thread = thread
        return self

    def stop(self) -> None:
        """End what `start` began, within two seconds; a second call does nothing."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.run(self._close())
            thread.stop()

    def __enter__(self) -> Self:
        """Call `start`."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Call `stop`."""
        self.stop()

    async def _open(self) -> None:
        if self._running is not None:
            raise RuntimeError("the emulator is running already; stop it first, or make another")
        self._running = await Running.open(self._settings, self._holders)

    async def _close(self) -> None:
        running = self._present()
        self._running = None
        await running.close()

    def _present(self) -> Running:
        if self._running is None:
            raise RuntimeError("the emulator is not running; enter it with `async with`, or call start()")
        return self._running


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
