from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from accesskeys_async.audit import Policy, RuleChange, find_rules
from accesskeys_async.audit.records import OrganizationAudit, Severity, Summary
from accesskeys_async.audit.reports import ReportContext
from accesskeys_async.audit.reports.sarif import SarifReport
from tests.unit.audit.fleet import HOSTILE_NAMES, Fleet, make_finding
from tests.unit.audit.reports.conftest import Render

pytestmark = pytest.mark.slow

SCHEMA = json.loads(Path(__file__).with_name("sarif-2.1.0.json").read_text(encoding="utf-8"))


def validate(log: object) -> None:
    import jsonschema  # takes two seconds, even if no test here is selected

    validator = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
    validator.validate(log)


def make_log(render: Render, fleet: Fleet, writer: SarifReport | None = None) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(render(writer or SarifReport(ReportContext()), fleet.parts()))
    validate(log)
    return log


@pytest.mark.parametrize("source", ["organizations.csv", "in ventory/ö#1.ndjson", "/srv/orgs.csv", None])
def test_a_log_is_valid_by_the_standards_schema(render: Render, source: str | None) -> None:
    log = make_log(render, Fleet(names=HOSTILE_NAMES, source=source))
    assert len(log["runs"][0]["results"]) > 100


def test_the_rules_of_an_audit_are_described(render: Render) -> None:
    rules = tuple(find_rules().values())
    log = make_log(render, Fleet(), SarifReport(ReportContext(rules=rules)))
    described = {rule["id"]: rule for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    assert set(described) >= {rule.id for rule in rules}
    assert described["AK003"]["fullDescription"]["text"]
    assert described["AK003"]["properties"]["security-severity"] == "5.5"


def test_a_rule_that_is_not_described_is_still_named(render: Render) -> None:
    rules = {rule["id"] for rule in make_log(render, Fleet())["runs"][0]["tool"]["driver"]["rules"]}
    assert {"AK001", "AK003"} <= rules


def test_every_result_is_located_in_the_inventory_line_of_its_organization(render: Render) -> None:
    fleet = Fleet()
    lines = {
        str(part.subject.organization_id): part.subject.line
        for part in fleet.parts()
        if isinstance(part, OrganizationAudit)
    }
    for result in make_log(render, fleet)["runs"][0]["results"]:
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"] == {"uri": "organizations.csv", "uriBaseId": "%SRCROOT%"}
        assert physical["region"]["startLine"] == lines[result["properties"]["organizationId"]]
        assert location["logicalLocations"][0]["fullyQualifiedName"].startswith(
            result["properties"]["organizationId"]
        )


def test_a_finding_across_organizations_is_located_by_its_own(render: Render) -> None:
    parts = list(Fleet(unreadable=0).parts())
    first, summary = parts[3], parts[-1]
    assert isinstance(first, OrganizationAudit)
    assert isinstance(summary, Summary)
    across = make_finding("AK012", Severity.INFO, first.subject.organization_id, "same suffix elsewhere")
    writer = SarifReport(ReportContext())
    log = json.loads(render(writer, [*parts[:-1], evolve(summary, findings=(across,))]))
    validate(log)
    (result,) = (result for result in log["runs"][0]["results"] if result["ruleId"] == "AK012")
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region["startLine"] == first.subject.line


def test_fingerprints_are_the_findings_own(render: Render) -> None:
    fleet = Fleet()
    meant = {
        f.fingerprint for part in fleet.parts() if isinstance(part, OrganizationAudit) for f in part.findings
    }
    results = make_log(render, fleet)["runs"][0]["results"]
    assert {result["partialFingerprints"]["primaryLocationLineHash"] for result in results} == meant


def test_a_suppressed_finding_is_suppressed_with_its_reason(render: Render) -> None:
    results = make_log(render, Fleet())["runs"][0]["results"]
    (suppression,) = next(result["suppressions"] for result in results if "suppressions" in result)
    assert suppression["justification"].startswith("seasonal job")
    assert suppression["status"] == "accepted"


def test_an_organization_not_read_makes_the_run_unsuccessful_and_says_why(render: Render) -> None:
    (invocation,) = make_log(render, Fleet(unreadable=2))["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    told = [
        n
        for n in invocation["toolExecutionNotifications"]
        if n["descriptor"]["id"] == "organization-not-read"
    ]
    assert len(told) == 2
    assert told[0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 2


def test_a_result_of_an_organization_that_no_file_names_has_a_virtual_path(render: Render) -> None:
    for result in make_log(render, Fleet(source=None))["runs"][0]["results"]:
        (location,) = result["locations"]
        assert location["physicalLocation"] == {
            "artifactLocation": {
                "uri": f"accesskeys/organizations/{result['properties']['organizationId']}",
                "uriBaseId": "%SRCROOT%",
            },
            "region": {"startLine": 1},
        }


def test_a_finding_of_an_organization_that_was_not_audited_has_a_virtual_path(render: Render) -> None:
    summary = list(Fleet().parts())[-1]
    assert isinstance(summary, Summary)
    across = make_finding("AK012", Severity.INFO, UUID(int=5), "same suffix elsewhere")
    log = json.loads(render(SarifReport(ReportContext()), [evolve(summary, findings=(across,))]))
    validate(log)
    (result,) = log["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == f"accesskeys/organizations/{UUID(int=5)}"


def rank(result: dict[str, Any]) -> tuple[bool, int]:
    return "suppressions" in result, -Severity[result["properties"]["severity"].upper()]


@pytest.mark.parametrize("most", [1, 7, 20, 60])
def test_of_too_many_results_those_that_count_come_first_and_then_the_worst(
    render: Render, most: int
) -> None:
    every = make_log(render, Fleet())["runs"][0]["results"]
    assert {rank(result)[0] for result in every} == {True, False}
    kept = make_log(render, Fleet(), SarifReport(ReportContext(), most=most))["runs"][0]["results"]
    assert [rank(result) for result in kept] == sorted(map(rank, every))[:most]
    assert kept == every[:most]


def test_a_suppressed_critical_finding_gives_way_to_a_low_one_that_counts(render: Render) -> None:
    summary = list(Fleet().parts())[-1]
    assert isinstance(summary, Summary)
    severe = evolve(make_finding("AK012", Severity.CRITICAL, UUID(int=5), "x"), suppressed="known")
    low = make_finding("AK011", Severity.LOW, UUID(int=6), "y")
    writer = SarifReport(ReportContext(), most=1)
    log = json.loads(render(writer, [evolve(summary, findings=(severe, low))]))
    assert [result["ruleId"] for result in log["runs"][0]["results"]] == ["AK011"]


def test_the_same_findings_make_the_same_results_in_whatever_order_they_come(render: Render) -> None:
    *audits, summary = Fleet().parts()
    logs = [
        json.loads(render(SarifReport(ReportContext(), most=50), [*parts, summary]))["runs"][0]["results"]
        for parts in (audits, reversed(audits))
    ]
    assert logs[0] == logs[1]


def test_what_is_left_out_is_counted_by_severity(render: Render) -> None:
    every = make_log(render, Fleet())["runs"][0]["results"]
    log = make_log(render, Fleet(), SarifReport(ReportContext(), most=20))
    notifications = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    (left_out,) = (n for n in notifications if n["descriptor"]["id"] == "results-left-out")
    counts = Counter(rank(result) for result in every[20:])
    told = ", ".join(
        f"{count} {Severity(-level).name.lower()}{' (suppressed)' if suppressed else ''}"
        for (suppressed, level), count in sorted(counts.items())
    )
    assert left_out["message"]["text"] == (
        f"{len(every) - 20} results are left out: {told}; "
        "the first 20 are here, suppressed ones last, and each by severity"
    )


def test_nothing_is_said_of_results_left_out_if_all_are_there(render: Render) -> None:
    every = make_log(render, Fleet())["runs"][0]["results"]
    log = make_log(render, Fleet(), SarifReport(ReportContext(), most=len(every)))
    notifications = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert len(log["runs"][0]["results"]) == len(every)
    assert not [n for n in notifications if n["descriptor"]["id"] == "results-left-out"]


def test_a_name_makes_no_link_and_no_placeholder(render: Render) -> None:
    texts = [
        result["message"]["text"]
        for result in make_log(render, Fleet(names=HOSTILE_NAMES))["runs"][0]["results"]
    ]
    assert any(r"\[link\](https://example.invalid)" in text for text in texts)
    assert any("{{{{ 7 * 7 }}}}" in text for text in texts)
    assert all(text.isprintable() for text in texts)


def test_roles_that_could_not_be_read_are_notified_and_the_run_did_not_succeed(render: Render) -> None:
    *audits, summary = Fleet(unreadable=0).parts()
    assert isinstance(summary, Summary)
    log = json.loads(
        render(SarifReport(ReportContext()), [*audits, evolve(summary, partly_read=2, unread_roles=7)])
    )
    [invocation] = log["runs"][0]["invocations"]
    [told] = [
        one["message"]["text"]
        for one in invocation["toolExecutionNotifications"]
        if one["descriptor"]["id"] == "roles-not-read"
    ]
    assert told == "the roles of 7 keys in 2 organizations could not be read"
    assert invocation["executionSuccessful"] is False


def test_a_result_has_the_roles_of_its_key(render: Render) -> None:
    log = json.loads(render(SarifReport(ReportContext()), Fleet(unreadable=0, role_names=("admin",)).parts()))
    keys = [one["properties"]["key"] for one in log["runs"][0]["results"]]
    roles = [role for key in keys if key for role in key["roleRefs"]]
    assert {role["name"] for role in roles} == {"admin"}
    assert {"managed", "organization"} == {role["type"] for role in roles}


def test_the_help_of_a_rule_says_how_to_fix_findings_and_which_are_harmless(render: Render) -> None:
    policy = Policy(rules={"AK003": RuleChange(parameters={"max_age_days": 33})})
    log = make_log(render, Fleet(), SarifReport(ReportContext.of(policy)))

    rules = {rule["id"]: rule["help"]["text"] for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    assert "more than 33 days ago" in rules["AK003"]
    assert all("\nTo fix: " in text and "\nMay be harmless: " in text for text in rules.values())
