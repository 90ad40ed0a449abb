from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.reports.json_rows import WITHHELD, encode, finding_row, withhold
from accesskeys_async.records import AccessKey, Role, RoleRef
from tests.unit.audit.fleet import AT, Fleet, make_finding

ORGANIZATION = UUID(int=7)
ONE, TWO = UUID(int=1), UUID(int=2)


def make_key(**fields: object) -> AccessKey:
    values: dict[str, object] = {
        "id": UUID(int=1),
        "organization_id": ORGANIZATION,
        "name": "ci",
        "suffix": "AbCdEf",
        "created_at": AT - timedelta(days=100),
    }
    return AccessKey(**{**values, **fields})  # type: ignore[arg-type]


def row_of(key: AccessKey | None) -> dict[str, object]:
    row = json.loads(
        encode(finding_row(make_finding("AK001", Severity.HIGH, ORGANIZATION, "not used for 90 days", key)))
    )
    assert isinstance(row, dict)
    return row


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_comes_back_whole_and_moves_no_cursor_on_the_way(text: str) -> None:
    data = encode({"name": text})
    shown = data.decode()
    assert json.loads(shown) == {"name": text}
    assert shown.isprintable() or not set(shown) & set("\x1b\x7f\x9b\u202e\u2066\u2028\n")


def test_a_key_never_used_is_null_and_an_unknown_use_is_absent() -> None:
    assert row_of(make_key(last_used_at=None))["key"]["lastUsedAt"] is None  # type: ignore[index]
    assert "lastUsedAt" not in row_of(make_key())["key"]  # type: ignore[operator]


def test_roles_are_told_as_the_response_told_them() -> None:
    references = (RoleRef(ONE, "managed", (TWO,)), RoleRef(TWO, None), RoleRef(TWO, "x", ()))
    assert row_of(make_key(role_refs=references))["key"]["roleRefs"] == [  # type: ignore[index]
        {"id": str(ONE), "type": "managed", "workspaces": [str(TWO)]},
        {"id": str(TWO), "type": None},
        {"id": str(TWO), "type": "x", "workspaces": []},
    ]
    assert row_of(make_key(role_refs=()))["key"]["roleRefs"] == []  # type: ignore[index]
    assert row_of(make_key(role_refs=None))["key"]["roleRefs"] is None  # type: ignore[index]
    assert "roleRefs" not in row_of(make_key())["key"]  # type: ignore[operator]


def test_a_role_has_its_name_if_whole_roles_were_read() -> None:
    key = make_key(role_refs=(RoleRef(ONE), RoleRef(TWO)), roles=(Role(ONE, name="admin"), Role(TWO)))
    assert row_of(key)["key"]["roleRefs"] == [  # type: ignore[index]
        {"id": str(ONE), "name": "admin"},
        {"id": str(TWO)},
    ]


def test_times_are_in_utc_with_z() -> None:
    assert row_of(make_key())["key"]["createdAt"] == "2026-03-07T12:00:00Z"  # type: ignore[index]


def test_a_finding_about_an_organization_has_a_null_key() -> None:
    assert row_of(None)["key"] is None


def test_a_description_is_in_no_row() -> None:
    assert b"hunter2" not in encode(row_of(make_key(description="password hunter2")))


def test_a_key_with_a_secret_in_its_metadata_loses_its_name_in_every_finding() -> None:
    secret, other = make_key(name="s3cr3t"), make_key(id=UUID(int=2), name="plain")
    findings = (
        make_finding("AK001", Severity.HIGH, ORGANIZATION, "not used", secret),
        make_finding("AK024", Severity.HIGH, ORGANIZATION, "a token in its name", secret),
        make_finding("AK001", Severity.HIGH, ORGANIZATION, "not used", other),
    )
    shown = withhold(findings, set())
    assert [finding.key and finding.key.name for finding in shown] == [WITHHELD, WITHHELD, "plain"]
    assert [finding.fingerprint for finding in shown] == [finding.fingerprint for finding in findings]


def test_a_name_withheld_in_its_organization_is_withheld_across_organizations_too() -> None:
    known: set[UUID] = set()
    secret = make_key(name="s3cr3t")
    withhold((make_finding("AK024", Severity.HIGH, ORGANIZATION, "a token in its name", secret),), known)
    (later,) = withhold((make_finding("AK012", Severity.INFO, ORGANIZATION, "same suffix", secret),), known)
    assert later.key is not None
    assert later.key.name == WITHHELD


def test_findings_without_secrets_are_handed_on_as_they_are() -> None:
    findings = next(audit.findings for audit in Fleet(unreadable=0).audits())
    assert withhold(findings, set()) is findings


def test_a_suppression_is_told() -> None:
    finding = evolve(make_finding("AK001", Severity.HIGH, ORGANIZATION, "x"), suppressed="seasonal")
    assert finding_row(finding)["suppressed"] == "seasonal"
