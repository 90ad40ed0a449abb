from __future__ import annotations

import re
from uuid import UUID

import pytest

from accesskeys_async.audit import Policy, RuleChange, Severity, Subject, find_rules, parse_policy
from accesskeys_async.audit.policies.policy import RuleSetting
from accesskeys_async.audit.policies.template import describe_rule, write_policy

NOBODY = Subject(UUID(int=0))
RULES = find_rules()


def _setting(rule_id: str, change: RuleChange | None = None) -> RuleSetting:
    policy = Policy(rules={} if change is None else {rule_id: change})
    return next(setting for setting in policy.settle(NOBODY) if setting.rule.id == rule_id)


def test_a_policy_to_begin_with_changes_nothing() -> None:
    policy = parse_policy(write_policy(RULES))
    assert policy.settle(NOBODY) == Policy().settle(NOBODY)
    assert policy.hash == Policy().hash


def test_what_is_commented_out_says_what_holds_without_it() -> None:
    uncommented = re.sub(r"^# (\w+ = )", r"\1", write_policy(RULES), flags=re.MULTILINE)

    policy = parse_policy(uncommented)

    assert policy.settle(NOBODY) == Policy().settle(NOBODY)
    assert policy.sla_days == Policy().sla_days
    assert policy.rules.keys() == RULES.keys()
    assert all(change.severity is not None for change in policy.rules.values())
    assert all(set(change.parameters) == set(RULES[name].defaults) for name, change in policy.rules.items())


def test_its_examples_of_overrides_and_suppressions_are_valid() -> None:
    examples = re.sub(r"^#   ", "", write_policy(RULES), flags=re.MULTILINE)

    policy = parse_policy(examples)

    assert (len(policy.overrides), len(policy.suppressions)) == (1, 1)


@pytest.mark.parametrize("rule_id", RULES)
def test_every_rule_is_described_with_its_condition_and_settings(rule_id: str) -> None:
    rule = RULES[rule_id]

    told = describe_rule(_setting(rule_id))

    assert told.startswith(f"{rule_id} {rule.title} (")
    assert rule.describe(rule.defaults).condition in told
    assert all(f"  {parameter.name} = " in told for parameter in rule.parameters)
    assert "By default" not in told
    assert "(by default" not in told


def test_what_a_policy_changed_is_told_beside_the_default() -> None:
    change = RuleChange(enabled=False, severity=Severity.LOW, parameters={"max_idle_days": 7})

    told = describe_rule(_setting("AK001", change))

    assert told.startswith("AK001 unused (off)\n")
    assert "By default: high" in told
    assert "max_idle_days = 7: days since the last use (by default 45)" in told
    assert "The key was last used more than 7 days ago." in told
    assert "To fix: Ask the owner whether the key is still needed" in told


def test_a_policy_to_begin_with_names_the_numbers_that_hold() -> None:
    assert "# unused: The key was last used more than 45 days ago.\n" in write_policy(RULES)


def test_a_rule_that_is_off_by_default_says_so() -> None:
    assert describe_rule(_setting("AK020")).startswith("AK020 naming violation (off)\n")
    assert "By default: off" in describe_rule(_setting("AK020", RuleChange(enabled=True)))
