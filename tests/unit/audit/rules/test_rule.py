from __future__ import annotations

import re

import pytest

from accesskeys_async.audit import Severity, describe_rule, find_rules
from accesskeys_async.audit.policies.policy import RuleSetting
from accesskeys_async.audit.reports.context import list_rule_texts
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
def test_a_built_in_rule_explains_its_findings_how_to_fix_them_and_false_positives(rule_id: str) -> None:
    rule = RULES[rule_id]

    assert rule.title.strip(".") == rule.title != ""
    for text in (rule.condition, rule.remedy, rule.false_positives):
        assert re.fullmatch(r"[A-Z\"l].{15,}\.", text), text


@pytest.mark.parametrize("rule_id", RULES)
def test_the_texts_of_a_rule_show_each_number_of_the_policy_in_force(rule_id: str) -> None:
    rule = RULES[rule_id]
    numbers = {
        parameter.name: 40 + place
        for place, parameter in enumerate(rule.parameters)
        if isinstance(parameter.default, int | float) and not isinstance(parameter.default, bool)
    }
    numbers.pop("max_remembered", None)  # a bound of memory, not of what is found

    described = rule.describe(Parameters({**rule.defaults, **numbers}))

    texts = f"{described.condition} {described.remedy} {described.false_positives}"
    assert not numbers.keys() & set(re.findall(r"\w+", texts))
    assert set(map(str, numbers.values())) <= set(re.findall(r"\d+", described.condition))


@pytest.mark.parametrize("rule_id", RULES)
def test_a_description_of_a_rule_has_all_its_texts(rule_id: str) -> None:
    rule = RULES[rule_id].describe(RULES[rule_id].defaults)

    shown = describe_rule(RuleSetting(RULES[rule_id], True, rule.severity, rule.defaults))

    assert all(text in shown for text in (rule.title, rule.condition, rule.remedy, rule.false_positives))
    assert all(text in "\n".join(list_rule_texts(rule)) for text in (rule.condition, rule.remedy))
