"""The three programs in examples do what the README says of them."""

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


def _run(name: str, environment: Mapping[str, str], *, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"],
        input=given,
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )


async def test_the_web_app_tells_when_a_key_was_last_used(
    emulator: Emulator, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCESSKEYS_BASE_URL", "ACCESSKEYS_TOKEN", "ACCESSKEYS_ORGANIZATION"):
        monkeypatch.setenv(name, environment[name])
    make_app: Callable[[], web.Application] = runpy.run_path(str(EXAMPLES / "web_app.py"))["make_app"]
    key = next(key for key in emulator.keys(emulator.organization_id) if key.last_used_at)
    async with TestClient(TestServer(make_app())) as visitor:
        found = await visitor.get(f"/keys/{key.id}")
        told = await found.json()
        assert told["name"] == key.name
        assert datetime.fromisoformat(told["last_used_at"]).tzinfo is not None
        unused = next(key for key in emulator.keys(emulator.organization_id) if not key.last_used_at)
        told = await (await visitor.get(f"/keys/{unused.id}")).json()
        assert told == {"name": unused.name, "last_used_at": None}
        for nobody in ("0c0ffee0-0000-4000-8000-000000000bad", "nonsense"):
            assert (await visitor.get(f"/keys/{nobody}")).status == 404


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


def test_the_worker_deletes_what_it_is_told_and_goes_on_after_a_refusal(
    emulator: Emulator, environment: Mapping[str, str]
) -> None:
    first, second, *_ = (key.id for key in emulator.keys(emulator.organization_id))
    done = _run("event_worker", environment, given=f"{first}\nnot an id\n{second}\n{first}\n")
    assert done.returncode == 1, done.stderr
    assert sorted(done.stdout.split()) == sorted(["deleted"] * 3 + [first, first, second])
    assert done.stderr.startswith("left not an id because key_id is 9 characters and not a UUID")
    left = {key.id for key in emulator.keys(emulator.organization_id)}
    assert left.isdisjoint({first, second})


def test_the_worker_ends_well_if_all_that_has_leaked_is_gone(
    emulator: Emulator, environment: Mapping[str, str]
) -> None:
    first, *_ = (key.id for key in emulator.keys(emulator.organization_id))
    done = _run("event_worker", environment, given=f"{first}\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"deleted {first}\n", "")
