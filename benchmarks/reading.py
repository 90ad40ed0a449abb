"""Read a listing, or keys one by one, as one contestant does it.

`python -m benchmarks.reading --module MODULE --contestant NAME ...` is one round in a process of its own, and
writes what it took to stdout. The module may need packages that only the peers' environment has.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias

from benchmarks.measurement import Round, report, time_after
from benchmarks.static_server import SINGLE_KEYS, Target, key_id

__all__ = ["CONCURRENCY", "WORK", "Contestant", "PageReader", "Reader", "main", "read_singly"]

CONCURRENCY: Final = 64
"""How many single reads are under way at a time."""
WARM_UP_KEYS: Final = 1_000
WARM_UP_READS: Final = 256


class Reader(ABC):
    """A client that is open."""

    @abstractmethod
    async def stream(self, keys: int) -> int:
        """Read the listing until so many keys have come, touch each, and return how many did."""

    @abstractmethod
    async def get(self, key_id: str) -> None:
        """Read one key."""


class PageReader(Reader):
    """A client that leaves it to its caller to go from page to page."""

    @abstractmethod
    async def count_page(self, page_token: str | None) -> tuple[int, str | None]:
        """Read a page, touch each key, and return how many there are and the next page's token."""

    async def stream(self, keys: int) -> int:
        """Read one page after another."""
        count, page_token = await self.count_page(None)
        while page_token and count < keys:
            more, page_token = await self.count_page(page_token)
            count += more
        return count


Contestant: TypeAlias = Callable[[Target], AbstractAsyncContextManager[Reader]]


async def read_singly(reader: Reader, reads: int) -> int:
    """Read single keys, so many at a time, and return how many came."""
    ids = [str(key_id(number)) for number in range(SINGLE_KEYS)]
    numbers = iter(range(reads))

    async def work() -> int:
        count = 0
        for number in numbers:
            await reader.get(ids[number % SINGLE_KEYS])
            count += 1
        return count

    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(work()) for _ in range(CONCURRENCY)]
    return sum(worker.result() for worker in workers)


async def _stream(reader: Reader, amount: int) -> Round:
    return await time_after(
        lambda: reader.stream(min(amount, WARM_UP_KEYS)),
        lambda: reader.stream(amount),
    )


async def _read_singly(reader: Reader, amount: int) -> Round:
    return await time_after(
        lambda: read_singly(reader, min(amount, WARM_UP_READS)),
        lambda: read_singly(reader, amount),
    )


WORK: Final[Mapping[str, Callable[[Reader, int], Awaitable[Round]]]] = {
    "stream": _stream,
    "single": _read_singly,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one round."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--module", required=True, help="whose CONTESTANTS are to choose from")
    parser.add_argument("--contestant", required=True)
    parser.add_argument("--work", choices=WORK, required=True)
    parser.add_argument("--base-url", required=True, help="of a static server that runs already")
    parser.add_argument("--amount", type=int, required=True, help="keys, or reads; at most what is there")
    parser.add_argument("--uvloop", action="store_true", help="run on uvloop")
    options = parser.parse_args(arguments)
    contestants: Mapping[str, Contestant] = importlib.import_module(options.module).CONTESTANTS
    if options.contestant not in contestants:
        parser.error(f"there is no contestant {options.contestant!r}; there is: {', '.join(contestants)}")
    target = Target(options.base_url, options.amount)
    make_loop = importlib.import_module("uvloop").new_event_loop if options.uvloop else None
    with asyncio.Runner(loop_factory=make_loop) as runner:
        measured = runner.run(_enter(contestants[options.contestant], target, options.work))
    if measured.keys != options.amount:
        raise SystemExit(f"{options.contestant} read {measured.keys} keys of {options.amount}")
    print(report(measured))


async def _enter(contestant: Contestant, target: Target, work: str) -> Round:
    async with contestant(target) as reader:
        return await WORK[work](reader, target.keys)


if __name__ == "__main__":
    main()
