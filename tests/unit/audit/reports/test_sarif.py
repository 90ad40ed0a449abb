from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from attrs import evolve

from accesskeys_async.audit import find_rules
from accesskeys_async.audit.records import OrganizationAudit, Severity, Summary
from accesskeys_async.audit.reports import Background
from accesskeys_async.audit.reports.sarif import SarifWriter
from tests.unit.audit.fleet import HOSTILE_NAMES, Fleet, make_finding
from tests.unit.audit.reports.conftest import Render

SCHEMA = json.loads(Path(__file__).with_name("sarif-2.1.0.json").read_text(encoding="utf-8"))


def validate(log: object) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
    validator.validate(log)


def make_log(render: Render, fleet: Fleet, writer: SarifWriter | None = None) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(render(writer or SarifWriter(Background()), fleet.parts()))
    validate(log)
    return log


@pytest.mark.parametrize("source", ["organizations.csv", "in ventory/ö#1.ndjson", "/srv/orgs.csv", None])
def test_a_log_is_valid_by_the_standards_schema(render: Render, source: str | None) -> None:
    log = make_log(render, Fleet(names=HOSTILE_NAMES, source=source))
    assert len(log["runs"][0]["results"]) > 100


def test_the_rules_of_an_audit_are_described(render: Render) -> None:
    rules = tuple(find_rules().values())
    log = make_log(render, Fleet(), SarifWriter(Background(rules=rules)))
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
    writer = SarifWriter(Background())
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


def test_of_too_many_results_the_worst_are_kept_and_the_rest_is_counted(render: Render) -> None:
    every = make_log(render, Fleet())["runs"][0]["results"]
    log = make_log(render, Fleet(), SarifWriter(Background(), most=20))
    kept = log["runs"][0]["results"]
    assert len(kept) == 20
    worst = sum(result["properties"]["severity"] == "critical" for result in every)
    assert sum(result["properties"]["severity"] == "critical" for result in kept) == min(20, worst)
    notifications = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    (left_out,) = (n for n in notifications if n["descriptor"]["id"] == "results-left-out")
    assert left_out["message"]["text"].startswith(f"{len(every) - 20:,} results")


def test_a_name_makes_no_link_and_no_placeholder(render: Render) -> None:
    texts = [
        result["message"]["text"]
        for result in make_log(render, Fleet(names=HOSTILE_NAMES))["runs"][0]["results"]
    ]
    assert any(r"\[link\](https://example.invalid)" in text for text in texts)
    assert any("{{{{ 7 * 7 }}}}" in text for text in texts)
    assert all(text.isprintable() for text in texts)
