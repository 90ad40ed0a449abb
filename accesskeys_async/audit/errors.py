"""What keeps an audit from beginning: its policy, its inventory, its checkpoint."""

from __future__ import annotations

from accesskeys_async.errors import ConfigurationError


class AuditError(ConfigurationError):
    """Stand above the errors of an audit's files; each names the file and the place in it."""


class PolicyError(AuditError):
    """Refuse a policy, or a rule that it brings along."""


class InventoryError(AuditError):
    """Refuse an inventory: `fleet.csv:3: ...`."""


class CheckpointError(AuditError):
    """Refuse a checkpoint that can't be written, or that is of another audit."""


class CheckpointWriteError(CheckpointError):
    """Tell that the disk did not take a checkpoint; what it has up to then is whole."""
