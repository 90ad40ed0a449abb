from __future__ import annotations

from accesskeys_async.audit import Override, Policy, RuleChange
from accesskeys_async.audit.reports import ReportContext


def test_the_lines_are_those_of_the_policy() -> None:
    rules = {
        "AK001": RuleChange(parameters={"max_idle_days": 30}),
        "AK003": RuleChange(parameters={"max_age_days": 60}),
    }
    context = ReportContext.of(Policy(rules=rules))
    assert (context.idle_days, context.rotation_days) == (30, 60)


def test_a_policy_that_says_nothing_has_the_lines_of_the_rules() -> None:
    context = ReportContext.of(Policy())
    assert (context.idle_days, context.rotation_days) == (ReportContext().idle_days, 90)
    assert {"AK001", "AK028"} <= {rule.id for rule in context.rules}


def test_overrides_move_no_line() -> None:
    override = Override(rules={"AK003": RuleChange(parameters={"max_age_days": 1})})
    assert ReportContext.of(Policy(overrides=(override,))).rotation_days == 90
