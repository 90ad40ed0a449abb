"""The access keys API as a real service on this machine, written from the contract alone."""

from __future__ import annotations

from accesskeys_async._public import public

from .clock import Clock, ManualClock, SystemClock
from .faults import Fault, Faults
from .journal import Journal, JournalEntry
from .limits import RateLimit
from .population import Organization
from .records import StoredKey
from .roles import StoredDefinition, StoredPolicy, StoredRole, StoredRoleRef, StoredWorkspace
from .service import Emulator

__all__ = [
    "Clock",
    "Emulator",
    "Fault",
    "Faults",
    "Journal",
    "JournalEntry",
    "ManualClock",
    "Organization",
    "RateLimit",
    "StoredDefinition",
    "StoredKey",
    "StoredPolicy",
    "StoredRole",
    "StoredRoleRef",
    "StoredWorkspace",
    "SystemClock",
]

for _name in __all__:
    public(__name__)(globals()[_name])
