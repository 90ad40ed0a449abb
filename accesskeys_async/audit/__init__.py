"""Audit the keys of many organizations: read them whole, judge them by rules, and tell what to do."""

from accesskeys_async._public import public
from accesskeys_async.audit.cleanup.apply import Removal, apply
from accesskeys_async.audit.cleanup.plan import Candidate, Plan, PlanError, Planner, dump_plan, load_plan
from accesskeys_async.audit.cleanup.removal_journal import Act, RemovalJournal, RemovalJournalError
from accesskeys_async.audit.errors import (
    AuditError,
    CheckpointError,
    CheckpointWriteError,
    InventoryError,
    PolicyError,
)
from accesskeys_async.audit.policies.loading import load_policy, parse_policy
from accesskeys_async.audit.policies.policy import Override, Policy, RuleChange
from accesskeys_async.audit.policies.suppressions import Suppression
from accesskeys_async.audit.policies.template import describe_rule, write_policy
from accesskeys_async.audit.records import (
    Finding,
    OrganizationAudit,
    Outcome,
    RuleResult,
    Severity,
    Subject,
    Summary,
    Unreadable,
    UnreadableReason,
)
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.registry import Registry, find_rules
from accesskeys_async.audit.rules.rule import Hit, Rule, Scope, Verdict
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.audit.run.checkpoint import Checkpoint, Reading
from accesskeys_async.audit.run.engine import audit
from accesskeys_async.audit.run.progress import Progress
from accesskeys_async.audit.scope.credentials import Credential
from accesskeys_async.audit.scope.inventory import Entry, Inventory, read_inventory

__all__ = [
    "Act",
    "AuditError",
    "Candidate",
    "Checkpoint",
    "CheckpointError",
    "CheckpointWriteError",
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
    "Plan",
    "PlanError",
    "Planner",
    "Policy",
    "PolicyError",
    "Progress",
    "Reading",
    "Registry",
    "Removal",
    "RemovalJournal",
    "RemovalJournalError",
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
    "UnreadableReason",
    "Verdict",
    "apply",
    "audit",
    "describe_rule",
    "dump_plan",
    "find_rules",
    "load_plan",
    "load_policy",
    "parse_policy",
    "read_inventory",
    "write_policy",
]

for _name in __all__:
    public(__name__)(globals()[_name])
