from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.withheld_names import WITHHELD, withhold_names
from accesskeys_async.records import AccessKey
from tests.unit.audit.fleet import AT, Fleet, make_finding

ORGANIZATION = UUID(int=7)


def make_key(**fields: object) -> AccessKey:
    values: dict[str, object] = {
        "id": UUID(int=1),
        "organization_id": ORGANIZATION,
        "name": "ci",
        "suffix": "AbCdEf",
        "created_at": AT - timedelta(days=100),
    }
    return AccessKey(**{**values, **fields})  # type: ignore[arg-type]


def test_a_key_with_a_secret_in_its_metadata_loses_its_name_in_every_finding() -> None:
    secret, other = make_key(name="s3cr3t"), make_key(id=UUID(int=2), name="plain")
    findings = (
        make_finding("AK001", Severity.HIGH, ORGANIZATION, "not used", secret),
        make_finding("AK024", Severity.HIGH, ORGANIZATION, "a token in its name", secret),
        make_finding("AK001", Severity.HIGH, ORGANIZATION, "not used", other),
    )
    shown = withhold_names(findings, set())
    assert [finding.key and finding.key.name for finding in shown] == [WITHHELD, WITHHELD, "plain"]
    assert [finding.fingerprint for finding in shown] == [finding.fingerprint for finding in findings]


def test_a_name_withheld_in_its_organization_is_withheld_across_organizations_too() -> None:
    known: set[UUID] = set()
    secret = make_key(name="s3cr3t")
    withhold_names(
        (make_finding("AK024", Severity.HIGH, ORGANIZATION, "a token in its name", secret),), known
    )
    (later,) = withhold_names(
        (make_finding("AK012", Severity.INFO, ORGANIZATION, "same suffix", secret),), known
    )
    assert later.key is not None
    assert later.key.name == WITHHELD


def test_findings_without_secrets_stay_the_same_object() -> None:
    findings = next(audit.findings for audit in Fleet(unreadable=0).audits())
    assert withhold_names(findings, set()) is findings
