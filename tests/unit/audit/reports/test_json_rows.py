from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

from attrs import evolve

from accesskeys_async._contract.writing import dump_printable
from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.reports.json_rows import finding_row
from accesskeys_async.records import AccessKey, Role, RoleRef
from tests.unit.audit.fleet import AT, make_finding

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
        dump_printable(
            finding_row(make_finding("AK001", Severity.HIGH, ORGANIZATION, "not used for 90 days", key))
        )
    )
    assert isinstance(row, dict)
    return row


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
    assert b"hunter2" not in dump_printable(row_of(make_key(description="password hunter2")))


def test_a_suppression_is_told() -> None:
    finding = evolve(make_finding("AK001", Severity.HIGH, ORGANIZATION, "x"), suppressed="seasonal")
    assert finding_row(finding)["suppressed"] == "seasonal"
