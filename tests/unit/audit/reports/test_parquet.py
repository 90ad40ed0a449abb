from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from accesskeys_async.audit.records import OrganizationAudit
from accesskeys_async.audit.reports.finding_table import COLUMNS
from accesskeys_async.audit.reports.parquet import SUMMARY_KEY, ParquetReport
from tests.unit.audit.fleet import HOSTILE_NAMES, Fleet
from tests.unit.audit.reports.conftest import Render

parquet = pytest.importorskip("pyarrow.parquet")


def test_the_rows_are_the_findings_and_the_organizations_not_read(render: Render) -> None:
    parts = list(Fleet(names=HOSTILE_NAMES, unreadable=2).parts())
    table = parquet.read_table(io.BytesIO(render(ParquetReport(), parts)))
    findings = [f for part in parts if isinstance(part, OrganizationAudit) for f in part.findings]
    assert tuple(table.column_names) == COLUMNS
    rows = table.to_pylist()
    assert [row["fingerprint"] for row in rows if row["outcome"] == "fail"] == [
        f.fingerprint for f in findings
    ]
    assert sum(row["outcome"] == "not_evaluated" for row in rows) == 2


def test_columns_are_typed_and_times_are_in_utc(render: Render) -> None:
    parts = list(Fleet(unreadable=0).parts())
    table = parquet.read_table(io.BytesIO(render(ParquetReport(), parts)))
    first = next(part for part in parts if isinstance(part, OrganizationAudit))
    finding = next(finding for finding in first.findings if finding.key)
    row = next(row for row in table.to_pylist() if row["fingerprint"] == finding.fingerprint)
    assert finding.key is not None
    assert row["createdAt"] == finding.key.created_at
    assert row["labels"] == list(first.subject.labels)
    assert row["line"] == 2
    assert row["isOwnKey"] is False


def test_row_groups_leave_as_soon_as_they_are_full() -> None:
    writer = ParquetReport(group_rows=50)
    made = writer.begin()
    grew = 0
    audits = list(Fleet(unreadable=0).parts())
    for part in audits:
        if isinstance(part, OrganizationAudit):
            piece = writer.organization(part)
            grew += bool(piece)
            made += piece
        else:
            made += writer.end(part)
    file = parquet.ParquetFile(io.BytesIO(made))
    assert grew > 3
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert set(sizes[:-1]) == {50}
    assert sum(sizes) == sum(len(part.findings) for part in audits if isinstance(part, OrganizationAudit))


def test_the_summary_is_in_the_metadata(render: Render) -> None:
    data = render(ParquetReport(), Fleet(unreadable=1).parts())
    metadata = parquet.ParquetFile(io.BytesIO(data)).metadata.metadata
    summary = json.loads(metadata[SUMMARY_KEY.encode()])
    assert (summary["organizations"], summary["isComplete"]) == (12, False)


def test_an_audit_of_nothing_is_a_table_of_no_rows(render: Render) -> None:
    data = render(ParquetReport(), Fleet(organizations=0).parts())
    assert parquet.read_table(io.BytesIO(data)).num_rows == 0


@pytest.mark.slow
def test_importing_the_writers_loads_none_of_their_libraries() -> None:
    code = (
        "import sys, accesskeys_async.audit.reports as reports\n"
        "sys.exit(bool({'pyarrow', 'jinja2', 'vl_convert'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
