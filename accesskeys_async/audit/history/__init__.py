"""The history of audits: what was read and found, kept in a database and compared.

Needs the extra `history`: `pip install "accesskeys-async[history]"`.
"""

from accesskeys_async._public import public
from accesskeys_async.audit.history.audit_history import DEFAULT_DATABASE, History
from accesskeys_async.audit.history.recording import Recording
from accesskeys_async.audit.history.records import (
    Diff,
    HistoryError,
    NotCompared,
    PastFinding,
    PastRun,
    UnknownRunError,
)
from accesskeys_async.audit.history.rotation_keys import read_known_keys

__all__ = [
    "DEFAULT_DATABASE",
    "Diff",
    "History",
    "HistoryError",
    "NotCompared",
    "PastFinding",
    "PastRun",
    "Recording",
    "UnknownRunError",
    "read_known_keys",
]

for _name in __all__:
    public(__name__)(globals()[_name])
