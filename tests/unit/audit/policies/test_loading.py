from __future__ import annotations

from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from accesskeys_async.audit import (
    Policy,
    PolicyError,
    Severity,
    Subject,
    find_rules,
    load_policy,
    parse_policy,
)

RULES = find_rules(installed=())
ID = "0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01"
MUTE = '[[suppressions]]\nrule = "AK001"\nreason = "r"\nowner = "o"\nexpires = 2027-01-31\n'


def parse(text: str) -> Policy:
    return parse_policy(text, source="policy.toml", registry=RULES)


def setting(policy: Policy, rule_id: str, subject: Subject | None = None):
    settings = policy.settle(subject or Subject(UUID(int=1)))
    return next(one for one in settings if one.rule.id == rule_id)


def test_a_policy_turns_rules_on_and_off_and_sets_what_they_take() -> None:
    policy = parse(
        '[rules.AK001]\nseverity = "low"\nmax_idle_days = 10\n[rules.AK002]\nenabled = false\n'
        "[rules.AK020]\nenabled = true\npattern = '[a-z]+'\n[rules.AK026]\ntypes = ['service']\n"
    )
    assert setting(policy, "AK001").severity is Severity.LOW
    assert setting(policy, "AK001").parameters["max_idle_days"] == 10
    assert not setting(policy, "AK002").enabled
    assert setting(policy, "AK020").enabled
    assert setting(policy, "AK020").parameters.text("pattern") == "[a-z]+"
    assert setting(policy, "AK026").parameters.texts("types") == ("service",)
    assert not setting(policy, "AK026").enabled


def test_later_overrides_go_over_earlier_ones_and_only_for_those_they_name() -> None:
    policy = parse(
        "[rules.AK001]\nmax_idle_days = 10\n"
        '[[overrides]]\nlabels = ["batch", "slow"]\n[overrides.rules.AK001]\nmax_idle_days = 20\n'
        f'[[overrides]]\norganizations = ["{ID}"]\n[overrides.rules.AK001]\nmax_idle_days = 30\n'
    )
    days = [
        setting(policy, "AK001", subject).parameters["max_idle_days"]
        for subject in (Subject(UUID(int=1)), Subject(UUID(int=1), ("slow",)), Subject(UUID(ID), ("batch",)))
    ]
    assert days == [10, 20, 30]


def test_suppressions_own_keys_and_days_to_fix_are_read() -> None:
    policy = parse(f'own_keys = ["{ID}"]\n[sla_days]\nhigh = 14\ninfo = 400\n{MUTE}key = "glob:year-*"\n')
    assert policy.own_keys == {UUID(ID)}
    assert (policy.sla_days[Severity.HIGH], policy.sla_days[Severity.INFO]) == (14, 400)
    assert policy.sla_days[Severity.CRITICAL] == 7
    (suppression,) = policy.suppressions
    assert (suppression.rule, suppression.key, suppression.expires) == (
        "AK001",
        "glob:year-*",
        date(2027, 1, 31),
    )
    assert suppression.place == "suppressions #1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules = 3", "rules: expected a table, got 3"),
        ("[rules.AK999]", "rules.AK999: there is no such rule; there is AK001, "),
        ("[rules.AK001]\nmax_idle_days = 'x'", "rules.AK001.max_idle_days: expected a number, got 'x'"),
        ("[rules.AK001]\nmax_idle_days = true", "rules.AK001.max_idle_days: expected a number, got True"),
        ("[rules.AK001]\nmax_idle_days = 1.5", "rules.AK001.max_idle_days: expected a whole number, got 1.5"),
        ("[rules.AK001]\nmax_idle_days = -1", "rules.AK001.max_idle_days: expected 0 to 36,500, got -1"),
        ("[rules.AK015]\nper_hour = 1", "rules.AK015.per_hour: expected 2 to 36,500, got 1"),
        ("[rules.AK001]\nidle = 1", "rules.AK001.idle: expected one of enabled, max_idle_days, severity"),
        ("[rules.AK001]\nenabled = 1", "rules.AK001.enabled: expected true or false, got 1"),
        (
            "[rules.AK001]\nseverity = 'bad'",
            "rules.AK001.severity: expected one of info, low, medium, high, ",
        ),
        ("[rules.AK012]\nacross = 1", "rules.AK012.across: expected true or false, got 1"),
        ("[rules.AK020]\npattern = '('", "rules.AK020.pattern: expected a regular expression, got '(': "),
        ("[rules.AK020]\npattern = 1", "rules.AK020.pattern: expected text, got 1"),
        ("[rules.AK026]\ntypes = 'a'", "rules.AK026.types: expected a list of texts, got 'a'"),
        ("mute = 1", "mute: expected one of overrides, own_keys, rule_files, rules, sla_days, suppressions"),
        ("own_keys = ['x']", "own_keys #1: expected a UUID, got 'x'"),
        ("own_keys = 'x'", "own_keys: expected a list of texts, got 'x'"),
        ("rule_files = [1]", "rule_files: expected a list of texts, got [1]"),
        ("[sla_days]\nhigh = 0", "sla_days.high: expected 1 day or more, got 0"),
        ("[sla_days]\nbad = 1", "sla_days.bad: expected one of info"),
        ("overrides = 1", "overrides: expected [[overrides]], got 1"),
        ("overrides = [1]", "overrides #1: expected a table, got 1"),
        ("[[overrides]]", "overrides #1: expected labels or organizations that it is for"),
        ("[[overrides]]\nlabels=['a']\n[overrides.rules.AK001]\nx=1", "overrides #1.rules.AK001.x: expected"),
        ("[[overrides]]\norganizations=['a']", "overrides #1.organizations #1: expected a UUID, got 'a'"),
        (MUTE.replace("AK001", "AK0*"), "suppressions #1.rule: there is no rule 'AK0*'; `glob:` before it"),
        (MUTE.replace('rule = "AK001"', ""), "suppressions #1: expected a rule, a key or an organization"),
        (MUTE.replace('reason = "r"', ""), "suppressions #1: expected reason; nothing is muted without one"),
        (MUTE.replace('owner = "o"', 'owner = " "'), "suppressions #1.owner: expected text, got ' '"),
        (MUTE.replace("expires = 2027-01-31", ""), "suppressions #1.expires: expected a date such as"),
        (MUTE.replace("2027-01-31", "2027-01-31T00:00:00Z"), "suppressions #1.expires: expected a date"),
        (
            MUTE.replace("2027-01-31", '"2027-01-31"'),
            "suppressions #1.expires: expected a date without quotes: expires = 2027-01-31; ",
        ),
        (MUTE.replace("2027-01-31", '"soon"'), "suppressions #1.expires: expected a date such as 2027-03-31"),
        (MUTE + 'key = "ci"', "suppressions #1.key: expected a UUID, got 'ci'"),
        (MUTE + "keys = 1", "suppressions #1.keys: expected one of expires, key, organization, "),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(text)
    assert str(caught.value).startswith(f"policy.toml: {message}")


def test_what_is_no_toml_is_told_with_its_line() -> None:
    with pytest.raises(PolicyError, match=r"^policy\.toml: expected TOML: .*line 2"):
        parse("\n[rules\n")


def test_a_policy_file_is_read_with_the_rules_it_names(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(
        "from accesskeys_async.audit import Rule, Severity, Verdict\n"
        "def judge(snapshot, parameters):\n    return Verdict()\n"
        "RULES = (Rule(id='OUR1', title='t', severity=Severity.LOW, condition='c', judge=judge),)\n"
    )
    path = tmp_path / "policy.toml"
    path.write_text('rule_files = ["ours.py"]\n[rules.OUR1]\nseverity = "high"\n')
    first = load_policy(path)
    assert setting(first, "OUR1").severity is Severity.HIGH
    with (tmp_path / "ours.py").open("a") as file:
        file.write("# changed\n")
    assert load_policy(path).hash != first.hash


def test_a_file_that_cannot_be_read_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nothing\.toml: can't be read: No such file"):
        load_policy(tmp_path / "nothing.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xff")
    with pytest.raises(PolicyError, match=r"latin\.toml: expected UTF-8$"):
        load_policy(tmp_path / "latin.toml")


def test_the_example_in_the_docs_is_right() -> None:
    policy = load_policy(Path(__file__).parents[4] / "docs" / "policy.toml")
    assert len(policy.own_keys) == len(policy.overrides) == len(policy.suppressions) == 1
    assert policy.rules.keys() == set(find_rules())


def test_a_policy_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    text = "[rules.AK001]\nmax_idle_days = 10\n"
    (tmp_path / "policy.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())

    assert load_policy(tmp_path / "policy.toml").hash == parse_policy(text).hash
    assert parse_policy(f"\ufeff{text}").hash == parse_policy(text).hash
