from __future__ import annotations

import pytest

from accesskeys_async._throttle.learned_quota import EVIDENCE, RECENT
from accesskeys_async._throttle.shared_quota import SharedQuotaDetector


def test_refusals_of_most_organizations_that_were_heard_of_last_show_a_shared_quota() -> None:
    detector = SharedQuotaDetector()
    found = [detector.note(number, refused=True) for number in range(EVIDENCE)]
    assert found == [False] * (EVIDENCE - 1) + [True]


@pytest.mark.slow
def test_one_organization_is_heard_once_however_often_it_is_refused() -> None:
    detector = SharedQuotaDetector()
    for _ in range(1000):
        assert not any(detector.note(number, refused=True) for number in range(EVIDENCE - 1))


def test_an_organization_that_is_served_again_speaks_no_longer_for_a_shared_quota() -> None:
    detector = SharedQuotaDetector()
    for number in range(EVIDENCE - 1):
        detector.note(number, refused=True)
    assert not detector.note(0, refused=False)
    assert not detector.note(EVIDENCE, refused=True)


def test_one_refusal_in_two_shows_nothing() -> None:
    detector = SharedQuotaDetector()
    assert not any(detector.note(number, refused=number % 2 == 0) for number in range(1000))


def test_no_more_organizations_are_kept_than_are_judged() -> None:
    detector = SharedQuotaDetector()
    for number in range(1000):
        detector.note(number, refused=False)
    assert len(detector._refused) == RECENT
    detector.clear()
    assert not detector._refused
