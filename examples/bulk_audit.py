"""A bulk audit: print every key of many organizations that is older than 90 days and was never used."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

from accesskeys_async import AccessKeysClient

OLD = datetime.now(UTC) - timedelta(days=90)


async def print_unused(client: AccessKeysClient, org: str) -> None:
    async for key in client.list(org):
        if key.last_used_at is None and key.created_at < OLD:
            print(org, key.id, key.name, f"created {key.created_at:%Y-%m-%d}", sep="\t")


async def main(orgs: list[str]) -> None:
    async with AccessKeysClient() as client, asyncio.TaskGroup() as group:
        for org in orgs:
            group.create_task(print_unused(client, org))


if __name__ == "__main__":
    orgs = sys.argv[1:]
    if not orgs and "ACCESSKEYS_ORGANIZATION" not in os.environ:
        print("set these environment variables: ACCESSKEYS_ORGANIZATION", file=sys.stderr)
        sys.exit(2)
    asyncio.run(main(orgs or [os.environ["ACCESSKEYS_ORGANIZATION"]]))
