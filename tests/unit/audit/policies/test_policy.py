from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest

from accesskeys_async.audit import (
    Override,
    Parameter,
    Parameters,
    Policy,
    Rule,
    RuleChange,
    Severity,
    Subject,
    Suppression,
    find_rules,
)
from accesskeys_async.audit.policies.policy import RuleSetting

RULES = find_rules(installed=())
SUBJECT = Subject(UUID(int=1))
MUTED = Suppression(rule="AK001", reason="r", owner="o", expires=date(2027, 1, 31))


def test_the_hash_is_of_what_holds_and_not_of_how_it_is_said() -> None:
    plain = Policy(registry=RULES)
    said = Policy(registry=RULES, rules={"AK001": RuleChange(True, Severity.HIGH, {"max_idle_days": 45})})
    assert plain.hash == said.hash
    assert len(plain.hash) == 32


@pytest.mark.parametrize(
    "other",
    [
        {"rules": {"AK001": RuleChange(False)}},
        {"rules": {"AK001": RuleChange(severity=Severity.LOW)}},
        {"rules": {"AK001": RuleChange(parameters={"max_idle_days": 44})}},
        {"overrides": (Override(frozenset({"a"})),)},
        {"overrides": (Override(frozenset({"a"}), rules={"AK001": RuleChange(False)}),)},
        {"own_keys": frozenset({UUID(int=5)})},
        {"sla_days": {Severity.HIGH: 1}},
        {"suppressions": (MUTED,)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_whatever_is_changed_changes_the_hash(other: dict[str, object]) -> None:
    assert Policy(registry=RULES, **other).hash != Policy(registry=RULES).hash


def test_an_inventorys_own_changes_go_over_all() -> None:
    policy = Policy(
        registry=RULES,
        rules={"AK001": RuleChange(False)},
        overrides=(
            Override(organizations=frozenset({SUBJECT.organization_id}), rules={"AK001": RuleChange(False)}),
        ),
    )
    settings = policy.settle(SUBJECT, {"AK001": RuleChange(True, parameters={"max_idle_days": 3})})
    assert settings[0].enabled
    assert settings[0].parameters["max_idle_days"] == 3
    assert not policy.settle(SUBJECT)[0].enabled


def test_settings_come_in_the_order_of_ids_and_are_made_once() -> None:
    policy = Policy(registry=RULES)
    settings = policy.settle(SUBJECT)
    assert [one.rule.id for one in settings] == sorted(RULES)
    assert policy.settle(Subject(UUID(int=2))) is settings


def make_setting(severity: Severity) -> RuleSetting:
    rule = Rule(id="OUR1", title="t", severity=Severity.MEDIUM, condition="c")
    return RuleSetting(rule, True, severity, Parameters())


@pytest.mark.parametrize(
    ("own", "hit", "expected"),
    [
        (Severity.MEDIUM, None, Severity.MEDIUM),
        (Severity.MEDIUM, Severity.CRITICAL, Severity.CRITICAL),
        (Severity.INFO, None, Severity.INFO),
        (Severity.INFO, Severity.HIGH, Severity.LOW),
        (Severity.HIGH, Severity.CRITICAL, Severity.CRITICAL),
        (Severity.INFO, Severity.LOW, Severity.INFO),
    ],
)
def test_a_policys_severity_moves_what_a_rule_raises(
    own: Severity, hit: Severity | None, expected: Severity
) -> None:
    assert make_setting(own).grade(hit) is expected


def test_parameters_are_a_mapping_that_knows_their_kinds() -> None:
    parameters = Parameters({"n": 2, "t": "x", "l": ("a",), "b": True})
    assert dict(parameters) == {"n": 2, "t": "x", "l": ("a",), "b": True}
    assert len(parameters) == 4
    assert parameters.days("n") is parameters.days("n") == timedelta(days=2)
    assert (parameters.number("n"), parameters.text("t"), parameters.texts("l")) == (2, "x", ("a",))
    for read, name, problem in (
        (parameters.number, "b", "b is True, not a number"),
        (parameters.text, "n", "n is 2, not a text"),
        (parameters.texts, "t", "t is 'x', not a list of texts"),
    ):
        with pytest.raises(TypeError, match=problem):
            read(name)


def test_a_number_with_a_fraction_is_taken_where_the_default_has_one() -> None:
    assert Parameter("x", 1.5, "").check(2.5) == 2.5
    assert Parameter("x", 1, "").check(2.0) == 2.0


def test_a_rules_id_has_a_shape() -> None:
    with pytest.raises(ValueError, match="'id' must match"):
        Rule(id="ak 1", title="t", severity=Severity.LOW, condition="c")
