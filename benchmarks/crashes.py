"""Rotations whose workers crash: seeded schedules of crashes and lost replies, and what must hold after each.

Real crashes are SIGKILLs of processes that a server forks, which has everything loaded. Simulated crashes
drop everything in memory, keep the journal and the service, and are cheaper.
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
from benchmarks.crash_worker import (
    LEASE,
    CrashError,
    CrashPoint,
    RotationJob,
    SharedClock,
    kill_process,
    raise_crash,
    rotate_key,
)

__all__ = ["MOMENTS", "CrashResult", "ForkServer", "RotationSetup", "Schedule", "simulate"]

Operation = Literal["list", "create", "get", "update", "delete"]
LostReply = Literal["reset_before", "reset_after", "cut_headers", "cut_body"]

MOMENTS: Final = 65
"""How many moments an undisturbed rotation has; a test holds it to that."""
PATIENCE: Final = 60
"""Seconds that one worker may take."""
_DOWNTIMES: Final = (1.0, LEASE.total_seconds() + 1, 86_400.0)
_OPERATIONS: Final[tuple[Operation, ...]] = ("list", "create", "get", "update", "delete")


class Crash(msgspec.Struct, frozen=True):
    """When a worker crashes, and how long no other works after it."""

    moment: int
    linger: float
    """Seconds that a request continues before a crash in its middle."""
    downtime: float
    """Seconds until the next worker starts, on the rotation's clock."""


class Schedule(msgspec.Struct, frozen=True):
    """The crashes and lost replies of one rotation."""

    crashes: tuple[Crash, ...]
    lost: tuple[tuple[Operation, LostReply], ...]
    """Operations, each with the way in which one of its replies is lost."""
    is_own: bool

    @classmethod
    def draw(cls, seed: int) -> Schedule:
        """Draw one to three crashes and up to three lost replies."""
        chance = random.Random(seed)
        kinds: tuple[LostReply, ...] = ("reset_before", "reset_after", "cut_headers", "cut_body")
        crashes = tuple(
            Crash(chance.randint(1, MOMENTS), chance.uniform(0, 0.004), chance.choice(_DOWNTIMES))
            for _ in range(chance.choice((1, 1, 2, 3)))
        )
        count = chance.choice((0, 1, 2, 3))
        lost: list[tuple[Operation, LostReply]] = [
            (chance.choice(_OPERATIONS), chance.choice(kinds)) for _ in range(count)
        ]
        return cls(crashes, tuple(lost), chance.random() < 0.25)

    @classmethod
    def crash_at(cls, moment: int, *, downtime: float = LEASE.total_seconds() + 1) -> Schedule:
        """Crash once, at a moment."""
        return cls((Crash(moment, 0.001, downtime),), (), is_own=False)


@frozen
class CrashResult:
    """How a rotation ended, and how many workers crashed before."""

    count: int
    moments: int
    """Moments of its last worker."""
    state: str


class RotationSetup:
    """A service with an organization for each schedule, and a folder for journals and sinks."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self._emulator = emulator
        self._folder = folder

    def prepare(self, number: int, schedule: Schedule) -> RotationJob:
        """Prepare the job of a schedule in the organization of that number."""
        organization = self._emulator.organizations[number]
        other, own = self._emulator.keys(organization.id)
        job = RotationJob(
            base_url=self._emulator.base_url,
            organization_id=UUID(organization.id),
            token=organization.token,
            key_id=UUID(own.id if schedule.is_own else other.id),
            journal=self._folder / f"{number}.sqlite",
            sink=self._folder / f"{number}.token",
            is_own=schedule.is_own,
        )
        self._give_a_role(job)
        if job.is_own:
            job.sink.write_text(job.token)
        for operation, kind in schedule.lost:
            make = getattr(Fault, kind)
            self._emulator.faults.add(make(operation=operation, organization=organization.id))
        return job

    def _give_a_role(self, job: RotationJob) -> None:
        """Give the key a role that exists: a few of the seeded ones are gone, which stops a rotation."""
        organization = str(job.organization_id)
        body = json.dumps({"roleRefs": [{"id": self._emulator.roles(organization)[0].id}]}).encode()
        request = urllib.request.Request(
            f"{job.base_url}/organizations/{organization}/access-keys/{job.key_id}",
            data=body,
            method="PATCH",
            headers={"Authorization": f"AccessKey {job.token}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()

    async def find_violations(self, job: RotationJob) -> list[str]:
        """Return each violated promise: one live key, its token in the sink, confirmed, no orphan."""
        wrong: list[str] = []
        organization_id = str(job.organization_id)
        keys = self._emulator.keys(organization_id)
        if len(keys) != 2 or str(job.key_id) in {key.id for key in keys}:
            wrong.append(f"the organization has {len(keys)} keys: {[key.description for key in keys]}")
        wrong += [
            f"{key.description} still has a marker" for key in keys if "[ak:" in (key.description or "")
        ]
        token = (await FileSink(job.sink).read()).reveal()
        living = self._emulator.verify(organization_id, token)
        if living is None or living not in {key.id for key in keys[1:]}:
            wrong.append("the sink's token is not the new key's")
        with contextlib.closing(sqlite3.connect(job.journal)) as journal:
            states = journal.execute("SELECT state FROM accesskeys_rotations").fetchall()
        if states != [("confirmed",)]:
            wrong.append(f"the journal has {states}")
        return wrong


async def simulate(job: RotationJob, schedule: Schedule) -> CrashResult:
    """Run a schedule in this process: a crash drops what is in memory, and nothing else."""
    clock = SharedClock()
    for crashed, planned in enumerate((*schedule.crashes, None)):
        crash_point = CrashPoint(
            None if planned is None else planned.moment,
            raise_crash,
            linger=planned.linger if planned else 0.0,
        )
        try:
            state = await rotate_key(job, crash_point, clock)
        except CrashError:
            assert planned is not None
            clock.advance(timedelta(seconds=planned.downtime))
        else:
            return CrashResult(crashed, crash_point.moments, state)
    raise AssertionError("unreachable: the last worker does not crash")


class _Order(msgspec.Struct, frozen=True):
    job: dict[str, str | bool]
    schedule: Schedule


class ForkServer:
    """A process that has everything loaded, and forks each worker."""

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
            # A killed process writes no coverage: measuring it would only slow it down.
            env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
        )
        try:
            yield cls(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    async def run(self, job: RotationJob, schedule: Schedule) -> CrashResult:
        """Run a schedule with real crashes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        fields = {
            name: value if isinstance(value, bool) else str(value)
            for name, value in (
                ("base_url", job.base_url),
                ("organization_id", job.organization_id),
                ("token", job.token),
                ("key_id", job.key_id),
                ("journal", job.journal),
                ("sink", job.sink),
                ("is_own", job.is_own),
            )
        }
        self._process.stdin.write(msgspec.json.encode(_Order(fields, schedule)) + b"\n")
        count, moments, state = msgspec.json.decode(
            await self._process.stdout.readline(), type=tuple[int, int, str]
        )
        return CrashResult(count, moments, state)


def _serve(orders: Iterable[bytes]) -> None:
    for line in orders:
        order = msgspec.json.decode(line, type=_Order)
        fields = order.job
        job = RotationJob(
            base_url=str(fields["base_url"]),
            organization_id=UUID(str(fields["organization_id"])),
            token=str(fields["token"]),
            key_id=UUID(str(fields["key_id"])),
            journal=Path(str(fields["journal"])),
            sink=Path(str(fields["sink"])),
            is_own=bool(fields["is_own"]),
        )
        sys.stdout.buffer.write(msgspec.json.encode(_run_workers(job, order.schedule)) + b"\n")
        sys.stdout.buffer.flush()


def _run_workers(job: RotationJob, schedule: Schedule) -> tuple[int, int, str]:
    clock = SharedClock()
    for crashed, planned in enumerate((*schedule.crashes, None)):
        ended, moments, state = _fork(job, planned, clock)
        if not ended:
            return crashed, moments, state
        assert planned is not None
        clock.advance(timedelta(seconds=planned.downtime))
    raise AssertionError("unreachable: the last worker does not crash")


def _fork(job: RotationJob, planned: Crash | None, clock: SharedClock) -> tuple[bool, int, str]:
    """Run one worker in a child, and return whether it was killed, its moments, and its state."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(PATIENCE)
            crash_point = CrashPoint(
                planned.moment if planned else None, kill_process, linger=planned.linger if planned else 0.0
            )
            reached = asyncio.run(rotate_key(job, crash_point, clock))
            os.write(writer, msgspec.json.encode((crash_point.moments, reached)))
        except BaseException as error:  # noqa: BLE001 - nothing may get back into the server's loop
            os.write(writer, msgspec.json.encode((0, f"{type(error).__name__}: {error}")))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as output:
        response = output.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) == signal.SIGKILL:
            return True, 0, ""
        return False, 0, f"ended by signal {os.WTERMSIG(status)}"
    moments, state = msgspec.json.decode(response, type=tuple[int, str])
    return False, moments, state


if __name__ == "__main__":
    _serve(sys.stdin.buffer)
