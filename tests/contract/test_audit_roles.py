"""An audit that reads whole roles, against a service that tells them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from accesskeys_async import AccessKeysClient
from accesskeys_async.audit import Checkpoint, OrganizationAudit, Policy, Summary, audit
from accesskeys_async.emulator import Emulator, Fault

POWERS = {
    "AK036": {"Administrator"},
    "AK037": {"Administrator", "Key manager", "Key operator"},
    "AK038": {"Administrator", "Role manager"},
}
RULES = {*POWERS, "AK039"}


def found_by_rule(part: OrganizationAudit) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {rule: set() for rule in RULES}
    for finding in part.findings:
        if finding.rule in RULES and finding.key is not None:
            found[finding.rule].add(str(finding.key.id))
    return found


def expected(emulator: Emulator, organization: str) -> dict[str, set[str]]:
    roles = {role.id: role.name for role in emulator.roles(organization)}
    keys = emulator.keys(organization)
    found = {
        rule: {key.id for key in keys if {roles.get(ref.id) for ref in key.role_refs} & names}
        for rule, names in POWERS.items()
    }
    found["AK039"] = {key.id for key in keys if any(ref.id not in roles for ref in key.role_refs)}
    return found


async def test_an_audit_finds_what_the_roles_of_keys_permit_and_with_one_request_a_key_more() -> None:
    async with Emulator(seed=5, keys_per_organization=300) as emulator:
        organization = emulator.organization_id
        wanted = expected(emulator, organization)
        assert all(wanted.values())
        count = len(emulator.keys(organization))
        async with AccessKeysClient(emulator.token, base_url=emulator.base_url) as client:
            for roles in (False, True):
                emulator.journal.clear()
                part, summary = [
                    part async for part in audit(client, [UUID(organization)], Policy(), roles=roles)
                ]
                assert isinstance(part, OrganizationAudit)
                assert isinstance(summary, Summary)
                assert emulator.journal.count(operation="get") == (count if roles else 0)
                results = {result.rule: result for result in part.results}
                for rule in RULES:
                    assert results[rule].not_evaluated == (0 if roles else count)
                assert found_by_rule(part) == (wanted if roles else {rule: set() for rule in RULES})


async def test_an_audit_whose_roles_were_read_is_resumed_without_reading_them_again(tmp_path: Path) -> None:
    async with Emulator(seed=11, keys_per_organization=40) as emulator:
        organization = emulator.organization_id
        async with AccessKeysClient(emulator.token, base_url=emulator.base_url) as client:
            found: list[dict[str, set[str]]] = []
            for _ in range(2):
                emulator.journal.clear()
                with Checkpoint.open(
                    tmp_path / "audit",
                    policy_hash="p",
                    inventory_hash="i",
                    resume=True,
                    roles=True,
                    now=datetime.now(UTC),
                ) as checkpoint:
                    parts = audit(client, [UUID(organization)], Policy(), checkpoint=checkpoint, roles=True)
                    found += [found_by_rule(p) async for p in parts if isinstance(p, OrganizationAudit)]
            assert emulator.journal.count() == 0
        assert found == [expected(emulator, organization)] * 2


async def test_keys_whose_roles_can_not_be_read_are_not_evaluated_and_lower_the_coverage() -> None:
    async with Emulator(seed=11, keys_per_organization=40) as emulator:
        organization = emulator.organization_id
        count = len(emulator.keys(organization))
        emulator.faults.add(Fault.status(403, operation="get", times=count))
        async with AccessKeysClient(emulator.token, base_url=emulator.base_url) as client:
            part, summary = [p async for p in audit(client, [UUID(organization)], Policy(), roles=True)]
        assert isinstance(part, OrganizationAudit)
        assert isinstance(summary, Summary)
        results = {result.rule: result for result in part.results}
        assert {results[rule].not_evaluated for rule in RULES} == {count}
        assert not summary.is_complete
