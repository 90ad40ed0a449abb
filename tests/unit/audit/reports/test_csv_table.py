from __future__ import annotations

import csv
import io

from attrs import evolve

from accesskeys_async.audit.records import OrganizationAudit, Severity, Summary
from accesskeys_async.audit.reports.csv_table import CsvReport
from accesskeys_async.audit.reports.finding_table import COLUMNS
from tests.unit.audit.fleet import HOSTILE_NAMES, ROLES, Fleet, make_finding
from tests.unit.audit.reports.conftest import Render


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_there_is_a_row_for_each_finding_and_each_organization_not_read(render: Render) -> None:
    parts = list(Fleet(unreadable=2).parts())
    rows = read(render(CsvReport(), parts))
    findings = [f for part in parts if isinstance(part, OrganizationAudit) for f in part.findings]
    assert tuple(rows[0]) == COLUMNS
    assert [row["fingerprint"] for row in rows if row["outcome"] == "fail"] == [
        f.fingerprint for f in findings
    ]
    assert sum(row["outcome"] == "not_evaluated" for row in rows) == 2


def test_an_organization_not_read_says_why_and_where_it_was_named(render: Render) -> None:
    row = read(render(CsvReport(), Fleet(unreadable=1).parts()))[0]
    assert row["title"] == "organization not read"
    assert row["message"].startswith(("permission: ", "timeout: ", "missing: "))
    assert (row["source"], row["line"], row["rule"]) == ("organizations.csv", "2", "")


def test_no_cell_is_a_formula_to_a_spreadsheet(render: Render) -> None:
    rows = read(render(CsvReport(), Fleet(names=HOSTILE_NAMES).parts()))
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\n"))]
    assert "'=cmd|' /C calc'!A0" in cells


def test_a_name_does_not_part_its_row_or_begin_a_formula_in_it(render: Render) -> None:
    data = render(CsvReport(), Fleet(unreadable=0, names=("a\r=1+1", "b;=1+1", 'c;"=1+1', "d\n-1")).parts())
    names = {row["keyName"] for row in read(data)}
    assert {"a\r'=1+1", "b;'=1+1", "c;'\"=1+1", "d\n'-1"} >= names - {""}
    assert len(names) > 1
    for delimiter in ",;\t":
        table = csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter)
        assert not [cell for row in table for cell in row if cell.startswith(("=", "-"))]


def test_roles_are_ids_and_the_names_that_are_known(render: Render) -> None:
    rows = read(render(CsvReport(), Fleet(role_names=("=admin", "reader")).parts()))
    ids = {" ".join(str(ROLES[number].id) for number in numbers) for numbers in ((4, 8), (5,))}
    assert ids <= {row["roleIds"] for row in rows}
    names = {row["roleNames"] for row in rows}
    assert {"'=admin", "reader"} <= names
    assert any(name.startswith("'=admin;") for name in names)  # of a key with two roles
    silent = read(render(CsvReport(), Fleet().parts()))
    assert {row["roleNames"] for row in silent} == {""}
    assert any(row["roleIds"] for row in silent)


def test_a_finding_across_organizations_has_a_row_without_a_place(render: Render) -> None:
    parts = list(Fleet(unreadable=0).parts())
    summary = parts[-1]
    assert isinstance(summary, Summary)
    first = parts[0]
    assert isinstance(first, OrganizationAudit)
    across = make_finding("AK012", Severity.INFO, first.subject.organization_id, "same suffix elsewhere")
    rows = read(render(CsvReport(), [*parts[:-1], evolve(summary, findings=(across,))]))
    assert (rows[-1]["rule"], rows[-1]["source"], rows[-1]["keyId"]) == ("AK012", "", "")


def test_times_and_truth_values_are_written_for_machines(render: Render) -> None:
    rows = read(render(CsvReport(), Fleet(unreadable=0).parts()))
    used = next(row for row in rows if row["lastUsedAt"])
    assert used["lastUsedAt"].endswith("Z")
    assert {row["isOwnKey"] for row in rows} == {"false"}
    assert used["labels"].split()[1].startswith("team-")
