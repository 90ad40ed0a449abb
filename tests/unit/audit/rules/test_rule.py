from __future__ import annotations

import re

import pytest

from accesskeys_async.audit import Severity, find_rules
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.rule import Rule

RULES = find_rules()


def _rule(condition: str, *parameters: Parameter) -> Rule:
    return Rule(id="OUR1", title="t", severity=Severity.LOW, condition=condition, parameters=parameters)


@pytest.mark.parametrize(
    ("condition", "name", "value", "told"),
    [
        ("older than max_age_days.", "max_age_days", 90, "older than 90 days."),
        ("older than max_age_days.", "max_age_days", 1, "older than 1 day."),
        ("room of skew_minutes", "skew_minutes", 2.5, "room of 2.5 minutes"),
        ("more than max_keys keys", "max_keys", 2_000_000, "more than 2,000,000 keys"),
        ("does not match pattern", "pattern", r"\d+\n", r'does not match "\d+\n"'),
        ("is not one of types", "types", ("user", "service"), "is not one of user, service"),
        ("is not one of types", "types", (), "is not one of (none)"),
        ("across organizations", "across", True, "across organizations"),
        ("my_max_age_days is another word", "max_age_days", 90, "my_max_age_days is another word"),
    ],
)
def test_a_text_has_the_value_of_a_parameter_in_place_of_its_name(
    condition: str, name: str, value: object, told: str
) -> None:
    rule = _rule(condition, Parameter(name, value, "m"))  # type: ignore[arg-type]  # any of them

    assert rule.describe(rule.defaults).condition == told


def test_a_value_that_is_another_parameter_s_name_is_left_as_it_is() -> None:
    rule = _rule("first then second")

    described = rule.describe(Parameters({"first": "second", "second": "first"}))

    assert described.condition == '"second" then "first"'


@pytest.mark.parametrize("rule_id", RULES)
def test_no_built_in_rule_names_a_variable_where_it_can_name_a_number(rule_id: str) -> None:
    rule = RULES[rule_id].describe(RULES[rule_id].defaults)

    numbers = {name for name, value in rule.defaults.items() if not isinstance(value, bool)}
    told = set(re.findall(r"\w+", f"{rule.condition} {rule.mind} {rule.remedy}"))
    assert not {name for name in numbers & told if "_" in name}


@pytest.mark.parametrize("rule_id", RULES)
def test_every_rule_says_how_to_fix_a_finding(rule_id: str) -> None:
    assert RULES[rule_id].remedy.endswith(".")
