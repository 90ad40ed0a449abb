from __future__ import annotations

import json
from importlib import resources

import pytest
from attrs import evolve

from accesskeys_async.audit import Policy, RuleChange
from accesskeys_async.audit.records import OrganizationAudit, Severity, Summary
from accesskeys_async.audit.reports import ReportContext
from accesskeys_async.audit.reports.json_document import SCHEMA_ID, JsonLinesReport, JsonReport
from tests.unit.audit.fleet import HOSTILE_NAMES, Fleet, make_finding
from tests.unit.audit.reports.conftest import Render

pytestmark = pytest.mark.slow

SCHEMA = json.loads(
    resources.files("accesskeys_async.audit.reports").joinpath("report.schema.json").read_text()
)


def make_parts(**options: object) -> list[OrganizationAudit | Summary]:
    parts = list(Fleet(**options).parts())  # type: ignore[arg-type]
    summary = parts[-1]
    assert isinstance(summary, Summary)
    organization_id = summary.unreadable[0][0].organization_id if summary.unreadable else None
    if organization_id:
        across = make_finding("AK012", Severity.INFO, organization_id, "same suffix elsewhere")
        parts[-1] = evolve(summary, findings=(across,))
    return parts


def validate(document: object) -> None:
    import jsonschema  # takes two seconds, even if no test here is selected

    jsonschema.Draft202012Validator(
        SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(document)


def test_the_schema_is_one_and_has_the_name_that_reports_give() -> None:
    import jsonschema  # takes two seconds, even if no test here is selected

    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == SCHEMA_ID


@pytest.mark.parametrize("names", [(), HOSTILE_NAMES], ids=["plain", "hostile"])
def test_a_document_is_valid_by_its_published_schema(render: Render, names: tuple[str, ...]) -> None:
    document = json.loads(render(JsonReport(), make_parts(names=names)))
    validate(document)
    assert len(document["organizations"]) == 12
    assert document["fleetFindings"][0]["rule"] == "AK012"


def test_an_audit_of_nothing_is_valid_too(render: Render) -> None:
    document = json.loads(render(JsonReport(), Fleet(organizations=0, unreadable=0).parts()))
    validate(document)
    assert document["organizations"] == []
    assert document["summary"]["coverage"] == 1


def test_the_schema_refuses_what_a_report_does_not_say(render: Render) -> None:
    import jsonschema  # takes two seconds, even if no test here is selected

    document = json.loads(render(JsonReport(), make_parts()))
    document["organizations"][3]["findings"][0]["token"] = "s3cr3t"
    with pytest.raises(jsonschema.ValidationError, match="token"):
        validate(document)


def test_every_finding_and_every_name_is_in_the_document(render: Render) -> None:
    parts = make_parts(names=HOSTILE_NAMES)
    document = json.loads(render(JsonReport(), parts))
    told = [finding for organization in document["organizations"] for finding in organization["findings"]]
    meant = [f for part in parts if isinstance(part, OrganizationAudit) for f in part.findings]
    assert [finding["fingerprint"] for finding in told] == [finding.fingerprint for finding in meant]
    assert {finding["key"]["name"] for finding in told if finding["key"]} == {
        finding.key.name for finding in meant if finding.key
    }


def test_an_unreadable_organization_has_its_reason_and_no_result(render: Render) -> None:
    document = json.loads(render(JsonReport(), make_parts(unreadable=1)))
    first = document["organizations"][0]
    assert first["unreadable"]["reason"] in {"permission", "timeout", "missing"}
    assert (first["keys"], first["results"], first["findings"]) == (0, [], [])
    assert document["summary"]["isComplete"] is False


def test_json_lines_are_findings_then_their_organization_and_the_summary_last(render: Render) -> None:
    lines = [json.loads(line) for line in render(JsonLinesReport(), make_parts()).splitlines()]
    assert lines[-1]["kind"] == "summary"
    assert {line["kind"] for line in lines[:-1]} == {"finding", "organization"}
    organization_id = None
    for line in reversed(lines[:-2]):
        if line["kind"] == "organization":
            organization_id = line["organizationId"]
        else:
            assert line["organizationId"] == organization_id


def test_each_json_line_is_valid_by_its_part_of_the_schema(render: Render) -> None:
    import jsonschema  # takes two seconds, even if no test here is selected

    for line in render(JsonLinesReport(), make_parts(names=HOSTILE_NAMES)).splitlines():
        row = json.loads(line)
        kind = row.pop("kind")
        if kind == "organization":
            row["findings"] = []
        row.pop("generator", None)
        part = {"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]}
        jsonschema.Draft202012Validator(part).validate(row)


def test_a_document_describes_the_rules_of_the_policy(render: Render) -> None:
    policy = Policy(rules={"AK003": RuleChange(parameters={"max_age_days": 33})})
    document = json.loads(render(JsonReport(ReportContext.of(policy)), make_parts()))
    validate(document)

    rules = {rule["id"]: rule for rule in document["rules"]}
    assert "more than 33 days ago" in rules["AK003"]["condition"]
    assert all(rule["remedy"] and rule["falsePositives"] for rule in rules.values())
