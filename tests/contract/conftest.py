from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from accesskeys_async import (
    AccessKeysClient,
    RetryPolicy,
    SharedPause,
    Timeout,
)
from accesskeys_async.emulator import Emulator
from tests.contract.faulty_calls import RETRIES


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(keys_per_organization=3) as service:
        yield service


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[AccessKeysClient]:
    async with AccessKeysClient(
        emulator.token,
        base_url=emulator.base_url,
        retry=RetryPolicy(max_retries=RETRIES, base_delay=0.0),
        timeout=Timeout(attempt=3.0),
        deadline=5.0,
        throttle=SharedPause(default=0.0),
    ) as client:
        yield client
