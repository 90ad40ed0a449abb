from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from accesskeys_async import AccessKeysClient
from accesskeys_async.audit import Checkpoint, OrganizationAudit, Progress, Summary, audit
from benchmarks.fleet import AUDITED_AT, organization_ids
from benchmarks.static_server import PROJECT, TOKEN, Target, serve

ORGANIZATIONS = 40
KEYS = 250


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with serve(ORGANIZATIONS * KEYS, organizations=ORGANIZATIONS) as started:
        yield started


def open_checkpoint(path: Path, *, now: datetime = AUDITED_AT) -> Checkpoint:
    return Checkpoint.open(path, policy_hash="p", inventory_hash="i", resume=True, now=now)


async def finish(
    target: Target, path: Path | None = None
) -> tuple[list[OrganizationAudit], Summary, Progress]:
    """Audit what is left; the findings of all, in the order of organizations."""
    progress = Progress()
    checkpoint = None if path is None else open_checkpoint(path, now=AUDITED_AT + timedelta(days=9))
    async with AccessKeysClient(TOKEN, base_url=target.base_url) as client:
        organizations = organization_ids(ORGANIZATIONS)
        running = audit(
            client, organizations, checkpoint=checkpoint, progress=progress, clock=lambda: AUDITED_AT
        )
        *audits, summary = [one async for one in running]
    if checkpoint is not None:
        checkpoint.close()
    assert isinstance(summary, Summary)
    return sorted(audits, key=lambda one: one.subject.organization_id.int), summary, progress


def start(target: Target, path: Path) -> subprocess.Popen[str]:
    ids = [str(one) for one in organization_ids(ORGANIZATIONS)]
    command = [sys.executable, "-m", "tests.faults.audit.auditing", target.base_url, TOKEN, str(path), *ids]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)


@pytest.mark.parametrize("seed", range(3))
async def test_after_kills_an_audit_reads_what_is_left_and_finds_the_same(
    target: Target, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    path = tmp_path / "checkpoint"
    open_checkpoint(path).close()
    reported: set[UUID] = set()
    for _ in range(3):
        with start(target, path) as process:
            assert process.stdout is not None
            for _ in range(len(reported) + chance.randrange(1, 8)):
                line = process.stdout.readline()
                if line:
                    reported.add(UUID(line.split()[0]))
            process.send_signal(signal.SIGKILL)
    resumed, summary, progress = await finish(target, path)
    assert progress.resumed >= len(reported) > 0
    assert progress.requests == 3 * (ORGANIZATIONS - progress.resumed)
    whole, expected, _ = await finish(target)
    assert [one.findings for one in resumed] == [one.findings for one in whole]
    assert [one.results for one in resumed] == [one.results for one in whole]
    assert [one.keys for one in resumed] == [one.keys for one in whole]
    assert (summary.started_at, summary.by_rule, summary.findings) == (
        AUDITED_AT,
        expected.by_rule,
        expected.findings,
    )
    assert summary.by_severity == expected.by_severity


async def test_wherever_the_file_is_cut_off_the_audit_ends_with_the_same(
    target: Target, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint"
    whole, expected, _ = await finish(target, path)
    content = path.read_bytes()
    chance = random.Random(1)
    for size in sorted(chance.randrange(len(content)) for _ in range(6)):
        path.write_bytes(content[:size])
        resumed, summary, _ = await finish(target, path)
        assert summary.by_severity == expected.by_severity
        assert [one.findings for one in resumed] == [one.findings for one in whole]
