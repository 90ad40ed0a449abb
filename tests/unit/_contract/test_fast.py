from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accesskeys_async._contract import fast, strict
from accesskeys_async.records import AccessKey

ORGANIZATION = UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - the zone is drawn apart
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
).map(datetime.isoformat)
utc_times = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.isoformat().replace("+00:00", "Z"))
junk: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def rows(time: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "id": st.uuids().map(str),
            "organizationId": st.just(str(ORGANIZATION)),
            "name": texts,
            "suffix": st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=6),
            "createdAt": time,
        },
        optional={
            "type": st.none() | texts,
            "description": st.none() | texts,
            "lastUsedAt": st.none() | time,
            "updatedAt": st.none() | time,
            "roleIds": st.none() | st.lists(texts, max_size=3),
            "unknown": junk,
        },
    )


def pages(time: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"results": st.lists(rows(time), max_size=4)},
        optional={"nextPageToken": st.none() | texts, "total": junk},
    )


@pytest.mark.slow
@given(pages(utc_times))
def test_the_fast_way_reads_every_page_in_utc_as_the_strict_one_does(
    page: dict[str, Any],
) -> None:
    body = json.dumps(page).encode()
    read = fast.decode_page(body, ORGANIZATION)
    assert read is not None
    assert read == strict.read_page(body)
    assert [type(key) for key in read] == [AccessKey] * len(page["results"])


@pytest.mark.slow
@given(pages(utc_times | times))
def test_both_ways_agree_on_any_page_and_give_times_in_utc(page: dict[str, Any]) -> None:
    body = json.dumps(page, ensure_ascii=False).encode()
    read = strict.read_page(body)
    assert fast.decode_page(body, ORGANIZATION) in (read, None)
    for key, row in zip(read, page["results"], strict=True):
        assert key.created_at.tzinfo is UTC
        assert key.created_at == datetime.fromisoformat(row["createdAt"])


@pytest.mark.slow
@given(rows(utc_times))
def test_both_ways_agree_on_a_key_to_the_last_trait_of_the_record(row: dict[str, Any]) -> None:
    body = json.dumps(row).encode()
    read, exact = (
        fast.decode_key(body, ORGANIZATION, UUID(row["id"]), row["id"]),
        strict.read_key(body),
    )
    assert read == exact
    assert read is not None
    assert hash(read) == hash(exact)
    assert repr(read) == repr(exact)
    assert attrs.asdict(read) == attrs.asdict(exact)
    assert attrs.evolve(read, name="other") == attrs.evolve(exact, name="other")


@pytest.mark.slow
@given(pages(utc_times), st.data())
def test_the_fast_way_takes_no_mistake_that_the_strict_one_finds(
    page: dict[str, Any], data: st.DataObject
) -> None:
    assume(page["results"])
    row = data.draw(st.sampled_from(page["results"]))
    row[data.draw(st.sampled_from(sorted(row)))] = data.draw(junk)
    body = json.dumps(page).encode()
    read = fast.decode_page(body, ORGANIZATION)
    if read is not None:
        assert read == strict.read_page(body)


def test_a_page_of_two_organizations_is_left_to_the_strict_way() -> None:
    row = {"id": "6c1f7f0e-58a1-4b1c-9d53-2f0a8d1c7b22", "name": "", "suffix": "AbCdEf"}
    row["createdAt"] = "2026-01-02T03:04:05Z"
    rows = [row | {"organizationId": f"0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a0{n}"} for n in (1, 2)]
    assert fast.decode_page(json.dumps({"results": rows}).encode(), ORGANIZATION) is None
