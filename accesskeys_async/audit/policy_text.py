"""Policies and rules told to people: a policy to begin with, and what a rule is about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from accesskeys_async.audit.errors import PolicyError
from accesskeys_async.audit.parameters import Value
from accesskeys_async.audit.policy import SLA_DAYS
from accesskeys_async.audit.rules import Rule, Scope

__all__ = ["explain", "write_policy"]

_HEAD: Final = """\
# A policy for auditing access keys. What is left out is as it stands here: these are the defaults.
# `accesskeys audit policy check FILE` finds mistakes; `... explain RULE` tells what a rule is about.

# Keys of the auditor's own, beside the one whose token it uses: marked, and never offered for deletion.
own_keys = []

# Python files with rules of your own, relative to this file. They are executed.
rule_files = []
"""

_TAIL: Final = """\

# For some organizations something else holds: those with one of the labels, and those that are named.
# [[overrides]]
# labels = ["batch"]
# organizations = ["0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01"]
# [overrides.rules.AK001]
# max_idle_days = 400

# What is muted: a rule, a key, an organization, or what is all of those. Each is exact; "glob:" before it
# makes a pattern, for a key of its name. Reason, owner and the last day are not optional.
# [[suppressions]]
# rule = "AK001"
# key = "glob:year-end-*"
# organization = "0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01"
# reason = "runs once a year"
# owner = "finance"
# expires = 2027-01-31
"""


def write_policy(rules: Mapping[str, Rule]) -> str:
    """Return a policy file with every rule as it is by default, to be changed."""
    lines = [_HEAD, "# Days to fix a finding in, by its severity.", "[sla_days]"]
    lines += [f"{severity.name.lower()} = {days}" for severity, days in SLA_DAYS.items()]
    for rule in rules.values():
        lines += ["", f"# {rule.title}: {rule.condition}"]
        if rule.mind:
            lines.append(f"# Mind: {rule.mind}")
        lines += [f"[rules.{rule.id}]", f"enabled = {_toml(rule.is_on)}"]
        lines.append(f"severity = {_toml(rule.severity.name.lower())}")
        lines += [
            f"{parameter.name} = {_toml(parameter.default)} # {parameter.meaning}"
            for parameter in rule.parameters
        ]
    return "\n".join([*lines, _TAIL])


def explain(rules: Mapping[str, Rule], rule_id: str) -> str:
    """Tell what a rule is about. Raises PolicyError where there is no such rule."""
    rule = rules.get(rule_id)
    if rule is None:
        raise PolicyError(f"there is no rule {rule_id}; there is {', '.join(rules)}")
    what = {
        Scope.KEY: "a key",
        Scope.ORGANIZATION: "an organization",
        Scope.FLEET: "all organizations together",
        Scope.HISTORY: "an organization now and at its last complete reading; it takes a history",
    }[rule.scope]
    lines = [f"{rule.id}  {rule.title}", "", rule.condition, ""]
    lines += _rows(
        [
            ("Judges", what),
            ("Severity", rule.severity.name.lower()),
            ("By default", "on" if rule.is_on else "off"),
            ("Analogues", ", ".join(rule.controls)),
            ("Mind", rule.mind),
        ]
    )
    if rule.parameters:
        lines += ["", f"[rules.{rule.id}]"]
        lines += [
            f"{parameter.name} = {_toml(parameter.default)}  # {parameter.meaning}"
            for parameter in rule.parameters
        ]
    return "\n".join(lines) + "\n"


def _rows(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{name + ':':<12}{value}" for name, value in rows if value]


def _toml(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    # JSON's texts, numbers and truth values are TOML's, too, but for DEL, which no default holds.
    return json.dumps(value)
