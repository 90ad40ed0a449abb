"""Find a quota that nobody announced: how much of it is used, and how much is refused.

The emulator, in another process, allows each of many organizations so many requests a second. One client with
its default throttle keeps a few calls under way for each. Then the quota is halved, and doubled, under way.
`python -m benchmarks.quota [--organizations 20] [--rate 50] [--seconds 20] [--warm-up 5]`
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeAlias

import aiohttp
import orjson
from attrs import define, frozen

from accesskeys_async import AccessKeysClient, AccessKeysError, AttemptFinished, Event
from accesskeys_async.emulator import Emulator
from benchmarks.static_server import PROJECT

__all__ = ["Phase", "main", "tabulate", "try_phases"]

CALLS_PER_ORGANIZATION: Final = 6
SetRate: TypeAlias = Callable[[float], Awaitable[None]]

PLAN: Final = (("steady", 1.0), ("halved", 0.5), ("doubled", 2.0))


@frozen
class Service:
    """Where the emulator is, and whom it serves."""

    base_url: str
    control_token: str
    organizations: tuple[tuple[str, str], ...]
    """Ids and tokens."""


@frozen
class Phase:
    """What came of one phase, its warm-up left out."""

    name: str
    allowed: float
    """Requests that the quota lets pass in this time."""
    served: int
    refused: int

    @property
    def utilisation(self) -> float:
        return self.served / self.allowed

    @property
    def refusals(self) -> float:
        return self.refused / max(1, self.served + self.refused)


@define
class Count:
    """A hook that counts answers by whether they are refusals."""

    served: int = 0
    refused: int = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, AttemptFinished):
            if event.attempt.status == 429:
                self.refused += 1
            elif event.attempt.status is not None:
                self.served += 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table of every phase."""
    options = _read_options(arguments)
    if options.serve:
        asyncio.run(_serve(options.organizations))
        return
    phases = try_phases(
        options.organizations, rate=options.rate, seconds=options.seconds, warm_up=options.warm_up
    )
    print(
        f"{options.organizations} organizations, {options.rate:g} requests/s each, unknown to the client:\n"
    )
    print(tabulate(phases))


def try_phases(organizations: int, *, rate: float, seconds: float, warm_up: float) -> list[Phase]:
    """Go through the plan, and return what came of each phase; `rate` is in requests a second."""
    with _start(organizations) as service:
        return asyncio.run(_experiment(service, rate=rate, seconds=seconds, warm_up=warm_up))


def tabulate(phases: Sequence[Phase]) -> str:
    """Draw the table."""
    lines = ["| phase | requests | of the quota | refused |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {phase.name} | {phase.served:,} | {phase.utilisation:.1%} | {phase.refusals:.2%} |"
        for phase in phases
    ]
    return "\n".join(lines)


async def _experiment(service: Service, *, rate: float, seconds: float, warm_up: float) -> list[Phase]:
    count = Count()
    phases: list[Phase] = []
    async with (
        _control(service) as set_rate,
        AccessKeysClient(service.organizations[0][1], base_url=service.base_url, hooks=(count,)) as client,
    ):
        await set_rate(rate)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_keep_asking(client.with_options(token=token), organization))
                for organization, token in service.organizations
                for _ in range(CALLS_PER_ORGANIZATION)
            ]
            for name, factor in PLAN:
                await set_rate(rate * factor)
                await asyncio.sleep(warm_up)
                before = Count(count.served, count.refused)
                began = asyncio.get_running_loop().time()
                await asyncio.sleep(seconds)
                took = asyncio.get_running_loop().time() - began
                allowed = rate * factor * took * len(service.organizations)
                phases.append(
                    Phase(name, allowed, count.served - before.served, count.refused - before.refused)
                )
            for task in tasks:
                task.cancel()
    return phases


async def _keep_asking(client: AccessKeysClient, organization: str) -> None:
    while True:
        with contextlib.suppress(AccessKeysError):
            await client.raw.list(organization, limit=1)


@contextlib.asynccontextmanager
async def _control(service: Service) -> AsyncIterator[SetRate]:
    headers = {"Authorization": f"Bearer {service.control_token}"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:

        async def set_rate(rate: float) -> None:
            await session.put(f"{service.base_url}/_emulator/rate-limit", json={"requestsPerSecond": rate})

        yield set_rate


@contextlib.contextmanager
def _start(organizations: int) -> Iterator[Service]:
    """Run the emulator in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.quota", "--serve", "--organizations", str(organizations)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            told = server.stdout.readline()
            if not told:
                raise RuntimeError("the emulator did not start; run it alone to see why")
            base_url, control_token, pairs = orjson.loads(told)
            yield Service(base_url, control_token, tuple((id_, token) for id_, token in pairs))
        finally:
            # The end of its stdin is what it waits for, so that it never outlives us.
            server.stdin.close()


async def _serve(organizations: int) -> None:
    async with Emulator(organizations=organizations, keys_per_organization=1, control=True) as emulator:
        pairs = [(organization.id, organization.token) for organization in emulator.organizations]
        told = orjson.dumps((emulator.base_url, emulator.control_token, pairs)).decode()
        print(told, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quota", description=__doc__)
    parser.add_argument("--organizations", type=int, default=20, help="1 or more")
    parser.add_argument("--rate", type=float, default=50.0, help="of each, in requests a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each phase is measured")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds before that, not measured")
    parser.add_argument("--serve", action="store_true", help="be the emulator, until stdin ends")
    options = parser.parse_args(arguments)
    for name in ("organizations", "rate", "seconds"):
        if not getattr(options, name) > 0:
            parser.error(f"--{name} is {getattr(options, name)}; it takes more than 0")
    return options


if __name__ == "__main__":
    main()
