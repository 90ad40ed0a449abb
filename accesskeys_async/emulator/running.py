"""What exists only while the emulator runs: the database, the writing thread, the socket."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import attrs

from .application import Application
from .authorization import AccessControl
from .clock import Clock
from .control import Control
from .database import Database
from .faults import Faults
from .hosts import HostCheck
from .journal import Journal
from .limits import RateLimiter
from .operations import Operations
from .population import Population
from .roles import KnownRoles
from .server import Listener
from .store import Store


class StateHolder(Protocol):
    """Something that changes as the emulator is used, and can be made as new."""

    def reset(self) -> None:
        """Make it as new."""
        ...


@attrs.frozen
class Settings:
    """What does not change while the emulator runs."""

    population: Population
    database: str | os.PathLike[str] | None
    host: str
    port: int
    allowed_hosts: tuple[str, ...]
    control_token: str | None = attrs.field(repr=False)


@attrs.frozen
class Holders:
    """What a test changes while the emulator runs, and a reset makes as new."""

    clock: Clock
    faults: Faults
    limiter: RateLimiter
    journal: Journal
    access: AccessControl


class Running:
    """An emulator from `open` to `close`, on the event loop that opened it."""

    def __init__(
        self, settings: Settings, store: Store, *, writer: ThreadPoolExecutor, holders: Holders
    ) -> None:
        self.store = store
        self.base_url = ""
        self._writer = writer
        control: Control | None = None
        if settings.control_token is not None:
            control = Control(
                settings.control_token,
                faults=holders.faults,
                limiter=holders.limiter,
                journal=holders.journal,
                access=holders.access,
                known_roles=self.known_roles,
                reset=self.reset,
            )
        self._application = Application(
            store,
            Operations(store, writer=writer),
            clock=holders.clock,
            faults=holders.faults,
            limiter=holders.limiter,
            journal=holders.journal,
            access=holders.access,
            hosts=HostCheck(settings.host, settings.allowed_hosts),
            control=control,
        )
        # In this order: requests are abandoned before anything else, and ages count from the new time.
        self.holders: tuple[StateHolder, ...] = (
            self._application,
            holders.clock,
            holders.faults,
            holders.limiter,
            holders.journal,
            holders.access,
        )
        self._listener = Listener(self._application.answer, self._application.render)
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()

    @classmethod
    async def open(cls, settings: Settings, holders: Holders) -> Running:
        """Return a running emulator, populated and listening.

        Raises:
            ValueError: The database is not one of ours, or holds another population.
            OSError: The address cannot be had.
        """
        writer = ThreadPoolExecutor(1, thread_name_prefix="accesskeys-emulator-writer")
        loop = asyncio.get_running_loop()
        try:
            store = await loop.run_in_executor(writer, _open_store, settings, holders.clock)
        except BaseException:
            writer.shutdown()
            raise
        running = cls(settings, store, writer=writer, holders=holders)
        try:
            port = await running._listener.start(settings.host, settings.port)
        except BaseException:
            await running._close_store()
            raise
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        running.base_url = f"http://{host}:{port}"
        return running

    def known_roles(self, organization_id: str) -> KnownRoles | None:
        """Return the roles and workspaces of an organization, or None if it does not exist."""
        if not self.store.has_organization(organization_id):
            return None
        return self.store.known_roles(organization_id)

    def reset(self) -> None:
        """Make every holder of state as new; any thread may call, and it is done on return."""
        if threading.get_ident() == self._thread_id:
            self._reset_here()
            return
        done: Future[None] = Future()

        def reset() -> None:
            try:
                self._reset_here()
            except BaseException as error:  # noqa: BLE001 - it is raised again where it was asked for
                done.set_exception(error)
            else:
                done.set_result(None)

        self._loop.call_soon_threadsafe(reset)
        done.result()

    async def close(self) -> None:
        """Close every connection, those of requests that do not end soon included, then the database."""
        await self._listener.stop()
        self._application.abandon_requests()
        await self._close_store()

    def _reset_here(self) -> None:
        for holder in self.holders:
            holder.reset()
        # Behind the changes that abandoned requests have left in the queue.
        self._writer.submit(self.store.reset).result()

    async def _close_store(self) -> None:
        await self._loop.run_in_executor(self._writer, self.store.close)
        self._writer.shutdown()


def _open_store(settings: Settings, clock: Clock) -> Store:
    database = Database(settings.database)
    try:
        return Store(database, settings.population, clock=clock)
    except BaseException:
        database.close()
        raise
