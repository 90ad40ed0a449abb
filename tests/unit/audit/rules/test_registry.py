from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from accesskeys_async.audit import PolicyError, Rule, Severity, Snapshot, Verdict, find_rules
from accesskeys_async.audit.rules.parameters import Parameters


def judge(_: Snapshot, __: Parameters) -> Verdict:
    return Verdict()


OURS = Rule(id="OUR1", title="t", severity=Severity.LOW, condition="c", judge=judge)
SEVERAL = [OURS, Rule(id="OUR2", title="t", severity=Severity.LOW, condition="c", judge=judge)]
TAKEN = Rule(id="AK777", title="t", severity=Severity.LOW, condition="c", judge=judge)
IDLE = Rule(id="OUR3", title="t", severity=Severity.LOW, condition="c")
MIXED = [OURS, 3]
NUMBER = 3


def point(name: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{name}", "accesskeys_async.rules")


def test_the_rules_of_the_table_are_there_in_order() -> None:
    rules = find_rules(installed=())
    expected = [
        "AK001",
        "AK002",
        "AK003",
        "AK004",
        "AK010",
        "AK011",
        "AK012",
        "AK013",
        "AK014",
        "AK015",
        "AK016",
    ]
    expected += [f"AK{number:03d}" for number in (*range(20, 29), *range(30, 40))]
    expected += [f"AK{number}" for number in range(101, 112)]
    assert list(rules) == expected
    assert len(rules) == len(expected)
    assert [rule for rule in rules if not rules[rule].enabled] == ["AK020", "AK026", "AK033", "AK035"]


def test_an_entry_point_gives_a_rule_or_several() -> None:
    assert find_rules(installed=[point("OURS")])["OUR1"] is OURS
    assert {"OUR1", "OUR2"} <= set(find_rules(installed=[point("SEVERAL")]))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (["TAKEN"], "the entry point TAKEN: AK777 is reserved for built-in rules; choose another id"),
        (["OURS", "SEVERAL"], "the entry point SEVERAL: rule OUR1 already exists; choose another id"),
        (
            ["IDLE"],
            "the entry point IDLE: OUR3 has no judge function; pass a function of a snapshot and parameters",
        ),
        (["MIXED"], "the entry point MIXED: expected rules, got int"),
        (["NUMBER"], "the entry point NUMBER: expected a Rule or an iterable of rules, got int"),
        (["NOTHING"], r"the entry point NOTHING \(.*:NOTHING\) can't be loaded: AttributeError: "),
    ],
)
def test_an_entry_point_that_gives_no_rules_is_refused(points: list[str], message: str) -> None:
    with pytest.raises(PolicyError, match=f"^{message}"):
        find_rules(installed=[point(name) for name in points])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.py", "1/0", "failed when it was executed: ZeroDivisionError: division by zero"),
        ("a.py", "x = 1", "does not define RULES; assign a tuple of rules to it"),
        ("a.py", "RULES = 3", "expected a Rule or an iterable of rules, got int"),
        ("a.txt", "RULES = ()", "is not a Python file; its name must end in .py"),
    ],
)
def test_a_file_without_rules_is_refused_by_name(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        find_rules([path], installed=())
    assert str(caught.value) == f"{path}: {message}"


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none\.py: can't be read: No such file or directory$"):
        find_rules([tmp_path / "none.py"], installed=())
