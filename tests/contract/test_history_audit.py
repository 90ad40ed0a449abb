"""Audits of a real service, night after night, with a history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from attrs import evolve

from accesskeys_async import AccessKeysClient
from accesskeys_async.audit import OrganizationAudit, Policy, RuleChange, Summary, audit
from accesskeys_async.audit.history import History, read_known_keys
from accesskeys_async.emulator import Emulator
from accesskeys_async.rotation import Candidate, Journal, Rotation

DAY = timedelta(days=1)
ONLY_CHANGES = Policy(
    rules={f"AK0{number:02}": RuleChange(enabled=False) for number in (1, 2, 3, 4, *range(10, 17))}
    | {f"AK0{number}": RuleChange(enabled=False) for number in range(20, 40) if f"AK0{number}" != "AK029"}
)


async def _audit(
    history: History, client: AccessKeysClient, organizations: list[UUID], at: datetime
) -> tuple[int, dict[UUID, set[str]], Summary]:
    found: dict[UUID, set[str]] = {}
    async with history.begin(ONLY_CHANGES, started_at=at) as recording:
        parts = audit(client, organizations, ONLY_CHANGES, amend=recording.enrich, clock=lambda: at)
        async for part in parts:
            if isinstance(part, OrganizationAudit):
                await recording.record(part)
                found[part.subject.organization_id] = {finding.rule for finding in part.findings}
            else:
                await recording.finish(part)
                return recording.number, found, part
    raise AssertionError("an audit ends with a summary")


async def test_what_happens_between_two_audits_is_found_by_the_second(
    tmp_path: Path, emulator: Emulator, client: AccessKeysClient
) -> None:
    organization, other = UUID(emulator.organization_id), UUID(int=404)
    organizations = [organization, other]
    now = datetime.now(UTC)
    keys = await client.list(organization).collect()
    async with History(tmp_path / "history.sqlite") as history:
        first, found, _ = await _audit(history, client, organizations, now)
        assert found[organization] == set()
        made = await client.create(organization, name="made by hand", description="a trial")
        await client.update(organization, keys[0].id, description="edited")
        await client.delete(organization, keys[1].id)
        second, found, summary = await _audit(history, client, organizations, now + DAY)
        await client.delete(organization, made.id)
        _, later, _ = await _audit(history, client, organizations, now + 2 * DAY)
        diff = await history.compare(first, second)

    assert found[organization] == {"AK102", "AK103", "AK106"}
    assert {"AK103", "AK107"} <= later[organization]
    assert [key.id for key in diff.appeared] == [made.id]
    assert [key.id for key in diff.gone] == [keys[1].id]
    assert [after.description for _, after in diff.edited] == ["edited"]
    counted = {result.rule: result.failed for result in summary.by_rule}
    assert (counted["AK102"], counted["AK103"], counted["AK106"]) == (1, 1, 1)


async def test_an_organization_that_can_not_be_read_any_more_is_a_finding_of_the_audit(
    tmp_path: Path, emulator: Emulator, client: AccessKeysClient
) -> None:
    organization, now = UUID(emulator.organization_id), datetime.now(UTC)
    async with History(tmp_path / "history.sqlite") as history:
        await _audit(history, client, [organization], now)
        async with AccessKeysClient("revoked-token-AbCdEf", base_url=emulator.base_url) as stranger:
            _, found, summary = await _audit(history, stranger, [organization], now + DAY)

    assert found[organization] == {"AK109"}
    assert not summary.is_complete
    assert [(one.rule, one.failed) for one in summary.by_rule] == [("AK109", 1)]


async def test_a_journal_tells_every_key_of_its_rotations(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    candidate = Candidate(nonce="0123456789abcdef", begun_at=now, settle_until=now)
    rotation = Rotation(
        id=UUID(int=1),
        organization_id=UUID(int=2),
        key_id=UUID(int=3),
        suffix="AbCdEf",
        name="ci",
        description="deploys",
        grace=DAY,
        require_idle=True,
        planned_at=now,
    )
    async with Journal(tmp_path / "journal.sqlite") as journal:
        assert await read_known_keys(journal) == frozenset()
        planned = await journal.add(rotation)
        made = Candidate(nonce="b" * 16, begun_at=now, settle_until=now, key_id=UUID(int=4))
        await journal.write(evolve(planned, candidates=(candidate, made)), before=planned)
        known = await read_known_keys(journal)

    assert known == {UUID(int=3), UUID(int=4)}
