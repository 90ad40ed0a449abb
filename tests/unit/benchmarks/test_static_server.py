"""The static server: its pages are the contract's, and it ends with its parent."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Any

import orjson
import pytest

from accesskeys_async import AccessKeysClient
from benchmarks import static_server
from benchmarks.static_server import render_keys, render_pages, serve


def _body(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    page = orjson.loads(body)
    assert isinstance(page, dict)
    return page


def test_pages_follow_one_another_to_the_last() -> None:
    first, second, last = (_body(page) for page in render_pages(250))
    assert (first["nextPageToken"], second["nextPageToken"]) == ("p100", "p200")
    assert "nextPageToken" not in last


def test_a_full_page_is_as_large_as_a_real_one() -> None:
    assert 50_000 < len(render_pages(1_000)[4]) < 53_000


def test_a_tenth_of_the_keys_has_no_role_a_fifth_has_two_and_a_dozen_roles_are_shared() -> None:
    keys = [key for page in render_pages(1_000) for key in _body(page)["results"]]
    counts = Counter(len(key["roleRefs"]) for key in keys)
    assert counts == {0: 100, 1: 700, 2: 200}
    refs = [ref for key in keys for ref in key["roleRefs"]]
    assert len({ref["id"] for ref in refs}) == 12
    assert {len(ref["workspaces"]) for ref in refs} == {0, 1, 2}


def test_a_single_key_has_the_whole_roles_that_its_page_refers_to() -> None:
    (page,) = render_pages(100)
    single = {key_id: _body(reply) for key_id, reply in render_keys(100).items()}
    for key in _body(page)["results"]:
        alone = single[key["id"].encode()]
        assert "roleRefs" not in alone
        assert [role["id"] for role in alone["roles"]] == [ref["id"] for ref in key["roleRefs"]]


def test_a_listing_of_no_keys_is_one_empty_page() -> None:
    assert [_body(page) for page in render_pages(0)] == [{"results": []}]


async def test_the_client_reads_what_it_serves() -> None:
    with serve(150) as target:
        async with AccessKeysClient(target.token, base_url=target.base_url) as client:
            keys = await client.list(target.organization_id).collect()
    assert len({key.id for key in keys}) == 150
    assert keys[149].name == "billing-worker-prod-eu-000149"


async def test_the_client_reads_its_first_keys_one_by_one() -> None:
    with serve(150) as target:
        async with AccessKeysClient(target.token, base_url=target.base_url) as client:
            key = await client.get(target.organization_id, static_server.key_id(99))
    assert key.name == "billing-worker-prod-eu-000099"


def test_it_ends_when_its_stdin_does() -> None:
    command = [sys.executable, "-m", "benchmarks.static_server", "--keys", "1"]
    done = subprocess.run(
        command, input="", capture_output=True, text=True, timeout=20, check=True, cwd=static_server.PROJECT
    )
    assert int(done.stdout) > 0


def test_more_keys_than_memory_holds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        static_server.main(["--keys", "1000001"])
    assert "--keys is 1000001; it takes 0 to 1,000,000" in capsys.readouterr().err
