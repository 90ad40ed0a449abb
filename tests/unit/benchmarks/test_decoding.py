"""Decoding a page: every contestant finds the same keys in it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from benchmarks import decoding
from benchmarks.measurement import Round
from benchmarks.static_server import render_pages

BODY = render_pages(200)[0].partition(b"\r\n\r\n")[2]


def _read(name: str) -> list[tuple[str, str]]:
    page: object = decoding.CONTESTANTS[name]()(BODY)
    if isinstance(page, Mapping):
        return [(key["name"], key["id"]) for key in page["results"]]
    assert hasattr(page, "results")
    return [(key.name, str(key.id)) for key in page.results]


@pytest.mark.parametrize("name", decoding.CONTESTANTS)
def test_every_contestant_finds_the_same_keys(name: str) -> None:
    assert _read(name) == _read("orjson")
    assert len(_read(name)) == 100


@pytest.mark.parametrize("name", ["client", "msgspec", "cattrs"])
def test_all_but_orjson_come_to_aware_times(name: str) -> None:
    page: object = decoding.CONTESTANTS[name]()(BODY)
    assert hasattr(page, "results")
    assert {key.created_at.utcoffset().total_seconds() for key in page.results} == {0.0}


def test_a_round_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    decoding.main(["--contestant", "client", "--pages", "3"])
    assert Round(**json.loads(capsys.readouterr().out)).keys == 300


def test_no_pages_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        decoding.main(["--contestant", "client", "--pages", "0"])
    assert "--pages is 0; it takes 1 or more" in capsys.readouterr().err
