"""The five operations to put under faults, and the client to do it with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import evolve

from accesskeys_async import (
    AccessKeysClient,
    Timeout,
)
from accesskeys_async.emulator import Emulator, Fault

RETRIES = 2
ALL = RETRIES + 1
ONCE = 1
Call = Callable[[AccessKeysClient, str, str], Awaitable[object]]
CALLS: dict[str, Call] = {
    "list": lambda client, org, key_id: client.list(org).collect(),
    "get": lambda client, org, key_id: client.get(org, key_id),
    "update": lambda client, org, key_id: client.update(org, key_id, name="renamed"),
    "delete": lambda client, org, key_id: client.delete(org, key_id, allow_self=True),
    "create": lambda client, org, key_id: client.create(org, name="new", description="made in a test"),
}
REPEATABLE = ("list", "get", "update", "delete")
EVERY = tuple(CALLS)


def aim(fault: Fault, operation: str, times: int | None = None) -> Fault:
    """Point a fault at one operation."""
    changes: dict[str, Any] = {"operation": operation}
    if times is not None:
        changes["times"] = times
    return evolve(fault, **changes)


def in_a_hurry(client: AccessKeysClient, fault: Fault) -> AccessKeysClient:
    """Give up early on what never ends."""
    never_ends = fault.kind in {"delay", "drip"}
    return client.with_options(timeout=Timeout(attempt=0.15)) if never_ends else client


async def run(client: AccessKeysClient, emulator: Emulator, operation: str) -> object:
    key_id = emulator.keys(emulator.organization_id)[0].id
    return await CALLS[operation](client, emulator.organization_id, key_id)
