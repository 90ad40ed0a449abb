"""Broker, worker and scheduler in one process: rotate keys, and exit when all are done.

The exit code is 1 if a key was not replaced: its rotation was aborted, needs a person, or could not be
planned. TOKEN_DIR and ACCESSKEYS_JOURNAL are required: see tasks.py.

python -m examples.worker.in_memory GRACE_SECONDS KEY_ID...
"""

import asyncio
import contextlib
import sys
from datetime import timedelta

from taskiq.api import run_scheduler_task

from accesskeys_async.rotation import State
from examples.worker.arguments import read_arguments
from examples.worker.tasks import broker, find_rotator, rotate, scheduler

ENDS = {State.CONFIRMED, State.ABORTED, State.NEEDS_HUMAN}


async def main(grace_seconds: int, key_ids: list[str]) -> int:
    await broker.startup()
    scheduling = asyncio.create_task(run_scheduler_task(scheduler, loop_interval=timedelta(seconds=1)))
    try:
        requested = [await rotate.kiq(key_id, grace_seconds) for key_id in key_ids]
        results = [await task.wait_result() for task in requested]
        for key_id, result in zip(key_ids, results, strict=True):
            if result.is_err:
                print("access key", key_id, "could not be rotated:", result.error, file=sys.stderr)
        planned = {result.return_value for result in results if not result.is_err}
        while True:
            states = {r.state for r in await find_rotator().status() if str(r.id) in planned}
            if states <= ENDS:
                break
            await asyncio.sleep(0.2)
    finally:
        scheduling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await scheduling
        await broker.shutdown()
    failed = any(result.is_err for result in results)
    return 1 if failed or states != {State.CONFIRMED} else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*read_arguments("in_memory"))))
