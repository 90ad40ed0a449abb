from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from attrs import evolve

from accesskeys_async.audit.records import OrganizationAudit, Severity, Summary
from accesskeys_async.audit.reports import (
    FORMATS,
    ReportError,
    open_reports,
    write_reports,
)
from accesskeys_async.audit.reports.report_writer import import_optional
from accesskeys_async.errors import ConfigurationError
from tests.unit.audit.fleet import Fleet, make_finding


def left_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


LIGHT = [".csv", ".json", ".md", ".ndjson", ".sarif"]


@pytest.mark.slow
async def test_every_form_is_written_from_one_audit(tmp_path: Path) -> None:
    paths = [tmp_path / f"report{ending}" for ending in FORMATS]
    summary = await write_reports(Fleet(organizations=3, keys=5), *paths)
    assert left_in(tmp_path) == sorted(paths)
    assert all(path.stat().st_size > 100 for path in paths)
    assert summary.organizations == 3


async def test_the_parts_of_the_audit_are_handed_on(tmp_path: Path) -> None:
    fleet = Fleet(organizations=3, keys=5)
    path = tmp_path / "report.json"
    seen: list[OrganizationAudit | Summary] = []
    with open_reports([path]) as reports:
        async for part in reports.follow(fleet):
            seen.append(part)
            assert path.exists() is isinstance(part, Summary)
    assert seen == list(fleet.parts())
    assert reports.paths == (path,)


@pytest.mark.parametrize("after", range(4))
async def test_an_audit_that_breaks_off_leaves_no_report(tmp_path: Path, after: int) -> None:
    async def break_off() -> AsyncIterator[OrganizationAudit | Summary]:
        for number, part in enumerate(Fleet(organizations=3, keys=5).parts()):
            if number == after:
                raise ConnectionError("gone")
            yield part

    with pytest.raises(ConnectionError):
        await write_reports(break_off(), *(tmp_path / f"report{ending}" for ending in LIGHT))
    assert left_in(tmp_path) == []


async def test_an_audit_without_a_summary_leaves_no_report(tmp_path: Path) -> None:
    async def stop() -> AsyncIterator[OrganizationAudit | Summary]:
        for part in Fleet(organizations=1, keys=5).audits():
            yield part

    with pytest.raises(ReportError, match="without a summary"):
        await write_reports(stop(), tmp_path / "report.json")
    assert left_in(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is there on Linux alone")
async def test_where_one_report_cannot_be_written_none_is_left(tmp_path: Path) -> None:
    full = tmp_path / "full.csv"
    full.symlink_to("/dev/full")
    with pytest.raises(ReportError, match="No space left on device"):
        await write_reports(Fleet(), tmp_path / "report.json", full)
    assert left_in(tmp_path) == [full]


async def test_an_unwritable_path_is_told_before_anything_is_read(tmp_path: Path) -> None:
    async def read() -> AsyncIterator[OrganizationAudit | Summary]:
        pytest.fail("the audit was asked for its first part")
        yield

    with pytest.raises(ReportError, match="No such file or directory"):
        await write_reports(read(), tmp_path / "report.json", tmp_path / "missing" / "report.csv")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("name", ["report.txt", "report", "json", "report.json.gz"])
def test_a_name_that_is_no_reports_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"use one of \.csv, \.html, \.json, \.md") as caught:
        open_reports([name])
    assert "\n" not in str(caught.value)


def test_one_path_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="given twice"):
        open_reports(["a.json", "b.json", "a.json"])


def test_endings_are_read_in_any_case(tmp_path: Path) -> None:
    with open_reports([tmp_path / "REPORT.JSON"]) as reports:
        for part in Fleet(organizations=1, keys=1).parts():
            reports.finish(part) if isinstance(part, Summary) else reports.add(part)
    assert json.loads((tmp_path / "REPORT.JSON").read_text())["summary"]["organizations"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("ending", FORMATS)
def test_a_secret_in_a_name_is_in_no_report(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"report{ending}"
    with open_reports([path]) as reports:
        for part in Fleet(organizations=1, keys=12, unreadable=0, names=("s3cr3t-value",)).parts():
            if isinstance(part, OrganizationAudit):
                told = [
                    make_finding("AK024", Severity.HIGH, part.subject.organization_id, "a secret", key)
                    for key in part.keys
                ]
                reports.add(evolve(part, findings=(*part.findings, *told)))
            else:
                reports.finish(part)
    assert path.stat().st_size > 100
    assert b"s3cr3t-value" not in path.read_bytes()


def test_a_library_that_is_missing_is_named_with_its_extra() -> None:
    with pytest.raises(ConfigurationError, match=r"pip install 'accesskeys-async\[parquet\]'"):
        import_optional("no_such_library", for_report="Parquet", extra="parquet")


def test_an_organization_stays_whole_in_the_stream_while_its_names_are_withheld(tmp_path: Path) -> None:
    (audit,) = Fleet(organizations=1, keys=12, unreadable=0).audits()
    key = audit.keys[0]
    told = make_finding("AK024", Severity.HIGH, UUID(int=1), "a secret", key)
    with open_reports([tmp_path / "report.json"]) as reports:
        reports.add(evolve(audit, findings=(told,)))
    assert audit.keys[0].name == key.name
