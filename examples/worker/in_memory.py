"""Broker, worker and scheduler in one process: rotates the keys it is given, and ends when they are done.

Needs TOKEN_DIR and ACCESSKEYS_JOURNAL: see tasks.py.

python -m examples.worker.in_memory GRACE_SECONDS KEY_ID...
"""

import asyncio
import contextlib
import sys
from datetime import timedelta

from taskiq.api import run_scheduler_task

from examples.worker.tasks import broker, find_rotator, rotate, scheduler


async def main(grace_seconds: int, key_ids: list[str]) -> None:
    await broker.startup()
    scheduling = asyncio.create_task(run_scheduler_task(scheduler, loop_interval=timedelta(seconds=1)))
    try:
        for key_id in key_ids:
            await rotate.kiq(key_id, grace_seconds)
        while True:
            known = await find_rotator().status()
            if len(known) == len(key_ids) and all(rotation.is_over for rotation in known):
                break
            await asyncio.sleep(0.2)
    finally:
        scheduling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await scheduling
        await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
