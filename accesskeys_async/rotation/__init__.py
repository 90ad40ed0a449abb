"""Rotation: a key is replaced by a new one, and no crash in between leaves an outage or an orphan.

Needs the extra `rotation`: `pip install "accesskeys-async[rotation]"`.
"""

from __future__ import annotations

from accesskeys_async._public import public
from accesskeys_async.rotation.delivery import CurrentToken as CurrentToken
from accesskeys_async.rotation.delivery import Delivery as Delivery
from accesskeys_async.rotation.delivery import Probe as Probe
from accesskeys_async.rotation.delivery import Sink as Sink
from accesskeys_async.rotation.failures import JournalError as JournalError
from accesskeys_async.rotation.failures import LeaseLostError as LeaseLostError
from accesskeys_async.rotation.failures import RotationBusyError as RotationBusyError
from accesskeys_async.rotation.failures import RotationError as RotationError
from accesskeys_async.rotation.failures import RotationRefusedError as RotationRefusedError
from accesskeys_async.rotation.failures import SinkError as SinkError
from accesskeys_async.rotation.failures import SinkUnsureError as SinkUnsureError
from accesskeys_async.rotation.failures import UnknownRotationError as UnknownRotationError
from accesskeys_async.rotation.journal import Journal as Journal
from accesskeys_async.rotation.probe import ReadProbe as ReadProbe
from accesskeys_async.rotation.rotator import Rotator as Rotator
from accesskeys_async.rotation.settings import RotationSettings as RotationSettings
from accesskeys_async.rotation.sinks import CommandSink as CommandSink
from accesskeys_async.rotation.sinks import DirectorySink as DirectorySink
from accesskeys_async.rotation.sinks import EnvFileSink as EnvFileSink
from accesskeys_async.rotation.sinks import FileSink as FileSink
from accesskeys_async.rotation.states import Candidate as Candidate
from accesskeys_async.rotation.states import Progress as Progress
from accesskeys_async.rotation.states import Rotation as Rotation
from accesskeys_async.rotation.states import State as State

__all__ = [
    "Candidate",
    "CommandSink",
    "CurrentToken",
    "Delivery",
    "DirectorySink",
    "EnvFileSink",
    "FileSink",
    "Journal",
    "JournalError",
    "LeaseLostError",
    "Probe",
    "Progress",
    "ReadProbe",
    "Rotation",
    "RotationBusyError",
    "RotationError",
    "RotationRefusedError",
    "RotationSettings",
    "Rotator",
    "Sink",
    "SinkError",
    "SinkUnsureError",
    "State",
    "UnknownRotationError",
]

for _name in __all__:
    public(__name__)(globals()[_name])
