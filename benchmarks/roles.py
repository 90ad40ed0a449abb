"""The roles of the benchmarks' keys: a dozen, one of them managed, each granted in 0 to 2 workspaces."""

from __future__ import annotations

from typing import Final
from uuid import UUID

__all__ = ["role_refs", "roles"]

Record = dict[str, object]

COUNT: Final = 12
MANAGED_ROLE: Final = 0
MANAGED_KEY: Final = 1
_NAMES: Final = ["Viewer", "Developer", "Billing", "Support", "Operator", "Auditor"]


def role_refs(number: int) -> list[Record]:
    """Return a key's role references: none for a tenth of the keys, two for a fifth, one for the others.

    The managed role is that of one key in fifty.
    """
    return [
        {"id": _role_id(role), "type": _type(role), "workspaces": _workspaces(role)}
        for role in _roles(number)
    ]


def roles(number: int) -> list[Record]:
    """Return the same roles whole, as the service tells them of a single key."""
    return [
        {
            "id": _role_id(role),
            "organizationId": UUID(int=0x0C0FFEE00000400080000000000000AA),
            "name": f"{_NAMES[role % len(_NAMES)]} {role}",
            "description": f"What a {_NAMES[role % len(_NAMES)].lower()} needs",
            "type": _type(role),
            "policies": [
                {
                    "id": UUID(int=0x901C << 108 | 4 << 76 | 8 << 60 | role),
                    "name": f"Policy {role}",
                    "description": "Reads contacts and sends messages",
                    "definitions": [
                        {
                            "effect": "allow",
                            "resources": ["/workspaces/*/contacts/*"],
                            "actions": ["view"],
                            "conditionsAll": [],
                        },
                        {
                            "effect": "allow",
                            "resources": ["/workspaces/*/channels/*/messages"],
                            "actions": ["view", "create"],
                            "conditionsAll": [],
                        },
                    ],
                    "scope": "organization",
                    "type": _type(role),
                }
            ],
        }
        for role in _roles(number)
    ]


def _roles(number: int) -> list[int]:
    if number % 50 == MANAGED_KEY:
        return [MANAGED_ROLE]
    one = 1 + number * 7 % (COUNT - 1)
    match number % 10:
        case 0:
            return []
        case 3 | 7:
            return [one, 1 + one % (COUNT - 1)]
        case _:
            return [one]


def _role_id(role: int) -> UUID:
    return UUID(int=0x201E << 108 | 4 << 76 | 8 << 60 | role)


def _type(role: int) -> str:
    return "managed" if role == MANAGED_ROLE else "organization"


def _workspaces(role: int) -> list[UUID]:
    return [UUID(int=0x305B << 108 | 4 << 76 | 8 << 60 | role * 2 + index) for index in range(role % 3)]
