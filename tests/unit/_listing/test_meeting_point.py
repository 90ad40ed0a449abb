from __future__ import annotations

from collections.abc import Iterable

import pytest

from accesskeys_async._listing.meeting_point import OVERLAP_KEYS, MeetingPoint
from accesskeys_async.records import AccessKeyPage
from tests.unit._listing.scripted_pages import make_key


def make_page(numbers: Iterable[int], *, is_last: bool = False) -> AccessKeyPage:
    return AccessKeyPage(tuple(map(make_key, numbers)), None if is_last else "next")


class Organization:
    """Feeds pages to a meeting point, and collects the keys that it passes."""

    def __init__(self) -> None:
        self.meeting_point = MeetingPoint()
        self.found: list[int] = []
        self.progress = 0

    def forward(self, numbers: Iterable[int], *, is_last: bool = False) -> None:
        self._accept(make_page(numbers, is_last=is_last), is_forward=True)

    def backward(self, numbers: Iterable[int], *, is_last: bool = False) -> None:
        self._accept(make_page(numbers, is_last=is_last), is_forward=False)

    def _accept(self, page: AccessKeyPage, *, is_forward: bool) -> None:
        point = self.meeting_point
        keys, self.progress = point.accept(point.forward if is_forward else point.backward, page)
        self.found += [key.id.int for key in keys]


@pytest.fixture
def organization() -> Organization:
    return Organization()


def test_the_first_pages_of_two_directions_have_not_met(organization: Organization) -> None:
    organization.forward(range(1, 21))
    organization.backward(range(80, 60, -1))
    assert organization.found == [*range(1, 21), *range(80, 60, -1)]
    assert organization.meeting_point.mirrored is None
    assert not organization.meeting_point.is_over


def test_directions_have_met_when_one_finds_the_other_s_last_keys_in_reverse(
    organization: Organization,
) -> None:
    organization.forward(range(1, 21))
    organization.backward(range(30, 10, -1))
    assert organization.meeting_point.mirrored is True
    assert organization.meeting_point.is_over
    assert sorted(organization.found) == list(range(1, 31))
    assert organization.meeting_point.duplicates == 10


def test_fewer_common_keys_than_the_overlap_show_no_meeting(organization: Organization) -> None:
    organization.forward(range(1, 21))
    organization.backward(range(39, 20 - OVERLAP_KEYS + 1, -1))
    assert organization.meeting_point.mirrored is None
    organization.backward([20 - OVERLAP_KEYS + 1])
    assert organization.meeting_point.mirrored is True


def test_directions_that_meet_exactly_between_two_pages_have_not_met_yet(organization: Organization) -> None:
    organization.forward(range(1, 21))
    organization.backward(range(40, 20, -1))
    assert sorted(organization.found) == list(range(1, 41))
    assert organization.meeting_point.mirrored is None
    assert not organization.meeting_point.is_over


def test_an_order_that_is_not_reversed_is_no_mirror(organization: Organization) -> None:
    organization.forward(range(1, 21))
    organization.backward(range(1, 21))
    assert organization.meeting_point.mirrored is False
    assert organization.found == list(range(1, 21))


def test_the_backward_direction_is_not_wanted_without_a_mirror(organization: Organization) -> None:
    organization.forward(range(1, 21))
    organization.backward([5, 20, 7])
    point = organization.meeting_point
    assert point.mirrored is False
    assert point.is_wanted(point.forward)
    assert not point.is_wanted(point.backward)


def test_a_direction_is_not_wanted_after_its_last_page(organization: Organization) -> None:
    organization.forward(range(1, 21))
    organization.backward(range(60, 50, -1), is_last=True)
    point = organization.meeting_point
    assert not point.is_wanted(point.backward)
    assert point.is_wanted(point.forward)
    assert not point.is_over


def test_the_last_forward_page_ends_the_scan_without_a_meeting(organization: Organization) -> None:
    organization.forward(range(1, 21), is_last=True)
    assert organization.meeting_point.is_over
    assert organization.meeting_point.mirrored is None


def test_few_keys_have_met_when_a_direction_has_found_all_of_the_other_at_its_end(
    organization: Organization,
) -> None:
    organization.forward([1, 2, 3])
    organization.backward([4, 3, 2, 1], is_last=True)
    assert organization.meeting_point.mirrored is True


def test_a_repeated_key_of_the_same_direction_is_left_out_and_is_no_progress(
    organization: Organization,
) -> None:
    organization.forward([1, 2, 2])
    assert organization.found == [1, 2]
    assert organization.progress == 2
    organization.forward([1, 2])
    assert organization.found == [1, 2]
    assert organization.progress == 0
    assert organization.meeting_point.duplicates == 3


def test_keys_of_the_other_direction_are_progress_once(organization: Organization) -> None:
    organization.forward(range(1, 21))
    organization.backward([5, 7])  # not the reverse of what came last
    assert organization.progress == 2
    organization.forward([5, 7, 21])
    assert organization.progress == 1
    organization.backward([21])
    assert organization.progress == 1
    organization.backward([21])
    assert organization.progress == 0
