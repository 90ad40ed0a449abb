from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accesskeys_async._listing.pages import FetchPage
from accesskeys_async._listing.scan import Scan
from tests.properties.changing_service import (
    GAP,
    ChangingService,
    backward,
    forward,
    rotated,
    shuffled,
)
from tests.unit._listing.scripted_pages import read

counts = st.integers(0, 70)
limits = st.integers(1, 30)
leads = st.integers(1, 3)
randoms = st.integers(0, 2**32).map(Random)

Mirror = Callable[[ChangingService, Random], FetchPage]
NO_MIRRORS: dict[str, Mirror] = {
    "the same order": lambda service, random: service.direction(forward),
    "the same pages, each reversed": lambda service, random: service.direction(forward, page_reversed=True),
    "another order": lambda service, random: service.direction(partial(shuffled, seed=random.randint(0, 99))),
    "the same order from another start": lambda service, random: service.direction(
        partial(rotated, start=GAP * random.randint(0, 70))
    ),
    "one page and no more": lambda service, random: service.direction(backward, only_page=True),
    "each page of a mirror reversed": lambda service, random: service.direction(backward, page_reversed=True),
}


def scan(service: ChangingService, other: FetchPage, lead: int) -> tuple[list[int], Scan]:
    scan = Scan(service.direction(forward), other, start_backward_after=lead)
    return asyncio.run(read(scan.keys())), scan


def assert_exactly_once(found: list[int], service: ChangingService) -> None:
    assert len(found) == len(set(found))
    assert service.throughout <= set(found) <= service.ever


@given(count=counts, limit=limits, lead=leads, random=randoms, changes=st.integers(0, 4))
@settings(max_examples=300)
def test_whatever_comes_and_goes_a_key_that_is_there_throughout_comes_once(
    count: int, limit: int, lead: int, random: Random, changes: int
) -> None:
    service = ChangingService(count, limit=limit, random=random, changes=changes)
    found, scan_ = scan(service, service.direction(backward), lead)
    assert_exactly_once(found, service)
    assert scan_.complete


@pytest.mark.parametrize("kind", NO_MIRRORS)
@given(count=counts, limit=limits, lead=leads, random=randoms, changes=st.integers(0, 3))
def test_where_reverse_is_no_mirror_every_key_still_comes_once(
    kind: str, count: int, limit: int, lead: int, random: Random, changes: int
) -> None:
    service = ChangingService(count, limit=limit, random=random, changes=changes)
    found, scan_ = scan(service, NO_MIRRORS[kind](service, random), lead)
    assert_exactly_once(found, service)
    assert scan_.complete


@given(count=counts, limit=limits, lead=leads, random=randoms)
def test_a_mirror_that_nobody_changes_is_never_taken_for_another(
    count: int, limit: int, lead: int, random: Random
) -> None:
    service = ChangingService(count, limit=limit, random=random, changes=0)
    found, scan_ = scan(service, service.direction(backward), lead)
    assert sorted(found) == sorted(service.present)
    if count > 4 * max(limit, 10):
        assert scan_.mirrored is not False


@given(count=st.integers(30, 70), limit=st.integers(2, 12), random=randoms)
def test_a_service_that_ignores_reverse_is_read_one_way_at_no_more_than_twice_the_cost(
    count: int, limit: int, random: Random
) -> None:
    service = ChangingService(count, limit=limit, random=random, changes=0)
    found, scan_ = scan(service, service.direction(forward), 1)
    assert found == sorted(service.present)
    assert scan_.mirrored is False or scan_.mirrored is None
    assert service.requests <= 2 * -(-count // limit)
