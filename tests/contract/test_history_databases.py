"""SQLite and PostgreSQL tell the same story."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from uuid import UUID

from accesskeys_async.audit import OrganizationAudit, Unreadable
from accesskeys_async.audit.history import Diff, History, PastRun
from tests.unit.audit.history.fleet import DAY, FORBIDDEN, Fleet, T, make_key

ORGANIZATIONS = [UUID(int=number) for number in (0x10, 0xF0000000000000000000000000000000, 0xA)]
NAMES = ["api", "API", "api-v2", "ci_temp", "Ünïcode", "ünïcode", "a\x00b", "half \ud83d", "=cmd", "zoo"]
NIGHTS = 8


def _change(fleet: Fleet, chance: random.Random, night: int) -> None:
    """Let a day go by: keys are made, deleted, edited, used, and tampered with."""
    for place, organization_id in enumerate(ORGANIZATIONS):
        if chance.random() < 0.2:
            fleet.keys[organization_id] = chance.choice([FORBIDDEN, Unreadable("timeout", "no \x00 answer")])
            continue
        keys = []
        for number in range(12):
            if chance.random() < 0.8:
                key = make_key(1000 * place + number + 1, organization_id, name=NAMES[number % len(NAMES)])
                age = chance.choice([1, 50, 100, 200, 400]) * DAY
                used = chance.choice([None, T - age / 2, T + night * DAY - timedelta(hours=1)])
                key = make_key(
                    key.id.int,
                    organization_id,
                    name=chance.choice([key.name, NAMES[0]]),
                    created_at=T - age,
                    last_used_at=used,
                    suffix=chance.choice([key.suffix, "AbCdEf"]),
                )
                keys.append(key)
        fleet.keys[organization_id] = keys


async def _tell(place: str) -> tuple[list[dict[UUID, OrganizationAudit]], list[Diff], tuple[PastRun, ...]]:
    chance = random.Random(20261101)
    async with History(place) as history:
        fleet = Fleet(history)
        numbers, audits = [], []
        for night in range(NIGHTS):
            _change(fleet, chance, night)
            number, audited = await fleet.audit(T + night * DAY)
            numbers.append(number)
            audits.append(audited)
        diffs = [await history.compare(*pair) for pair in combinations(numbers, 2)]
        await history.prune(T + 3 * DAY)
        diffs.append(await history.compare(numbers[-2], numbers[-1]))
        return audits, diffs, await history.runs()


async def test_both_databases_give_identical_findings_diffs_and_trends(
    tmp_path: Path, postgres_url: str
) -> None:
    on_sqlite = await _tell(str(tmp_path / "history.sqlite"))
    on_postgresql = await _tell(postgres_url)

    assert on_sqlite == on_postgresql
    diffs = on_sqlite[1]
    for name in ("new", "fixed", "reopened", "appeared", "gone", "edited", "not_compared"):
        assert any(getattr(diff, name) for diff in diffs), f"the story has nothing {name}"
    assert any(diff.unchanged for diff in diffs)


async def test_a_diff_agrees_with_the_findings_of_both_audits(tmp_path: Path) -> None:
    audits, diffs, _ = await _tell(str(tmp_path / "history.sqlite"))

    for (first, second), diff in zip(combinations(range(NIGHTS), 2), diffs, strict=False):
        marks = [
            {
                finding.fingerprint
                for audited in audits[night].values()
                if not audits[first][audited.subject.organization_id].unreadable
                and not audits[second][audited.subject.organization_id].unreadable
                for finding in audited.findings
            }
            for night in (first, second)
        ]
        came = {one.fingerprint for one in (*diff.new, *diff.reopened)}
        assert came == marks[1] - marks[0]
        assert {one.fingerprint for one in diff.fixed} == marks[0] - marks[1]
        assert diff.unchanged == len(marks[0] & marks[1])
