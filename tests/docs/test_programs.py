"""The three programs in examples do what the tutorial says."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from accesskeys_async.emulator import Emulator

EXAMPLES = Path(__file__).parents[2] / "examples"


def _run(name: str, environment: Mapping[str, str], *, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )


async def test_the_web_app_returns_when_a_key_was_last_used(
    emulator: Emulator, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCESSKEYS_BASE_URL", "ACCESSKEYS_TOKEN", "ACCESSKEYS_ORGANIZATION"):
        monkeypatch.setenv(name, environment[name])
    make_app: Callable[[], web.Application] = runpy.run_path(str(EXAMPLES / "web_app.py"))["make_app"]
    key = next(key for key in emulator.keys(emulator.organization_id) if key.last_used_at)
    async with TestClient(TestServer(make_app())) as browser:
        found = await browser.get(f"/keys/{key.id}")
        body = await found.json()
        assert body["name"] == key.name
        assert datetime.fromisoformat(body["last_used_at"]).tzinfo is not None
        unused = next(key for key in emulator.keys(emulator.organization_id) if not key.last_used_at)
        body = await (await browser.get(f"/keys/{unused.id}")).json()
        assert body == {"name": unused.name, "last_used_at": None}
        for unknown in ("0c0ffee0-0000-4000-8000-000000000bad", "nonsense"):
            assert (await browser.get(f"/keys/{unknown}")).status == 404


def test_the_audit_prints_the_old_keys_that_were_never_used(
    emulator: Emulator, environment: Mapping[str, str]
) -> None:
    done = _run("bulk_audit", environment)
    assert (done.returncode, done.stderr) == (0, "")
    long_ago = datetime.now(UTC) - timedelta(days=90)
    expected = {
        key.id
        for key in emulator.keys(emulator.organization_id)
        if key.last_used_at is None and datetime.fromisoformat(key.created_at) < long_ago
    }
    assert expected
    assert {line.split("\t")[1] for line in done.stdout.splitlines()} == expected


def test_the_worker_deletes_each_key_and_continues_after_a_failure(
    emulator: Emulator, environment: Mapping[str, str]
) -> None:
    first, second, *_ = (key.id for key in emulator.keys(emulator.organization_id))
    done = _run("event_worker", environment, stdin=f"{first}\nnot an id\n{second}\n{first}\n")
    assert done.returncode == 1, done.stderr
    assert sorted(done.stdout.split()) == sorted(["deleted"] * 3 + [first, first, second])
    assert done.stderr.startswith("not an id was not deleted: key_id is 9 characters and not a UUID")
    left = {key.id for key in emulator.keys(emulator.organization_id)}
    assert left.isdisjoint({first, second})


def test_the_worker_exits_with_0_if_every_key_was_deleted(
    emulator: Emulator, environment: Mapping[str, str]
) -> None:
    first, *_ = (key.id for key in emulator.keys(emulator.organization_id))
    done = _run("event_worker", environment, stdin=f"{first}\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"deleted {first}\n", "")
