from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from accesskeys_async.audit import Inventory, InventoryError, RuleChange, find_rules, read_inventory

RULES = find_rules(installed=())
ONE = "0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01"
TWO = "0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a02"
NDJSON = (
    f'{{"organization_id": "{ONE}", "credential": "env:ONE", "labels": ["b", "a", "b"], '
    '"policy": {"AK001": {"max_idle_days": 9}}}\n'
    f'\n{{"organization_id": "{TWO}"}}\n'
)
CSV = (
    "organization_id,labels,credential,policy\r\n"
    f'{ONE},b a,env:ONE,"{{""AK001"": {{""max_idle_days"": 9}}}}"\r\n'
    f"{TWO},,,\r\n"
)


def read(path: Path, text: str) -> Inventory:
    path.write_text(text, "utf-8", newline="")
    return read_inventory(path, registry=RULES)


@pytest.mark.parametrize(("name", "text", "line"), [("a.ndjson", NDJSON, 1), ("a.CSV", CSV, 2)])
def test_an_inventory_names_organizations_credentials_labels_and_changes(
    tmp_path: Path, name: str, text: str, line: int
) -> None:
    path = tmp_path / name
    inventory = read(path, text)
    first, second = inventory
    assert (len(inventory), len(inventory.hash)) == (2, 32)
    assert first.subject.organization_id == UUID(ONE)
    assert (first.subject.labels, first.subject.source, first.subject.line) == (("a", "b"), str(path), line)
    assert str(first.credential) == "env:ONE"
    assert first.changes == {"AK001": RuleChange(parameters={"max_idle_days": 9})}
    assert (second.subject.organization_id, second.credential, second.changes) == (UUID(TWO), None, {})
    assert second.subject.line == line + (2 if line == 1 else 1)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert len(read(tmp_path / "a.csv", f"\ufefforganization_id\n{ONE}\n")) == 1


def test_lines_are_counted_where_cells_have_several(tmp_path: Path) -> None:
    text = f'organization_id,labels\n{ONE},"a\nb"\n{TWO},c\n'
    assert [entry.subject.line for entry in read(tmp_path / "a.csv", text)] == [2, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "1: expected a JSON object on one line"),
        ("\n[1]", "2: expected a JSON object, got list"),
        ("{}", "1: organization_id: expected a UUID, got None"),
        ('{"organization_id": "x"}', "1: organization_id: expected a UUID, got 'x'"),
        ('{"org": 1}', "1: org: expected one of organization_id, credential, labels, policy"),
        (f'{{"organization_id": "{ONE}", "labels": "a"}}', "1: labels: expected a list of texts"),
        (f'{{"organization_id": "{ONE}", "labels": [1]}}', "1: labels: expected a list of texts"),
        (f'{{"organization_id": "{ONE}", "credential": 1}}', "1: credential: expected text"),
        (
            f'{{"organization_id": "{ONE}", "policy": {{"AK001": {{"x": 1}}}}}}',
            "1: policy.AK001.x: expected one of enabled, max_idle_days, severity",
        ),
        (NDJSON + f'{{"organization_id": "{ONE}"}}', f"4: organization {ONE} is in line 1 already"),
    ],
)
def test_a_mistake_in_ndjson_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.ndjson"
    with pytest.raises(InventoryError) as caught:
        read(path, text)
    assert str(caught.value) == f"{path}:{message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: expected a head line with organization_id; "),
        (f"{ONE}\n", "1: expected a head line with organization_id; "),
        (f"organization_id,labels\n{ONE}\n", "2: expected 2 fields, as in the head line"),
        (f"organization_id\n{ONE},a\n", "2: expected 1 fields, as in the head line"),
        (f"organization_id,policy\n{ONE},x\n", "2: policy: expected JSON"),
        (f'organization_id\n"{ONE}', "2: expected CSV: "),
    ],
)
def test_a_mistake_in_csv_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.csv"
    with pytest.raises(InventoryError) as caught:
        read(path, text)
    assert str(caught.value).startswith(f"{path}:{message}")


def test_a_token_put_there_by_mistake_is_not_shown(tmp_path: Path) -> None:
    token = "Zq8vT2mXw4Kc9LpR7sYd"
    for credential in (token, f"token:{token}"):
        with pytest.raises(InventoryError) as caught:
            read(tmp_path / "a.csv", f"organization_id,credential\n{ONE},{credential}\n")
        assert token not in str(caught.value)
        assert "expected env:NAME, file:PATH or cmd:PROGRAM" in str(caught.value)


def test_a_file_that_cannot_be_read_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"none\.csv: can't be read: No such file or directory$"):
        read_inventory(tmp_path / "none.csv", registry=RULES)
    (tmp_path / "latin.csv").write_bytes(b"organization_id\n\xff\n")
    with pytest.raises(InventoryError, match=r"latin\.csv:2: expected UTF-8$"):
        read_inventory(tmp_path / "latin.csv", registry=RULES)
