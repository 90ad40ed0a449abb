"""A policy to begin with, and each rule in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from accesskeys_async._contract.writing import dump_json
from accesskeys_async.audit.policies.policy import SLA_DAYS, RuleSetting
from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.parameters import Value
from accesskeys_async.audit.rules.rule import Rule

_HEAD: Final = """\
# The policy of an audit. Every line that is commented out says what holds without it.

# Python files whose RULES are judged, too; paths are relative to this file.
# rule_files = []

# Ids of keys of the auditor's own, beside the one whose token it uses: never offered for deletion.
# own_keys = []

"""
_TAIL: Final = """\
# Other settings for some organizations: those that have one of the labels, and those that are named.
#
#   [[overrides]]
#   labels = ["sandbox"]
#   organizations = ["0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01"]
#   rules.AK003.max_age_days = 365

# Findings that are muted: by rule, key and organization, whichever are given; exact, but for `glob:` before
# a pattern (for a key, of its name). Each needs a reason, an owner, and the last day on which it holds.
#
#   [[suppressions]]
#   rule = "AK001"
#   key = "glob:year-end-*"
#   reason = "closes the books once a year"
#   owner = "finance@example.com"
#   expires = 2027-01-31
"""


def write_policy(rules: Mapping[str, Rule]) -> str:
    """Write a policy that changes nothing, with all that can be set commented out. It is valid TOML."""
    parts = [_HEAD, "# Days to fix a finding in, by severity.\n[sla_days]\n"]
    parts += [f"# {severity.name.lower()} = {days}\n" for severity, days in SLA_DAYS.items()]
    for rule in rules.values():
        told = rule.describe(rule.defaults)
        parts.append(f"\n# {rule.title}: {told.condition}\n[rules.{rule.id}]\n")
        parts.append(f"# enabled = {_write(rule.enabled)}\n")
        parts.append(f"# severity = {_write(rule.severity.name.lower())}\n")
        parts += [
            f"# {parameter.name} = {_write(parameter.default)}  # {parameter.meaning}\n"
            for parameter in rule.parameters
        ]
    return "".join([*parts, "\n", _TAIL])


def describe_rule(setting: RuleSetting) -> str:
    """Say what a rule finds, how to fix it, how a policy sets it, and what may be harmless."""
    rule = setting.described
    state = setting.severity.name.lower() if setting.enabled else "off"
    lines = [f"{rule.id} {rule.title} ({state})", f"  {rule.condition}"]
    if rule.remedy:
        lines.append(f"  To fix: {rule.remedy}")
    if rule.false_positives:
        lines.append(f"  May be harmless: {rule.false_positives}")
    if rule.controls:
        lines.append(f"  Controls: {', '.join(rule.controls)} (analogues, not attestations)")
    lines.append(f"  Judges: {_SCOPES[rule.scope.value]}")
    if rule.severity is not setting.severity or rule.enabled is not setting.enabled:
        usual = rule.severity.name.lower() if rule.enabled else "off"
        lines.append(f"  By default: {usual}")
    for parameter in rule.parameters:
        value, default = setting.parameters[parameter.name], parameter.default
        usual = "" if value == default else f" (by default {_write(default)})"
        lines.append(f"  {parameter.name} = {_write(value)}: {parameter.meaning}{usual}")
    days = SLA_DAYS.get(setting.severity)
    if setting.enabled and days is not None and setting.severity is not Severity.INFO:
        lines.append(f"  To fix within {days} days, unless the policy says otherwise")
    return "".join(f"{line}\n" for line in lines)


_SCOPES: Final = {
    "key": "each key",
    "organization": "an organization",
    "fleet": "organizations together",
    "history": "what changed since the last complete reading (needs --history)",
}


def _write(value: Value) -> str:
    # JSON's texts, numbers and lists of texts are TOML's, too.
    return dump_json(value).decode()
