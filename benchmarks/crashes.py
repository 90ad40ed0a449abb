"""Rotations that are killed: seeded schedules of deaths and lost replies, and what must be true after each.

Real deaths are SIGKILLs of processes forked by a server that has everything loaded. Simulated ones drop
all that is in memory, keep the journal and the service, and are cheaper.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import msgspec
from attrs import frozen

from accesskeys_async.emulator import Emulator, Fault
from accesskeys_async.rotation import FileSink
from benchmarks.lives import LEASE, CrashError, Errand, Fate, SharedClock, crash, kill, live

__all__ = ["MOMENTS", "Deaths", "ForkServer", "Ground", "Schedule", "simulate"]

Operation = Literal["list", "create", "get", "update", "delete"]
LostReply = Literal["reset_before", "reset_after", "cut_headers", "cut_body"]

MOMENTS: Final = 65
"""How many moments an undisturbed rotation has; a test holds it to that."""
PATIENCE: Final = 60
"""Seconds that one life may take."""
_ABSENCES: Final = (1.0, LEASE.total_seconds() + 1, 86_400.0)
_OPERATIONS: Final[tuple[Operation, ...]] = ("list", "create", "get", "update", "delete")


class Death(msgspec.Struct, frozen=True):
    """When a life ends, and how long nobody works after it."""

    moment: int
    linger: float
    """Seconds that a request is let go on before a death in its middle."""
    absence: float
    """Seconds until the next life begins, on the rotation's clock."""


class Schedule(msgspec.Struct, frozen=True):
    """The deaths and lost replies of one rotation."""

    deaths: tuple[Death, ...]
    lost: tuple[tuple[Operation, LostReply], ...]
    """Operations, each with the way in which a reply of it is lost; it is lost once."""
    is_own: bool

    @classmethod
    def draw(cls, seed: int) -> Schedule:
        """Draw one to three deaths and up to three lost replies."""
        chance = random.Random(seed)
        kinds: tuple[LostReply, ...] = ("reset_before", "reset_after", "cut_headers", "cut_body")
        deaths = tuple(
            Death(chance.randint(1, MOMENTS), chance.uniform(0, 0.004), chance.choice(_ABSENCES))
            for _ in range(chance.choice((1, 1, 2, 3)))
        )
        count = chance.choice((0, 1, 2, 3))
        lost: list[tuple[Operation, LostReply]] = [
            (chance.choice(_OPERATIONS), chance.choice(kinds)) for _ in range(count)
        ]
        return cls(deaths, tuple(lost), chance.random() < 0.25)

    @classmethod
    def die_at(cls, moment: int, *, absence: float = LEASE.total_seconds() + 1) -> Schedule:
        """Die once, at a moment."""
        return cls((Death(moment, 0.001, absence),), (), is_own=False)


@frozen
class Deaths:
    """How a rotation ended, and how often its worker had died by then."""

    count: int
    moments: int
    """Of its last life."""
    state: str


class Ground:
    """A service with an organization for each schedule, and a folder for journals and sinks."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self._emulator = emulator
        self._folder = folder

    def prepare(self, number: int, schedule: Schedule) -> Errand:
        """Make the errand of a schedule ready in the organization of that number."""
        organization = self._emulator.organizations[number]
        other, own = self._emulator.keys(organization.id)
        errand = Errand(
            base_url=self._emulator.base_url,
            organization_id=UUID(organization.id),
            token=organization.token,
            key_id=UUID(own.id if schedule.is_own else other.id),
            journal=self._folder / f"{number}.sqlite",
            sink=self._folder / f"{number}.token",
            is_own=schedule.is_own,
        )
        self._give_a_role(errand)
        if errand.is_own:
            errand.sink.write_text(errand.token)
        for operation, kind in schedule.lost:
            make = getattr(Fault, kind)
            self._emulator.faults.add(make(operation=operation, organization=organization.id))
        return errand

    def _give_a_role(self, errand: Errand) -> None:
        """Give the key a role that exists: a few of the seeded ones are gone, which stops a rotation."""
        organization = str(errand.organization_id)
        body = json.dumps({"roleRefs": [{"id": self._emulator.roles(organization)[0].id}]}).encode()
        request = urllib.request.Request(
            f"{errand.base_url}/organizations/{organization}/access-keys/{errand.key_id}",
            data=body,
            method="PATCH",
            headers={"Authorization": f"AccessKey {errand.token}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()

    async def judge(self, errand: Errand) -> list[str]:
        """Say what is not as promised: one living key, its token in the sink, confirmed, no orphan."""
        wrong: list[str] = []
        organization_id = str(errand.organization_id)
        keys = self._emulator.keys(organization_id)
        if len(keys) != 2 or str(errand.key_id) in {key.id for key in keys}:
            wrong.append(f"the organization has {len(keys)} keys: {[key.description for key in keys]}")
        wrong += [
            f"{key.description} still bears a mark" for key in keys if "[ak:" in (key.description or "")
        ]
        token = (await FileSink(errand.sink).read()).reveal()
        living = self._emulator.verify(organization_id, token)
        if living is None or living not in {key.id for key in keys[1:]}:
            wrong.append("the sink's token is not the new key's")
        with contextlib.closing(sqlite3.connect(errand.journal)) as journal:
            states = journal.execute("SELECT state FROM accesskeys_rotations").fetchall()
        if states != [("confirmed",)]:
            wrong.append(f"the journal says {states}")
        return wrong


async def simulate(errand: Errand, schedule: Schedule) -> Deaths:
    """Run a schedule in this process: a death drops what is in memory, and nothing else."""
    clock = SharedClock()
    for died, death in enumerate((*schedule.deaths, None)):
        fate = Fate(None if death is None else death.moment, crash, linger=death.linger if death else 0.0)
        try:
            state = await live(errand, fate, clock)
        except CrashError:
            assert death is not None
            clock.advance(timedelta(seconds=death.absence))
        else:
            return Deaths(died, fate.moments, state)
    raise AssertionError("unreachable: the last life has no death")


class _Order(msgspec.Struct, frozen=True):
    errand: dict[str, str | bool]
    schedule: Schedule


class ForkServer:
    """A process that has everything loaded, and forks a worker for each life."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls) -> AsyncGenerator[ForkServer]:
        """Start it, and end it with its block."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.crashes",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            # A process that is killed writes no coverage down; to measure it only makes it slow.
            env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
        )
        try:
            yield cls(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    async def run(self, errand: Errand, schedule: Schedule) -> Deaths:
        """Run a schedule with real deaths."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        fields = {
            name: value if isinstance(value, bool) else str(value)
            for name, value in (
                ("base_url", errand.base_url),
                ("organization_id", errand.organization_id),
                ("token", errand.token),
                ("key_id", errand.key_id),
                ("journal", errand.journal),
                ("sink", errand.sink),
                ("is_own", errand.is_own),
            )
        }
        self._process.stdin.write(msgspec.json.encode(_Order(fields, schedule)) + b"\n")
        count, moments, state = msgspec.json.decode(
            await self._process.stdout.readline(), type=tuple[int, int, str]
        )
        return Deaths(count, moments, state)


def _serve(orders: Iterable[bytes]) -> None:
    for line in orders:
        order = msgspec.json.decode(line, type=_Order)
        fields = order.errand
        errand = Errand(
            base_url=str(fields["base_url"]),
            organization_id=UUID(str(fields["organization_id"])),
            token=str(fields["token"]),
            key_id=UUID(str(fields["key_id"])),
            journal=Path(str(fields["journal"])),
            sink=Path(str(fields["sink"])),
            is_own=bool(fields["is_own"]),
        )
        sys.stdout.buffer.write(msgspec.json.encode(_run_lives(errand, order.schedule)) + b"\n")
        sys.stdout.buffer.flush()


def _run_lives(errand: Errand, schedule: Schedule) -> tuple[int, int, str]:
    clock = SharedClock()
    for died, death in enumerate((*schedule.deaths, None)):
        ended, moments, state = _fork(errand, death, clock)
        if not ended:
            return died, moments, state
        assert death is not None
        clock.advance(timedelta(seconds=death.absence))
    raise AssertionError("unreachable: the last life has no death")


def _fork(errand: Errand, death: Death | None, clock: SharedClock) -> tuple[bool, int, str]:
    """Live one life in a child, and tell whether it was killed, its moments, and its state."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(PATIENCE)
            fate = Fate(death.moment if death else None, kill, linger=death.linger if death else 0.0)
            reached = asyncio.run(live(errand, fate, clock))
            os.write(writer, msgspec.json.encode((fate.moments, reached)))
        except BaseException as error:  # noqa: BLE001 - nothing may get back into the server's loop
            os.write(writer, msgspec.json.encode((0, f"{type(error).__name__}: {error}")))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        answer = said.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) == signal.SIGKILL:
            return True, 0, ""
        return False, 0, f"ended by signal {os.WTERMSIG(status)}"
    moments, state = msgspec.json.decode(answer, type=tuple[int, str])
    return False, moments, state


if __name__ == "__main__":
    _serve(sys.stdin.buffer)
