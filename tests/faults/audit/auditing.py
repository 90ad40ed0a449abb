"""An audit to be killed: `python -m tests.faults.audit.auditing BASE_URL TOKEN CHECKPOINT ORGANIZATION...`"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from accesskeys_async import AccessKeysClient
from accesskeys_async.audit import Checkpoint, OrganizationAudit, audit


async def run(base_url: str, token: str, path: str, organizations: list[str]) -> None:
    with Checkpoint.open(
        Path(path), policy_hash="p", inventory_hash="i", resume=True, now=datetime.now(UTC)
    ) as checkpoint:
        async with AccessKeysClient(token, base_url=base_url) as client:
            async for one in audit(client, organizations, checkpoint=checkpoint, at_once=2):
                if isinstance(one, OrganizationAudit):
                    sys.stdout.write(f"{one.subject.organization_id} {one.unreadable is None}\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:4], sys.argv[4:]))
