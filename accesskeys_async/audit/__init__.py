"""Audit the keys of many organizations: read them whole, judge them by rules, and tell what to do."""

from accesskeys_async.audit.checkpoint import Checkpoint, Reading
from accesskeys_async.audit.credentials import Credential
from accesskeys_async.audit.engine import audit
from accesskeys_async.audit.errors import AuditError, CheckpointError, InventoryError, PolicyError
from accesskeys_async.audit.inventory import Entry, Inventory, read_inventory
from accesskeys_async.audit.parameters import Parameter, Parameters
from accesskeys_async.audit.policy import Override, Policy, RuleChange
from accesskeys_async.audit.policy_reading import load_policy, parse_policy
from accesskeys_async.audit.progress import Progress
from accesskeys_async.audit.records import (
    Finding,
    OrganizationAudit,
    Outcome,
    RuleResult,
    Severity,
    Snapshot,
    Subject,
    Summary,
    Unreadable,
)
from accesskeys_async.audit.registry import Registry, find_rules
from accesskeys_async.audit.rules import Hit, Rule, Scope, Verdict
from accesskeys_async.audit.suppressions import Suppression

__all__ = [
    "AuditError",
    "Checkpoint",
    "CheckpointError",
    "Credential",
    "Entry",
    "Finding",
    "Hit",
    "Inventory",
    "InventoryError",
    "OrganizationAudit",
    "Outcome",
    "Override",
    "Parameter",
    "Parameters",
    "Policy",
    "PolicyError",
    "Progress",
    "Reading",
    "Registry",
    "Rule",
    "RuleChange",
    "RuleResult",
    "Scope",
    "Severity",
    "Snapshot",
    "Subject",
    "Summary",
    "Suppression",
    "Unreadable",
    "Verdict",
    "audit",
    "find_rules",
    "load_policy",
    "parse_policy",
    "read_inventory",
]
