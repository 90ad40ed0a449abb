from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from accesskeys_async import AccessKeysClient, CreatedAccessKey, RetryPolicy, Token
from accesskeys_async.emulator import Emulator, ManualClock
from accesskeys_async.rotation import Delivery, Journal, Rotation
from tests.unit.rotation.yard import NOW, TOKEN, RecordingSink, Yard


@pytest.fixture
def make_rotation() -> Callable[..., Rotation]:
    def make(number: int = 1, **fields: object) -> Rotation:
        values: dict[str, object] = {
            "id": UUID(int=number),
            "organization_id": UUID(int=100),
            "key_id": UUID(int=200 + number),
            "suffix": "AbCdEf",
            "name": "ci",
            "description": "deploys",
            "grace": timedelta(days=7),
            "require_idle": True,
            "planned_at": NOW + timedelta(seconds=number),
            "due_at": NOW,
        }
        return Rotation(**{**values, **fields})

    return make


@pytest.fixture
def delivery() -> Delivery:
    key = CreatedAccessKey(
        id=UUID(int=7),
        organization_id=UUID(int=100),
        name="ci",
        suffix=TOKEN[-6:],
        created_at=NOW,
        token=Token(TOKEN),
    )
    return Delivery(rotation_id=UUID(int=1), replaces=UUID(int=6), attempt=1, key=key)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with Journal(tmp_path / "journal.sqlite") as journal:
        yield journal


@pytest.fixture(scope="session")
def _yard_service() -> Iterator[tuple[Emulator, ManualClock]]:
    clock = ManualClock(NOW)
    with Emulator(keys_per_organization=1, clock=clock) as service:
        yield service, clock


@pytest.fixture
async def yard(
    _yard_service: tuple[Emulator, ManualClock], journal: Journal, tmp_path: Path
) -> AsyncIterator[Yard]:
    service, clock = _yard_service
    service.reset()
    retry = RetryPolicy(base_delay=0.001, max_delay=0.01)
    async with AccessKeysClient(service.token, base_url=service.base_url, retry=retry) as client:
        yield Yard(service, clock, client, journal, RecordingSink(), tmp_path)
