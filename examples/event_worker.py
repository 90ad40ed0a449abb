"""An event-driven worker: each line on stdin is the id of a key that has leaked, and is deleted."""

import asyncio
import os
import sys

from accesskeys_async import AccessKeysClient, AccessKeysError

WORKERS = 8


async def work(client: AccessKeysClient, leaked: asyncio.Queue[str], left: list[str]) -> None:
    while True:
        key_id = await leaked.get()
        try:
            await client.delete(os.environ["ACCESSKEYS_ORGANIZATION"], key_id, missing_ok=True)
            print("deleted", key_id, flush=True)
        except AccessKeysError as error:
            left.append(key_id)
            print("left", key_id, "because", error, file=sys.stderr)
        finally:
            leaked.task_done()


async def main() -> int:
    leaked: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
    left: list[str] = []
    async with AccessKeysClient() as client, asyncio.TaskGroup() as group:
        workers = [group.create_task(work(client, leaked, left)) for _ in range(WORKERS)]
        while line := await asyncio.to_thread(sys.stdin.readline):
            await leaked.put(line.strip())
        await leaked.join()
        for worker in workers:
            worker.cancel()
    return 1 if left else 0


if __name__ == "__main__":
    if "ACCESSKEYS_ORGANIZATION" not in os.environ:
        print("set these environment variables: ACCESSKEYS_ORGANIZATION", file=sys.stderr)
        sys.exit(2)
    sys.exit(asyncio.run(main()))
