from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

KEY_ID = UUID("6c1f7f0e-58a1-4b1c-9d53-2f0a8d1c7b22")


@pytest.fixture
def key_id() -> UUID:
    return KEY_ID


@pytest.fixture
def make_row(organization_id: UUID) -> Callable[..., dict[str, Any]]:
    """A key as the API writes it; a field given as `...` is left out."""

    def make(**changes: Any) -> dict[str, Any]:
        row = {
            "id": str(KEY_ID),
            "organizationId": str(organization_id),
            "name": "ci",
            "type": "standard",
            "description": "deploys",
            "suffix": "AbCdEf",
            "lastUsedAt": None,
            "createdAt": "2026-01-02T03:04:05Z",
            "updatedAt": "2026-01-02T03:04:06.789Z",
            "roleIds": ["a", "b"],
        } | changes
        return {name: value for name, value in row.items() if value is not ...}

    return make
