"""An event-driven worker: each line on stdin is the id of a leaked key, which is deleted."""

import asyncio
import os
import sys

from accesskeys_async import AccessKeysClient, AccessKeysError

WORKERS = 8


async def work(client: AccessKeysClient, leaked: asyncio.Queue[str], failed: list[str]) -> None:
    while True:
        key_id = await leaked.get()
        try:
            await client.delete(os.environ["ACCESSKEYS_ORGANIZATION"], key_id, missing_ok=True)
            print("deleted", key_id, flush=True)
        except AccessKeysError as error:
            failed.append(key_id)
            print(f"{key_id} was not deleted: {error}", file=sys.stderr)
        finally:
            leaked.task_done()


async def main() -> int:
    leaked: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
    failed: list[str] = []
    async with AccessKeysClient() as client, asyncio.TaskGroup() as group:
        workers = [group.create_task(work(client, leaked, failed)) for _ in range(WORKERS)]
        while line := await asyncio.to_thread(sys.stdin.readline):
            await leaked.put(line.strip())
        await leaked.join()
        for worker in workers:
            worker.cancel()
    return 1 if failed else 0


if __name__ == "__main__":
    if "ACCESSKEYS_ORGANIZATION" not in os.environ:
        print("set these environment variables: ACCESSKEYS_ORGANIZATION", file=sys.stderr)
        sys.exit(2)
    sys.exit(asyncio.run(main()))
