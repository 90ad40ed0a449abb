"""Request rotations from workers behind Redis: python -m examples.worker.request GRACE_SECONDS KEY_ID..."""

import asyncio

from examples.worker.arguments import read_arguments
from examples.worker.tasks import broker, rotate


async def main(grace_seconds: int, key_ids: list[str]) -> None:
    await broker.startup()
    for key_id in key_ids:
        await rotate.kiq(key_id, grace_seconds)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main(*read_arguments("request")))
